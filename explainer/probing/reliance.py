"""Measure how much each word of an answer relies on the picture.

Recording reads the answer again with nothing on the picture, see `Evidence`. What the picture adds
to a word is the difference that EAGLE takes between the full and the empty picture (code of arXiv
2509.22496):

    Delta = P(word | picture) - mean over fills of P(word | empty picture)

Both are probabilities at temperature 1 of the same word after the same prompt and the same answer
before it. Near 1 the word stands and falls with the picture, near 0 it comes from the prompt and
from the answer so far as well, and below 0 the picture speaks against it. A word of several tokens
counts as a whole: its probability is the product of theirs.

It says how much, not where, and it is about this empty picture: a word such as "dark" may be likely
on a black one. So there are two, and their mean is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explainer.run import ANSWER, Run

EMPTY = ("black", "mean")  # what recording puts in place of the pictures, names in `fills`
SENSITIVE = 0.2  # EAGLE calls a word sensitive to the picture from here on
AGAINST = -0.01  # from here on down the picture makes a word less likely; above it is noise


@dataclass(frozen=True)
class Reliance:
    """What the picture adds to a word.

    Attributes:
        shown: its probability with the picture.
        empty: its probability with each of the fills, by name.
    """

    shown: float
    empty: dict[str, float]

    @property
    def delta(self) -> float:
        """Return Delta, in [-1, 1]."""
        return self.shown - float(np.mean([*self.empty.values()]))

    @property
    def as_json(self) -> dict[str, Any]:
        """Return {shown, empty, delta}."""
        return {"shown": self.shown, "empty": self.empty, "delta": self.delta}

    @property
    def share(self) -> float:
        """Return Delta, or 0 where it is below: how much the word rests on the picture, 0 to 1."""
        return max(0.0, self.delta)

    @property
    def is_sensitive(self) -> bool:
        return self.delta >= SENSITIVE

    @property
    def is_against(self) -> bool:
        """Return whether the picture makes the word less likely."""
        return self.delta <= AGAINST


def reliance(run: Run, tokens: Sequence[int]) -> Reliance | None:
    """Return what the picture adds to a word of these tokens.

    None if one of them is not of the answer, or if the run was recorded without evidence. Raises
    `TokenError` for an index that is none.
    """
    tokens = [run.check_token(token) for token in tokens]
    answer = run.indices(ANSWER)
    if run.evidence is None or not tokens or not np.isin(tokens, answer).all():
        return None
    at = np.searchsorted(answer, tokens)
    shown = np.prod(run.probs[tokens], dtype=np.float64)
    empty = np.prod(run.evidence.probs[:, at], axis=1, dtype=np.float64)
    return Reliance(float(shown), dict(zip(run.evidence.fills, map(float, empty), strict=True)))
