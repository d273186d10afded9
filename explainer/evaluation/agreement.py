"""Compare maps with what a model goes by: the order of parts that EAGLE's search finds.

A map is read at the parts of the search: each part has the mean of the map over its pixels. Then

    rank   Spearman's correlation of these means with the places of the parts in the search's
           order, 0 for a flat map
    iou    of the search's first parts, which hold a fifth of the picture or just more, and as many
           pixels' worth of the map's best parts: intersection over union of their areas
    first  whether the map's best part is the first of the search

EAGLE hides parts and watches the word, so a map that disagrees does not show what the model goes
by; its search is greedy, so it is not the last word either. A drawn order is the control.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from explainer.emoji_world.language import DESCRIBE
from explainer.emoji_world.scenes import make_scene
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.emoji import MAX_NEW_TOKENS, first_of_each, mentions, word_tokens
from explainer.evaluation.intervals import Bootstrap, Ratio
from explainer.methods.base import Heatmap
from explainer.methods.subjects import Span, explain_subject
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.probing.regions import at_pixels
from explainer.probing.tiling import Tiling
from explainer.recording.explainer import Explainer

FIGURES = ("rank", "iou", "first")
AREA = 0.2  # of the picture that the first parts hold
CHANCE = "random order"

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
    order, sizes = found.found.order, found.tiling.sizes
    place = np.empty(len(order))
    place[order] = np.arange(len(order))[::-1]
    own = np.argsort(-means, kind="stable")
    first, second = (_held(ranked, sizes) for ranked in (order, own))
    union = sizes[first | second].sum()
    flat = np.ptp(means) == 0  # has no order to compare
    return {
        "rank": 0.0 if flat else float(stats.spearmanr(place, means).statistic),
        "iou": float(sizes[first & second].sum() / union),
        "first": float(own[0] == order[0]),
    }


def _held(order: npt.NDArray[np.intp], sizes: Floats) -> npt.NDArray[np.bool_]:
    """Return which parts are the first that hold `AREA` of the picture, or just more."""
    held = np.cumsum(sizes[order]) / sizes.sum()
    chosen = np.zeros(len(order), bool)
    chosen[order[: int(np.searchsorted(held, AREA - 1e-9)) + 1]] = True
    return chosen


def judge(
    explainer: Explainer,
    seed: int,
    candidates: Sequence[ConfiguredMethod],
    plan: RegionPlan,
    alphas: Sequence[float],
) -> Iterator[dict[str, dict[str, float]]]:
    """Yield the figures of each method, by its name, for each rightly named thing of a scene."""
    scene, rng = make_scene(seed), np.random.default_rng(seed)
    run = explainer.record(
        scene.image, DESCRIBE[0], scales=tuple(alphas), max_new_tokens=MAX_NEW_TOKENS
    )
    present = {placed.name for placed in scene.things}
    for named in first_of_each(mentions(run.answer)):
        if named.name not in present:
            continue
        word = Span(tuple(word_tokens(run, named.start, named.end)))
        found = explainer.search_regions(run, word, plan)
        figures = {}
        for one in candidates:
            maps = explainer.attribute(run, word.tokens, one.method.name, **one.settings)
            heat = explain_subject(one.method, maps, word, **one.settings)
            figures[one.name] = agree(found, part_means(found.tiling, heat))
        figures[CHANCE] = agree(found, rng.permutation(len(found.tiling)).astype(float))
        yield figures


def summarise(
    samples: Sequence[Sequence[Mapping[str, Mapping[str, float]]]],
) -> dict[str, dict[str, Ratio]]:
    """Return each figure of each method with its interval; whole scenes are resampled."""
    draws = Bootstrap(len(samples))
    names = next((list(words[0]) for words in samples if words), [])
    totals = [len(words) for words in samples]
    return {
        name: {
            figure: draws.ratio([sum(w[name][figure] for w in words) for words in samples], totals)
            for figure in FIGURES
        }
        for name in names
    }


def markdown(figures: Mapping[str, Mapping[str, Ratio]], words: int, scenes: int) -> str:
    """Return the table: a row for each method, the figures with their intervals."""
    lines = [
        "| method | rank correlation | IoU at a fifth of the picture | first part equal |",
        "| --- | --- | --- | --- |",
    ]
    for name, row in figures.items():
        lines.append(f"| {name} | {' | '.join(r.short for r in row.values())} |")
    return "\n".join([*lines, "", f"{words} words of {scenes} scenes; 95% intervals over scenes."])
