"""MSEA + ARC: the lens fused over several scales, minus what unrelated earlier words explain.

Source: "MSEA + ARC", arXiv 2509.22415, Eq. 2-9. What the paper leaves open is a knob here; the
defaults are ours, the preset `paper` reads the equations to the letter, see `msea_arc_knobs.PAPER`.

    A_t     weighted mean over scales s (and views of an image) of Resize(A_t^(s))         (5)
    r_j     RBO(top-k at the state of j, top-k at the state of t)                          (7)
    Ahat_t  sum_j (1 - r_j) A_j / sum_j (1 - r_j), j < t, and a base map A_0 of weight 1   (8)
    out     G(max(0, A_t - beta Ahat_t)),  beta = argmin_b ||A_t - b Ahat_t||^2            (9)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import KnobError, RunError
from explainer.methods.base import Heatmap, Method
from explainer.methods.display import (
    WORDS,
    as_parts,
    finish,
    needed,
)
from explainer.methods.interference import NOTHING, Cleaned, best_beta, subtract, weighted_mean
from explainer.methods.lens import (
    Maps,
    Mask,
    earlier,
    lens_views,
    repeated,
    score_weights,
)
from explainer.methods.msea_arc_knobs import AGREEMENT, KNOBS, PAPER, MseaArcSettings
from explainer.methods.rbo import rbo
from explainer.run import Run, Scale
from explainer.run.geometry import Grid, Layout, Resampler, join

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Derivation:
    """What Eq. 5 to 9 give for M tokens, before normalisation and filter.

    Attributes:
        own: (M, G) float32, A_t of Eq. 5.
        context: (J,) the text tokens that are subtracted from any of the M, in order.
        others: (J, G) float32, A_j of each; one row more, A_0, if there is a base map.
        weights: (M, J) or (M, J + 1) float64, the weights of Eq. 8, 0 where a token does not count.
        interference: (M, G) float64, Ahat_t of Eq. 8.
        cleaned: max(0, A_t - beta Ahat_t) of Eq. 9, and beta.
    """

    own: Maps
    context: npt.NDArray[np.intp]
    others: Maps
    weights: Weights
    interference: Weights
    cleaned: Cleaned


def explain(run: Run, tokens: Sequence[int], **knobs: Any) -> list[Heatmap]:
    """Return one heatmap for each token, on the token grids of scale 1 (times `factor`) or pixels.

    `knobs` are the fields of `MseaArcSettings`. Notes: `beta`, the factor used, and
    `beta_auto`, the one that Eq. 9 gives. Departures from the paper by default: maps are
    clipped at 0 before Eq. 8, repeats of the word and the template's tokens are left out of the
    sum, A_0 is that of an ordinary word and fused like the others, beta is never negative, and
    maps are fused on the token grid and not at pixel size. The result is normalised jointly
    with the text, as TAM does; the paper has no equation for it. Raises `ScaleError` for a
    scale that was not recorded, `KnobError` for k above the stored K.
    """
    s = MseaArcSettings(**knobs)
    layout = s.layout(run)
    wanted = needed(run, tokens, s.normalisation)
    cleaned = derive(run, wanted, s, layout).cleaned
    values = finish(run, wanted, cleaned.maps, layout, s.finishing)
    parts, words = as_parts(values, layout), WORDS[s.normalisation]
    return [Heatmap(parts[i], False, words, cleaned.notes(i)) for i in range(len(tokens))]


def predecessor_weights(run: Run, tokens: Sequence[int], s: MseaArcSettings) -> Weights:
    """Return (M, T) float64 in [0, 1]: 1 - r_j of each text token j that counts (Eq. 7), else 0.

    weights="score" has in its place how strongly the word scores at j, as TAM does.
    """
    if s.weights == "none":
        return np.zeros((len(tokens), len(run.tokens)))
    allowed = earlier(run, tokens, s.predecessors) & ~repeated(run, tokens, s.repeats)
    if s.weights == "uniform":
        return allowed.astype(np.float64)
    if s.weights == "score":
        return score_weights(run, tokens, allowed).astype(np.float64)
    r = relevance(run, tokens, allowed, s)
    return np.where(np.isnan(r), 0.0, 1.0 - r)


def relevance(run: Run, tokens: Sequence[int], allowed: Mask, s: MseaArcSettings) -> Weights:
    """Return r_j of Eq. 7, (M, T) float64 in [0, 1], for each of M tokens.

    NaN where `allowed` (M, T) is False or the state of j was not recorded.
    """
    lists, states = guesses(run, s), state_rows(run, s.state)
    missing = [t for t in tokens if states[t] < 0]
    if missing:
        raise RunError(
            f"the run holds no own state of token {missing[0]}; choose state 'predicting'"
        )
    allowed = allowed & (states >= 0)
    used = np.flatnonzero(allowed.any(axis=0))
    r = np.full(allowed.shape, np.nan)
    if len(used):
        r[:, used] = rbo(lists[states[list(tokens)]], lists[states[used]], s.p, s.rbo)
    return np.where(allowed, r, np.nan)


def guesses(run: Run, s: MseaArcSettings) -> npt.NDArray[np.int32]:
    """Return the top-k ids (T + 1, k) int32 at every state, best first.

    Raises `KnobError` if k exceeds the length of the stored lists.
    """
    if s.k > run.topk.shape[1]:
        raise KnobError(f"k = {s.k} is too large: this run holds lists of {run.topk.shape[1]}")
    return run.topk[:, : s.k]


def state_rows(run: Run, state: str) -> npt.NDArray[np.intp]:
    """Return (T,): the row of `Run.states` that stands for each token (Eq. 6), -1 if not recorded.

    "predicting" is the state that yields P(T_t) in Eq. 1; "own" the state at the token itself.
    """
    rows = np.arange(len(run.tokens))
    if state == "own":
        gap = np.diff(run.tokens.positions, append=run.tokens.positions[-1] + 1) != 1
        rows = np.where(gap, -1, rows + 1)
    return rows


def derive(run: Run, tokens: Sequence[int], s: MseaArcSettings, layout: Layout) -> Derivation:
    """Compute Eq. 5 to 9 for these tokens, before normalisation and filter."""
    weights = predecessor_weights(run, tokens, s)
    used = np.flatnonzero(weights.any(axis=0))
    ids, place = np.unique(run.tokens.ids[[*tokens, *used]], return_inverse=True)
    fused = _fuse_scales(run, ids, s, layout)  # (ids, then A_0 if there is one)
    own, others = fused[place[: len(tokens)]], fused[place[len(tokens) :]]
    weights = weights[:, used]
    if len(fused) > len(ids):
        others = np.concatenate([others, fused[-1:]])
        weights = np.append(weights, np.ones((len(tokens), 1)), axis=1)  # r_0 = 0
    interference = weighted_mean(weights, others)  # Eq. 8
    auto = best_beta(own, interference)
    if s.beta_range == "nonnegative":
        auto = np.maximum(0.0, auto)
    cleaned = subtract(own, interference, auto if s.beta is None else s.beta, auto)  # Eq. 9
    return Derivation(own, used, others, weights, interference, cleaned)


def readings(
    run: Run, ids: npt.ArrayLike, alpha: float, s: MseaArcSettings, layout: Layout
) -> list[list[Maps]]:
    """Return the maps (n, h, w) of n ids by each view at one scale, listed by image.

    They are resampled to the grids of the layout, as Eq. 5 requires.
    """

    def placed(maps: Maps, source: Grid, grid: Grid) -> Maps:
        kept = np.maximum(0.0, maps) if s.clip == "per_scale" else maps
        return Resampler.between(source, grid, s.resize)(kept)

    views = lens_views(run, ids, alpha)
    return [
        [placed(*view, grid) for view in of_image]
        for of_image, grid in zip(views, layout.grids, strict=True)
    ]


def _fuse_scales(run: Run, ids: npt.NDArray[np.int32], s: MseaArcSettings, layout: Layout) -> Maps:
    """Return the fused maps (n, G) of Eq. 5 for each id, then for A_0 unless it is off."""
    scales = [
        readings(run, [*ids, *_choose_base_ids(run, run.scale(alpha), s)], alpha, s, layout)
        for alpha in s.scales
    ]
    fused = join([_fuse_views(of_image, s) for of_image in zip(*scales, strict=True)])
    if s.base == "raw" and s.weights != "none":
        raw = readings(run, [_get_least_id(run)], 1.0, s, layout)
        fused = np.concatenate([fused, join([np.mean(views, axis=0) for views in raw])])
    return np.maximum(0.0, fused) if s.clip == "fused" else fused


def _fuse_views(scales: Sequence[Sequence[Maps]], s: MseaArcSettings) -> Maps:
    """Fuse the maps of all views of an image at all scales into one map (n, h, w).

    Every view has the weight of its scale, times `agreement_weights` where they are asked for.
    """
    maps = np.stack([view for views in scales for view in views])
    if s.fuse == "max":
        return maps.max(axis=0)
    scale_weights = s.scale_weights or (1.0,) * len(scales)
    weights = np.repeat(np.asarray(scale_weights, np.float32), [len(views) for views in scales])
    if s.agreement:
        own = weights[:, None] * agreement_weights(maps, s.agreement)
        return np.einsum("vn,vnhw->nhw", (own / own.sum(axis=0)).astype(np.float32), maps)
    return np.tensordot(weights / weights.sum(), maps, axes=1)


def agreement_weights(maps: Maps, power: float) -> Weights:
    """Return (V, n) >= 0: how much each of V views of n words agrees with the other views.

    That is the mean correlation of its map, clipped at 0, with those of the others, to a power; 0
    where it is negative, and all alike for a word whose views do not agree at all.

    Args:
        maps: (V, n, h, w).
    """
    cells = np.maximum(0.0, maps).reshape(*maps.shape[:2], -1).astype(np.float64)
    cells -= cells.mean(axis=-1, keepdims=True)
    size = np.sqrt((cells**2).sum(axis=-1, keepdims=True))
    cells /= np.where(size > 0, size, 1.0)
    whole = cells.sum(axis=0)
    with_others = (cells * whole).sum(axis=-1) - (cells**2).sum(axis=-1)
    weights = np.maximum(0.0, with_others / max(1, len(maps) - 1)) ** power
    return np.where(weights.sum(axis=0) > NOTHING, weights, 1.0)


def _choose_base_ids(run: Run, scale: Scale, s: MseaArcSettings) -> list[int]:
    """Return the id of an A_0 that is fused like other maps, as a list of one or none."""
    if s.base in ("off", "raw") or s.weights == "none":
        return []
    return [scale.base_id if s.base == "per_scale" else run.scales[0].base_id]


def _get_least_id(run: Run) -> int:
    """Return the id k of the paper's A_0: of the whole vocabulary, at scale 1."""
    if run.scales[0].least_id is None:
        raise RunError(
            "the run was recorded before A_0 of the whole vocabulary was kept; record it again, or "
            "choose another base"
        )
    return run.scales[0].least_id


# Only measured, and not on the page: see docs/evidence.md, section 4.
ADAPTIVE = Method(
    name="adaptive",
    label="MSEA + ARC, scales by agreement",
    summary="MSEA + ARC with the weights of scales by how much they agree on a word.",
    paper="arXiv 2509.22415",
    signed=False,
    knobs=(*KNOBS, AGREEMENT),
    explain=explain,
)
MSEA_ARC = Method(
    name="msea_arc",
    label="MSEA + ARC",
    summary="Several scales fused, then cleaned of earlier words whose predictions are unrelated.",
    paper="arXiv 2509.22415",
    signed=False,
    knobs=KNOBS,
    explain=explain,
    presets={"default": {}, "paper": PAPER},
)
