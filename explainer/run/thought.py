"""Which tokens of an answer are its thought."""

from __future__ import annotations

from explainer.run.run import Run
from explainer.run.schema import ANSWER

CLOSING = "</think>"


def thought(run: Run) -> tuple[int, ...]:
    """Return the indices of the answer's tokens up to the mark that closes its thought.

    All of the answer, where it ends within the thought; () where it was asked for without one.
    """
    if not run.settings.get("thinking"):
        return ()
    answer = [int(i) for i in run.indices(ANSWER)]
    closed = [at for at, i in enumerate(answer, 1) if run.tokens.texts[i] == CLOSING]
    return tuple(answer[: closed[0]] if closed else answer)
