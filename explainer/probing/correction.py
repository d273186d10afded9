"""Hide parts of a picture, in the order of a search, until a word leaves the answer.

Source: the minimal correction region of EAGLE, arXiv 2509.22496. Its parts are taken in the order
of a search: those that bring the word about first. After each further part the model is asked
again, and the first answer without the word ends it. That is the shortest beginning of this one
order; another set of parts may be smaller. AMCR is the share of the picture that was
hidden then, 1 where the word stays whatever is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError, TokenError
from explainer.media.fills import Pixels
from explainer.probing.eagle_search import Found
from explainer.probing.tiling import Tiling

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


def correct(
    tiling: Tiling, found: Found, word: str, ask: Ask, most: int = MOST_ASKED
) -> Correction:
    """Hide more and more parts until the answer no longer says a word.

    Args:
        found: the search for the word.
        word: as the answer says it; "Yes" is gone when an answer begins with "No".
        ask: asks the run's question about other pictures.
        most: how many times the model is asked, at least 1.

    Raises:
        TokenError: the answer of the run does not say the word.
        RunError: `most` is below 1.
    """
    before = tiling.run.answer
    if not says(before, word):
        raise TokenError(f"the answer does not say {word.strip()!r}, so nothing can take it away")
    if most < 1:
        raise RunError(f"the model has to be asked at least once, got {most}")
    shown = np.ones(len(tiling), bool)
    pictures, after = tuple(tiling.run.images), before
    for region in found.order[:most]:
        shown[region] = False
        pictures = tiling.pictures(shown)
        after = ask(pictures)
        if not says(after, word):
            break
    share = float(tiling.sizes[~shown].sum() / tiling.sizes.sum())
    regions = found.order[: int((~shown).sum())]
    return Correction(word.strip(), before, after, regions, share, pictures, not says(after, word))


def says(answer: str, word: str) -> bool:
    """Return whether an answer says a word or several in a row, in whatever case."""
    wanted = word.strip()
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", answer, re.IGNORECASE) is not None
