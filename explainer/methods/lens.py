"""The logit lens on a recorded run, and which earlier tokens count: the basis of all methods.

Eq. 2 of arXiv 2509.22415: the map of class k is a_i(k) = W[k] . z_i over the visual tokens i, with
z_i the last-layer state after the final norm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explainer.run import ANSWER, TEMPLATE, Run, View
from explainer.run.geometry import Grid, Layout, join, seen_grid, seen_maps

Maps = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

PREDECESSORS = ("content", "all", "answer")
REPEATS = ("drop", "drop_word", "keep")


def lens_maps(run: Run, ids: npt.ArrayLike, alpha: float = 1.0) -> tuple[Maps, Layout]:
    """Return (M, G) float32 signed logits of M ids over the cells of a scale, and their layout.

    The cells are those of each image's base view that saw it. Raises `ScaleError` if the scale was
    not recorded.
    """
    bases = [views[0] for views in lens_views(run, ids, alpha)]
    return join([maps for maps, _ in bases]), Layout(tuple(grid for _, grid in bases))


def lens_views(run: Run, ids: npt.ArrayLike, alpha: float) -> list[list[tuple[Maps, Grid]]]:
    """Return for each image its views at a scale, base view first, as (M, h, w) logits and grid."""
    scale, logits = run.scale(alpha), run.visual_logits(alpha)[run.unembedding.index(ids)]

    def seen(view: View, place: slice) -> tuple[Maps, Grid]:
        grid = seen_grid(view)
        return seen_maps(view, grid, logits[:, place]), grid

    return [[seen(*view) for view in scale.of_image(i)] for i in range(len(run.images))]


def text_scores(run: Run, ids: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return (M, T) float32: logits of M ids at the state that predicts each text token, >= 0."""
    logits = run.text_logits[: len(run.tokens), run.unembedding.index(ids)]
    return np.maximum(0.0, logits.T)


def score_weights(run: Run, tokens: Sequence[int], allowed: Mask) -> Maps:
    """Return the scores (M, T) float32 of M tokens' classes at the states before other tokens.

    The score at the state that predicts a token of `allowed` is divided by the largest, so values
    lie in [0, 1]; zeros where none scores.
    """
    scores = np.where(allowed, text_scores(run, run.tokens.ids[list(tokens)]), 0.0)
    peak = scores.max(axis=1, keepdims=True)
    return (scores / np.where(peak > 0, peak, 1.0)).astype(np.float32)


def earlier(run: Run, tokens: Sequence[int], which: str = "content") -> Mask:
    """Return a mask (M, T) bool: the text tokens before each of M tokens that count for it.

    "content" is prompt and answer, "answer" the answer alone, "all" also the template. A token that
    nothing predicts (the first of the sequence) has no state and never counts.
    """
    roles = run.tokens.roles
    kinds = {
        "content": roles != TEMPLATE,
        "all": np.ones_like(roles, bool),
        "answer": roles == ANSWER,
    }
    usable = kinds[which] & (run.topk[: len(roles), 0] >= 0)
    return usable & (np.arange(len(roles)) < np.asarray(tokens)[:, None])


def repeated(run: Run, tokens: Sequence[int], repeats: str = "drop") -> Mask:
    """Return a mask (M, T) bool: the text tokens to leave out as repeats of each of M tokens.

    "drop" marks tokens with the same id: their map is identical, and subtracting it would erase the
    evidence. "drop_word" also marks those that differ only in case or surrounding space. "keep"
    marks none.
    """
    ids, at = run.tokens.ids, np.asarray(tokens)
    same = ids == ids[at][:, None]
    if repeats == "keep":
        return np.zeros_like(same)
    if repeats == "drop_word":
        words = np.array([text.strip().casefold() for text in run.tokens.texts], dtype=object)
        same |= (words == words[at][:, None]) & (words != "")
    return same
