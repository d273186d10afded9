"""Measure how a word changes when a region of the picture is hidden: numbers and a verdict.

Source: the erasure of a rationale and its two questions, DeYoung et al., ERASER (ACL 2020):
comprehensiveness (does the word suffer when the place is hidden?) and sufficiency (does the place
alone carry it?). Here each is set against a control, as much hidden at random elsewhere.

All probabilities are of the same word after the same prompt and the same words before it, which
stay as they were said. A word of several tokens counts as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainer.probing.reliance import SENSITIVE
from explainer.run import ANSWER, Run

CLEAR = SENSITIVE  # a difference of probability that counts
SLIGHT = 0.05  # and one that is to be seen; below, nothing has changed


@dataclass(frozen=True)
class Change:
    """How probable a word is, 0 to 1.

    Attributes:
        shown: with the picture as it is.
        hidden: with a part of it hidden.
        control: with as much hidden elsewhere; None where there is not so much.
    """

    shown: float
    hidden: float
    control: float | None = None

    @property
    def delta(self) -> float:
        """Return what hiding changed, -1 to 1."""
        return self.hidden - self.shown


def change(run: Run, tokens: Sequence[int], probs: npt.NDArray[np.float32]) -> Change | None:
    """Return what became of a word of these tokens; None if one of them is not of the answer.

    Args:
        probs: (1, R) or (2, R), what `Explainer.probabilities_without` gives for the place and for
            the control.
    """
    answer, tokens = run.indices(ANSWER), [run.check_token(token) for token in tokens]
    if not tokens or not np.isin(tokens, answer).all():
        return None
    hidden = np.prod(probs[:, np.searchsorted(answer, tokens)], axis=1, dtype=np.float64)
    return Change(float(np.prod(run.probs[tokens], dtype=np.float64)), *map(float, hidden))


def verdict_of_hiding(found: Change) -> str:
    """Judge a word by hiding a region: return a key of `words.HIDING`.

    "more": it became more probable; "same": it did not change; "any": it suffers as much from a
    hole elsewhere; "part" and "rests": it suffers somewhat, or clearly, more from this one. Without
    a control "less".
    """
    if found.delta >= SLIGHT:
        return "more"
    if found.delta > -SLIGHT:
        return "same"
    if found.control is None:
        return "less"
    gap = found.control - found.hidden
    return "rests" if gap >= CLEAR else "part" if gap >= SLIGHT else "any"


def verdict_of_keeping(found: Change) -> str:
    """Judge a word by keeping only a region: return a key of `words.KEEPING`.

    "enough": the place carries the word, and as much of the rest does not; "either": the rest does,
    too; "helps" and "little": the place is not enough, but better than as much of the rest, or no
    better. Without a control "alone" and "not alone".
    """
    carries = found.delta > -CLEAR
    if found.control is None:
        return "alone" if carries else "not alone"
    gap = found.hidden - found.control
    if carries:
        return "enough" if gap >= CLEAR else "either"
    return "helps" if gap >= SLIGHT else "little"
