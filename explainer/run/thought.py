"""Which tokens of an answer are its thought."""

from __future__ import annotations

from explainer.run.run import Run
from explainer.run.schema import ANSWER, PROMPT

OPENING = ("<think>", "<|channel>")  # Qwen3.5, Gemma 4
CLOSING = ("</think>", "<channel|>")


def asks_for_thought(run: Run) -> bool:
    """Return whether the answer was asked to open with a thought."""
    return bool(run.settings.get("thinking"))


def thought(run: Run) -> tuple[int, ...]:
    """Return the indices of the answer's tokens within marks of a thought, marks included.

    The template writes the opening mark or leaves it to the model. A thought that is not closed
    goes on to the end of the answer.
    """
    tokens, found, within = run.tokens, [], False
    start = max(run.indices(PROMPT), default=-1) + 1
    for i in range(start, len(tokens)):
        within = within or tokens.texts[i] in OPENING
        if within and tokens.roles[i] == ANSWER:
            found.append(i)
        within = within and tokens.texts[i] not in CLOSING
    return tuple(int(i) for i in found)
