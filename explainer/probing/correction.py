"""Hide parts of a picture, in the order of a search, until a word leaves the answer.

Source: the minimal correction region of EAGLE, arXiv 2509.22496. Its parts are taken in the order
of a search: those that bring the word about first. After each further part the model is asked
again, and the first answer without the word ends it. That is the shortest beginning of this one
order; another set of parts may be smaller. AMCR is the share of the picture that was
hidden then, 1 where the word stays whatever is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError, TokenError
from explainer.media.fills import Pixels
from explainer.probing.tiling import Tiling
from explainer.run import Run

Ask = Callable[[tuple[Pixels, ...]], str]  # pictures -> the answer to the run's question

MOST_ASKED = 12


@dataclass(frozen=True, eq=False)
class Correction:
    """A word before and after parts of the picture were hidden.

    Attributes:
        word: what was to go.
        before: the answer about the whole picture.
        after: the answer when it went, or the last one that was asked for.
        regions: (k,) numbers of the hidden parts, in the order in which they were hidden.
        share: of the picture that they hold, 0 to 1.
        pictures: with these parts hidden.
        is_corrected: whether the word went.
    """

    word: str
    before: str
    after: str
    regions: npt.NDArray[np.intp]
    share: float
    pictures: tuple[Pixels, ...]
    is_corrected: bool

    @property
    def amcr(self) -> float:
        """Return the share that had to be hidden, 1 if the word did not go."""
        return self.share if self.is_corrected else 1.0


@dataclass(frozen=True, eq=False)
class HiddenParts:
    """Pictures with the first parts of an order hidden.

    Attributes:
        regions: (k,) numbers of the hidden parts.
        share: of the picture that they hold, 0 to 1.
        pictures: the pictures without them.
    """

    regions: npt.NDArray[np.intp]
    share: float
    pictures: tuple[Pixels, ...]


def trials(
    tiling: Tiling, order: npt.NDArray[np.intp], most: int = MOST_ASKED
) -> Iterator[HiddenParts]:
    """Yield the pictures with one part of the order hidden, with two, and so on.

    `most` is how many there are at most, at least 1; else `RunError` is raised.
    """
    if most < 1:
        raise RunError(f"the model has to be asked at least once, got {most}")
    shown = np.ones(len(tiling), bool)
    for hidden, region in enumerate(order[:most], 1):
        shown[region] = False
        share = float(tiling.sizes[~shown].sum() / tiling.sizes.sum())
        yield HiddenParts(order[:hidden], share, tiling.pictures(shown))


def judge(run: Run, trial: HiddenParts, word: str, after: str) -> Correction:
    """Return what an answer about the pictures of a trial means for a word of the run's answer."""
    regions, share, pictures = trial.regions, trial.share, trial.pictures
    gone = not says(after, word)
    return Correction(word.strip(), run.answer, after, regions, share, pictures, gone)


def correct(
    tiling: Tiling,
    order: npt.NDArray[np.intp],
    word: str,
    ask: Ask,
    most: int = MOST_ASKED,
) -> Correction:
    """Hide more and more parts until the answer no longer says a word.

    Args:
        order: (n,) numbers of the parts, first those that bring the word about.
        word: as the answer says it; "Yes" is gone when an answer begins with "No".
        ask: asks the run's question about other pictures.
        most: how many times the model is asked, at least 1.

    Raises:
        TokenError: the answer of the run does not say the word.
        RunError: `most` is below 1.
    """
    check_said(tiling.run, word)
    for trial in trials(tiling, order, most):
        found = judge(tiling.run, trial, word, ask(trial.pictures))
        if found.is_corrected:
            break
    return found


def check_said(run: Run, word: str) -> None:
    """Raise `TokenError` unless the answer of the run says the word."""
    if not says(run.answer, word):
        raise TokenError(f"the answer does not say {word.strip()!r}, so nothing can take it away")


def says(answer: str, word: str) -> bool:
    """Return whether an answer says a word or several in a row, in whatever case."""
    wanted = word.strip()
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", answer, re.IGNORECASE) is not None
