"""EAGLE: which regions of the picture the word needs, found by showing and hiding them.

The model is a black box here. The answer so far is read again with only some regions of the picture
shown, the others under a fill, and only the probability of the word is read. The search is in
`explainer.probing.eagle_search`, the regions in `explainer.probing.tiling`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from explainer.attribution.reading import AttributionProgress, Computed, Reading
from explainer.probing import eagle_search as black_box
from explainer.probing.tiling import Tiling


def eagle(
    reading: Reading, tokens: Sequence[int], *, regions: int, parts: str, fill: str
) -> Iterator[AttributionProgress | Computed]:
    """Yield progress after each batch of readings, and the map of each token.

    A visual token has the mean value of the regions that its pixels belong to, see `Found.values`.
    The notes are "reliance", the modality reliance of the word, and how probable it is: "shown"
    with the picture, "empty" with all of it hidden. What one token's search has read serves the
    others too.

    Raises `RunError` for a run about a video.
    """
    tiling = Tiling.of(reading.run, regions, fill, parts)
    reading.predicting(tokens)

    def score(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        return reading.probabilities([tiling.pictures(mask) for mask in masks], tokens)

    readings = black_box.RegionReadings(score, len(tiling))
    for column, token in enumerate(tokens):
        search = black_box.search(readings, [column])
        found = yield from _told(search, token)
        curves = found.curves(tiling.sizes)
        notes = {"reliance": curves.reliance, "shown": curves.whole, "empty": curves.empty}
        yield Computed(tiling.spread(found.values()), notes)


def _told(
    search: Generator[black_box.SearchProgress, None, black_box.Found], token: int
) -> Generator[AttributionProgress, None, black_box.Found]:
    """Pass on how far a search is; return what it found."""
    while True:
        try:
            at = next(search)
        except StopIteration as end:
            return end.value
        yield AttributionProgress(token, at.done, at.total)
