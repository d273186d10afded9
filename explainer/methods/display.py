"""Normalise and filter cleaned maps to [0, 1] or, if signed, [-1, 1].

Neither paper defines the normalisation of MSEA + ARC; TAM's code uses the joint range of image and
text. Three normalisations are offered, and every `Heatmap` names the one it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from explainer.errors import KnobError
from explainer.methods.base import Knob, MapPart
from explainer.methods.filters import BORDERS, rank_gaussian
from explainer.methods.lens import earlier, text_scores
from explainer.run import ANSWER, Run
from explainer.run.geometry import Layout

Maps = npt.NDArray[np.float32]

RAW = "raw"  # no normalisation: for code that computes with maps; never offered as a choice
ABSOLUTE = "absolute"  # no normalisation either: for maps that are shares already

WORDS: Mapping[str, str] = {
    RAW: "Scale: raw scores",
    ABSOLUTE: "Scale: 1.0 = first region of a word that the picture makes 0.67 more probable",
    "joint": "Scale: 1.0 = this word's strongest score, picture or text",
    "token": "Scale: 1.0 = this map's own maximum, 0 = its minimum",
    "answer": "Scale: 1.0 = the strongest value in the maps of the whole answer",
}
SIGNED_WORDS: Mapping[str, str] = {
    RAW: "Scale: raw scores",
    "joint": "Scale: ±1.0 = this word's strongest score of either sign, picture or text",
    "token": "Scale: ±1.0 = this map's strongest value of either sign",
    "answer": "Scale: ±1.0 = the strongest value of either sign in the maps of the answer",
}

NORMALISATION = Knob(
    "normalisation",
    "choice",
    "joint",
    "what counts as full strength: the word's scores in picture and text (joint), the map's own "
    "maximum (token), or the strongest map of the answer (answer)",
    choices=("joint", "token", "answer"),
)
WINDOW = Knob(
    "window",
    "int",
    3,
    "side of the rank Gaussian filter, in grid cells; 1 turns it off",
    low=1,
    high=5,
    step=2,
)
BORDER = Knob(
    "border",
    "choice",
    "edge",
    "what the filter sees past the edge of the picture: the picture mirrored, as in TAM's code, "
    "which moves peaks outward; the edge repeated; or nothing (inside)",
    choices=tuple(BORDERS),
    advanced=True,
)


@dataclass(frozen=True)
class Finishing:
    """How to normalise and filter cleaned maps; `WINDOW` and `BORDER` describe the filter."""

    normalisation: str
    window: int = 1
    border: str = BORDER.default


def needed(run: Run, tokens: Sequence[int], normalisation: str) -> list[int]:
    """Return `tokens`, followed by those whose maps the normalisation also needs."""
    if normalisation != "answer":
        return list(tokens)
    chosen = set(tokens)
    rest = [int(i) for i in run.indices(ANSWER) if i not in chosen]
    if not rest and not np.any(run.tokens.roles[list(tokens)] == ANSWER):
        raise KnobError("normalisation 'answer' needs an answer, and this run holds none")
    return [*tokens, *rest]


def finish(run: Run, tokens: Sequence[int], maps: Maps, layout: Layout, how: Finishing) -> Maps:
    """Return (M, G) float32 in [0, 1]: the filtered, normalised maps of `needed` tokens.

    The range is that of all images together; the filter stays within an image.

    joint: min-max over the map and the scores (clipped at 0) of the same class at the states that
    predict the content tokens before it, then the filter, in TAM's order. Departure from TAM:
    prompt tokens do not see the tokens after them. token, answer: the filter first, so that 1.0 is
    reached. A map without any range gives zeros. `RAW`, `ABSOLUTE`: the filter, and no range.
    """
    normalisation = how.normalisation
    smooth = partial(rank_gaussian, window=how.window, border=how.border)
    if normalisation == "joint":
        low, high = joint_range(maps, *_pool(run, tokens))
        return layout.each(smooth, stretch(maps, low, high))
    maps = layout.each(smooth, maps)
    if normalisation in (RAW, ABSOLUTE):
        return maps
    if normalisation == "token":
        return stretch(maps, maps.min(axis=1), maps.max(axis=1))
    return np.minimum(1.0, stretch(maps, 0.0, _answer_peak(run, tokens, maps)))


def finish_signed(run: Run, tokens: Sequence[int], maps: Maps, normalisation: str) -> Maps:
    """Return (M, G) float32 in [-1, 1]: signed maps divided so that 0 stays 0; no filter."""
    if normalisation == RAW:
        return maps
    size = np.abs(maps)
    high: Maps | float
    if normalisation == "joint":
        _, high = joint_range(size, *_pool(run, tokens))
    elif normalisation == "token":
        high = size.max(axis=1)
    else:
        high = _answer_peak(run, tokens, size)
    return np.clip(stretch(maps, 0.0, high), -1.0, 1.0)


def joint_range(
    maps: Maps, scores: npt.NDArray[np.float32], counts: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the least and largest value, ((M,), (M,)), of each map and its counted scores.

    `scores` and `counts` are (M, J).
    """
    low = np.minimum(maps.min(axis=1), np.where(counts, scores, np.inf).min(axis=1, initial=np.inf))
    high = np.maximum(
        maps.max(axis=1), np.where(counts, scores, -np.inf).max(axis=1, initial=-np.inf)
    )
    return low, high


def stretch(maps: Maps, low: npt.ArrayLike, high: npt.ArrayLike) -> Maps:
    """Return (maps - low) / (high - low), each bound one number or (M,); zeros where they meet."""
    low, high = (np.broadcast_to(np.asarray(b, np.float32), len(maps)) for b in (low, high))
    span = high - low
    scaled = (maps - low[:, None]) / np.where(span > 0, span, 1.0)[:, None]
    return np.where((span > 0)[:, None], scaled, 0.0).astype(np.float32)


def as_parts(values: Maps, layout: Layout) -> list[tuple[MapPart, ...]]:
    """Split the cells (M, G) of M heatmaps into parts, one for each image."""
    places = [grid.placement for grid in layout.grids]
    return [tuple(map(MapPart, maps, places)) for maps in zip(*layout.split(values), strict=True)]


def _pool(run: Run, tokens: Sequence[int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    return text_scores(run, run.tokens.ids[list(tokens)]), earlier(run, tokens)


def _answer_peak(run: Run, tokens: Sequence[int], maps: Maps) -> float:
    return float(maps[run.tokens.roles[list(tokens)] == ANSWER].max())
