"""EAGLE's tables for named things: insertion, deletion, highest confidence, and the pointing game.

For each thing that the model names rightly: the search's own curves over its parts, and for maps
the curves over their pixels in steps of equal area, as EAGLE's code has it; and whether the map's
highest value lies on the thing.

    insertion, deletion   areas under the curves, see `explainer.probing.curves`
    confidence            the highest probability while the picture appears
    box, mask             whether a place with the highest value of the map lies in the box around
                          the thing, or on it. The parts of a search are larger than the cells of a
                          map, and the first has one value, so that it hits somewhat more easily
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explainer.evaluation.agreement import EARLY, Figures, count_words, ended_early, name_things
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.intervals import Ratio
from explainer.evaluation.report import method_table
from explainer.methods.base import Heatmap
from explainer.probing.curves import CurvePlan, read
from explainer.probing.region_plan import RegionPlan
from explainer.probing.regions import at_pixels

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

EAGLE = "EAGLE"
FIGURES = ("insertion", "deletion", "confidence", "box", "mask")

Mask = npt.NDArray[np.bool_]


def judge(
    explainer: Explainer,
    seed: int,
    candidates: Sequence[ConfiguredMethod],
    plan: RegionPlan,
    alphas: Sequence[float],
    steps: int,
    early: bool = False,
) -> Iterator[Figures]:
    """Yield the figures of the search and of each method for each rightly named thing of a scene.

    `steps` is the number of steps of the curves of maps. `early` adds a search that ends early,
    whose curves are straight lines over parts in no known place.
    """
    plans = {EAGLE: plan}
    if early:
        plans[EARLY] = ended_early(plan)
    for scene, run, named, word in name_things(explainer, seed, alphas):
        mask = scene.mask(named)
        figures = {}
        for name, chosen in plans.items():
            found = explainer.search_regions(run, word, chosen)
            own = found.found.curves(found.tiling.sizes).figures()
            best = found.tiling.labels[0] == found.found.order[0]
            figures[name] = {**own, **point(best, mask)}
        for one in candidates:
            heat = one.map_of(explainer, run, word)
            readings = read(explainer, run, heat, CurvePlan(plan.fill, steps))
            best = highest(heat, mask.shape)
            figures[one.name] = {**readings.of(word.tokens).figures(), **point(best, mask)}
        yield figures


def highest(heatmap: Heatmap, shape: tuple[int, ...]) -> Mask:
    """Return (H, W): the pixels of the cells with the highest value; none of a flat map."""
    values = heatmap.values.astype(np.float64)
    if np.ptp(values) == 0:
        return np.zeros(shape, bool)
    placement = heatmap.parts[0].placement
    return at_pixels(values == values.max(), placement, (shape[0], shape[1]), False)


def point(best: Mask, mask: Mask) -> dict[str, float]:
    """Return whether any of the best pixels lies in the box around a thing, and on it: 1 or 0."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = best[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return {"box": float(box.any()), "mask": float((best & mask).any())}


def markdown(figures: Mapping[str, Mapping[str, Ratio]], words: int, scenes: int) -> str:
    """Return the table: a row for each method."""
    heads = ("insertion ↑", "deletion ↓", "highest confidence ↑", "in the box", "on the thing")
    return method_table(("method", *heads), figures, count_words(words, scenes))
