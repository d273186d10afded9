"""EAGLE: find the regions of the picture that a word needs, by showing and hiding them.

The model is a black box: the answer so far is read again with only some regions of the picture
shown and the others filled, and only the probability of the word is used. The search is in
`explainer.probing.eagle_search`, the regions in `explainer.probing.tiling`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from explainer.attribution.reading import (
    AttributionProgress,
    Computed,
    Reading,
    readings_at_once,
)
from explainer.probing import eagle_search as black_box
from explainer.probing.tiling import Tiling


def eagle(
    reading: Reading, tokens: Sequence[int], *, regions: int, parts: str, fill: str
) -> Iterator[AttributionProgress | Computed]:
    """Yield progress after each batch of readings, and the map of each token.

    A visual token has the mean value of the regions that its pixels belong to, see `Found.values`.
    The notes are "reliance", the modality reliance of the word, and how probable it is: "shown"
    with the picture, "empty" with all of it hidden. Results of one token's search are reused for
    the others.

    Raises `RunError` for a run about a video.
    """
    tiling = Tiling.of(reading.run, regions, fill, parts)
    reading.predicting(tokens)

    def score(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        return reading.probabilities([tiling.pictures(mask) for mask in masks], tokens)

    most = readings_at_once(reading.family, reading.run)
    readings = black_box.RegionReadings(score, len(tiling), most=most)
    for column, token in enumerate(tokens):
        search = black_box.search(readings, [column])
        found = yield from _report_search(search, token)
        curves = found.curves(tiling.sizes)
        notes = {"reliance": curves.reliance, "shown": curves.whole, "empty": curves.empty}
        yield Computed(tiling.spread(found.values()), notes)


def _report_search(
    search: Generator[black_box.SearchProgress, None, black_box.Found], token: int
) -> Generator[AttributionProgress, None, black_box.Found]:
    """Yield the progress of a search; return its result."""
    while True:
        try:
            at = next(search)
        except StopIteration as end:
            return end.value
        yield AttributionProgress(token, at.done, at.total)
