"""Explain the figures of maps: on what they lie, and what was subtracted from them.

Measured for inspected methods (`MeasurePlan.inspected`), in addition to `iou`. Each figure is a sum
over the things that an answer names and that are in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.iou import Fit, Grey, Greys, Mask, NamedWords, Truth, fit
from explainer.evaluation.tally import Tally, add_value, make_tally, round_tally
from explainer.evaluation.words import FUNCTION, Grammar, Word
from explainer.methods.msea_arc import MSEA_ARC, predecessor_weights
from explainer.methods.msea_arc_knobs import MseaArcSettings
from explainer.run import PROMPT, Run
from explainer.run.geometry import Layout

# Figures summed over things, each as [sum, count], with their labels.
PLACES: Mapping[str, str] = {
    "on_itself": "on the thing",
    "near": "within a cell of it",
    "on_others": "on other things",
    "elsewhere": "elsewhere",
}
OVERLAPS: Mapping[str, str] = {
    "small": "under 9 cells",
    "medium": "9 to 25 cells",
    "large": "over 25 cells",
    "first": "first thing named",
    "later": "named after another",
    "ceiling": "the best that the grid allows",
}
SHARES: Mapping[str, str] = {
    "to_things": "other things",
    "to_prompt": "the prompt",
    "to_function": "function words",
    "to_rest": "other words",
}
FIGURES: Mapping[str, str] = {**PLACES, **OVERLAPS, **SHARES}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "where the map of a thing lies": PLACES,
    "Obj-IoU of things": OVERLAPS,
    "whose maps are taken from that of a thing named after another": SHARES,
}
SMALL, LARGE = 9.0, 25.0  # cells: the window of the filter, and a square of 5 x 5


@dataclass(frozen=True, eq=False)
class Site:
    """A thing that the answer names and the picture shows.

    Attributes:
        mask: (H, W) bool, its mask.
        others: the mask of other things.
        near: the border around it, a cell wide, without things.
        cells: its size in cells of the map.
        ceiling: the largest IoU on this grid: that of the share of each cell that it fills.
        is_first: whether no other thing was named before it.
    """

    thing: NamedWords
    mask: Mask
    others: Mask
    near: Mask
    cells: float
    ceiling: float
    is_first: bool


def find_sites(run: Run, things: Sequence[NamedWords], truth: Truth) -> list[Site]:
    """Return the things that are in the picture, in the order of their names."""
    found = []
    anything = np.any(list(truth.masks.values()), axis=0) if truth.masks else None
    for number, thing in enumerate(things):
        mask = truth.of(thing.label)
        if mask is None or anything is None:
            continue
        cell = _cell(run, mask.shape)
        around = ndimage.distance_transform_edt(~mask) <= np.sqrt(cell)
        named = {other.label for other in things[:number]} - {thing.label}
        found.append(
            Site(
                thing,
                mask,
                anything & ~mask,
                around & ~anything,
                float(mask.sum() / cell),
                _ceiling(run, mask),
                not named,
            )
        )
    return found


def _cell(run: Run, shape: tuple[int, int]) -> float:
    """Return the area of a whole cell of the first image's map, in pixels of a mask."""
    grid = Layout.of(run).grids[0]
    x0, y0, x1, y1 = grid.placement.shares(run.image.shape).frame
    return (x1 - x0) * (y1 - y0) * shape[0] * shape[1] / (grid.shape[0] * grid.shape[1])


def _ceiling(run: Run, mask: Mask) -> float:
    """Return the IoU of the map that holds the share of each cell that the thing fills."""
    grid = Layout.of(run).grids[0]
    place = grid.placement.shares(run.image.shape)
    frame = np.array(place.sized(mask.shape).frame)
    beside = int(np.ceil(max(0.0, *-frame[:2], *(frame[2:] - mask.shape[::-1]))))
    picture = Image.fromarray(np.pad(np.uint8(mask) * 255, beside))
    whole = picture.resize(grid.shape[::-1], Image.Resampling.BOX, box=tuple(frame + beside))
    filled = np.round(np.asarray(whole) / np.outer(*grid.held)).clip(0, 255).astype(np.uint8)
    levels, predicted, _ = Grey(filled, place).cut(mask.shape)
    return fit(levels, predicted, mask).iou


def measure_sites(
    candidate: ConfiguredMethod,
    run: Run,
    found: Sequence[Site],
    maps: Greys,
    classes: Mapping[int, str],
) -> Tally:
    """Return the sums of one sample for one method.

    Args:
        maps: of every answer token.
        classes: of every answer token, from `token_classes`.
    """
    tally = make_tally(FIGURES)
    for site in found:
        _count_places(tally, site, maps)
        if candidate.method is MSEA_ARC and not site.is_first:
            _count_subtraction(tally, candidate.settings, run, site, classes)
    return round_tally(tally)


def best_cut(site: Site, maps: Greys) -> tuple[Fit, Mask]:
    """Return the fit of the best fitting token, and its prediction."""
    cuts = [maps[token].cut(site.mask.shape)[:2] for token in site.thing.tokens]
    fits = [fit(levels, predicted, site.mask) for levels, predicted in cuts]
    best = int(np.argmax([f.iou for f in fits]))
    return fits[best], cuts[best][1]


def _count_places(tally: Tally, site: Site, maps: Greys) -> None:
    """Count on what the best fitting map lies, and how well it fits."""
    best, predicted = best_cut(site, maps)
    size = "small" if site.cells < SMALL else "large" if site.cells > LARGE else "medium"
    for name in (size, "first" if site.is_first else "later"):
        add_value(tally, name, best.iou)
    add_value(tally, "ceiling", site.ceiling)
    if predicted.any():
        places = {"on_itself": site.mask, "near": site.near, "on_others": site.others}
        shares = {name: float(np.mean(place[predicted])) for name, place in places.items()}
        for name, share in shares.items():
            add_value(tally, name, share)
        add_value(tally, "elsewhere", max(0.0, 1.0 - sum(shares.values())))


def _count_subtraction(
    tally: Tally, settings: Mapping[str, Any], run: Run, site: Site, classes: Mapping[int, str]
) -> None:
    """Count how the weights of Eq. 8 are distributed, for a thing named after another."""
    tokens = list(site.thing.tokens)
    weights = predecessor_weights(run, tokens, MseaArcSettings(**settings))
    own = {token for token, name in classes.items() if name == str(site.thing.label)}
    for row in weights[weights.sum(axis=1) > 0]:
        shares = dict.fromkeys(("to_things", "to_prompt", "to_function", "to_rest"), 0.0)
        for j in np.flatnonzero(row):
            shares[_classify_token(run, int(j), own, classes)] += float(row[j] / row.sum())
        for name, share in shares.items():
            add_value(tally, name, share)


def _classify_token(run: Run, token: int, own: set[int], classes: Mapping[int, str]) -> str:
    if run.tokens.roles[token] == PROMPT:
        return "to_prompt"
    if token in own:
        return "to_rest"
    name = classes.get(token, "")
    return "to_function" if name == FUNCTION else "to_things" if name.isdigit() else "to_rest"


def token_classes(
    words: Sequence[Word], things: Sequence[NamedWords], grammar: Grammar
) -> dict[int, str]:
    """Return the class of each answer token: the label of its thing in digits, or a word class."""
    classes = {token: grammar.kind(word.text) for word in words for token in word.tokens}
    return classes | {token: str(thing.label) for thing in things for token in thing.tokens}
