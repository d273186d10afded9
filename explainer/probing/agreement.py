"""Compare maps with what a model goes by: the order of parts that EAGLE's search finds.

A map is read at the parts of the search: each part has the mean of the map over its pixels. Then

    rank   Spearman's correlation of these means with the places of the parts in the search's
           order, 0 for a flat map
    iou    of the search's first parts, which hold a fifth of the picture or just more, and as many
           pixels' worth of the map's best parts: intersection over union of their areas
    first  whether the map's best part is the first of the search

Parts that a search did not reach share the last place, and only those that it reached count as the
first. EAGLE hides parts and watches the word, so a map that disagrees does not show what the model
goes by; its search is greedy, so it is not the last word either. A drawn order is the control.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explainer.methods.base import Heatmap
from explainer.probing.region_plan import RegionAttribution
from explainer.probing.regions import at_pixels
from explainer.probing.tiling import Tiling

FIGURES = ("rank", "iou", "first")
AREA = 0.2  # of the picture that the first parts hold
_DRAWN = 100  # orders

Floats = npt.NDArray[np.float64]


def part_means(tiling: Tiling, heatmap: Heatmap) -> Floats:
    """Return (n,): the mean of a map over the pixels of each part."""
    totals = np.zeros(len(tiling))
    for labels, part in zip(tiling.labels, heatmap.parts, strict=True):
        values = at_pixels(part.values.astype(np.float64), part.placement, labels.shape, 0.0)
        seen = labels >= 0
        totals += np.bincount(labels[seen], values[seen], len(tiling))
    return totals / tiling.sizes


def agree(found: RegionAttribution, means: Floats) -> dict[str, float]:
    """Return the figures of one map, given its mean over each part (n,)."""
    from scipy import stats  # takes longer to import than the page's own modules

    order, sizes = found.found.order, found.tiling.sizes
    count, known = len(order), found.found.searched or len(order)
    place = np.empty(count)
    place[order] = np.maximum(np.arange(count)[::-1], count - 1 - known)
    own = np.argsort(-means, kind="stable")
    area = min(AREA, sizes[order[:known]].sum() / sizes.sum())
    first, second = (_held(ranked, sizes, area) for ranked in (order, own))
    union = sizes[first | second].sum()
    flat = np.ptp(means) == 0  # has no order to compare
    return {
        "rank": 0.0 if flat else float(stats.spearmanr(place, means).statistic),
        "iou": float(sizes[first & second].sum() / union),
        "first": float(own[0] == order[0]),
    }


def agree_by_chance(found: RegionAttribution) -> dict[str, float]:
    """Return the mean figures of 100 drawn orders, the same ones each time."""
    rng, count = np.random.default_rng(0), len(found.tiling)
    drawn = [agree(found, rng.permutation(count).astype(float)) for _ in range(_DRAWN)]
    return {name: float(np.mean([figures[name] for figures in drawn])) for name in FIGURES}


def _held(order: npt.NDArray[np.intp], sizes: Floats, area: float) -> npt.NDArray[np.bool_]:
    """Return which parts are the first that hold so much of the picture, or just more."""
    held = np.cumsum(sizes[order]) / sizes.sum()
    chosen = np.zeros(len(order), bool)
    chosen[order[: int(np.searchsorted(held, area - 1e-9)) + 1]] = True
    return chosen
