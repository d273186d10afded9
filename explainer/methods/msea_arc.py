"""MSEA + ARC: the lens fused over several scales, minus what unrelated earlier words explain.

Source: "MSEA + ARC", arXiv 2509.22415, Eq. 2-9. What the paper leaves open is a knob here; the
defaults are ours, the preset `paper` reads the equations to the letter, see `PAPER`.

    A_t     weighted mean over scales s (and views of an image) of Resize(A_t^(s))         (5)
    r_j     RBO(top-k at the state of j, top-k at the state of t)                          (7)
    Ahat_t  sum_j (1 - r_j) A_j / sum_j (1 - r_j), j < t, and a base map A_0 of weight 1   (8)
    out     G(max(0, A_t - beta Ahat_t)),  beta = argmin_b ||A_t - b Ahat_t||^2            (9)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import KnobError, RunError
from explainer.methods.base import Heatmap, Knob, Method
from explainer.methods.display import (
    BORDER,
    NORMALISATION,
    WINDOW,
    WORDS,
    Finishing,
    as_parts,
    finish,
    needed,
)
from explainer.methods.interference import Cleaned, best_beta, subtract, weighted_mean
from explainer.methods.lens import (
    PREDECESSORS,
    REPEATS,
    Maps,
    Mask,
    earlier,
    lens_views,
    repeated,
    score_weights,
)
from explainer.methods.rbo import VARIANTS, rbo
from explainer.run import Run, Scale
from explainer.run.geometry import MODES, Grid, Layout, Resampler, join

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MseaArcSettings:
    """The values of all knobs; `KNOBS` says what each one means."""

    scales: tuple[float, ...]
    scale_weights: tuple[float, ...] | None
    fuse: str
    k: int
    p: float
    rbo: str
    beta: float | None
    beta_range: str
    clip: str
    predecessors: str
    repeats: str
    state: str
    base: str
    weights: str
    normalisation: str
    window: int
    border: str
    resize: str
    factor: int
    fuse_at: str

    @property
    def finishing(self) -> Finishing:
        return Finishing(self.normalisation, self.window, self.border)

    def layout(self, run: Run) -> Layout:
        """Return the grids on which maps of this run are fused and cleaned."""
        layout = Layout.of(run)
        return layout.at_pixels() if self.fuse_at == "pixels" else layout.divided(self.factor)

    def __post_init__(self) -> None:
        if self.fuse_at == "pixels" and self.factor != 1:
            raise KnobError("factor divides cells of the token grid; leave it at 1 with pixels")
        weights = self.scale_weights or ()
        if weights and len(weights) != len(self.scales):
            raise KnobError(
                f"scale_weights takes one weight for each scale, in the order of scales: got "
                f"{len(weights)} for {len(self.scales)} scales"
            )
        if self.fuse == "max" and len(set(weights)) > 1:
            raise KnobError(
                "scale_weights are those of the mean of Eq. 5; choose fuse 'mean', or leave the "
                "weights alike"
            )


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
    """Return (M, T) float64: r_j of Eq. 7 in [0, 1] for each of M tokens.

    NaN where `allowed`, (M, T), has no use for it or the state of j was not recorded.
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
    """Return (T + 1, k) int32: the top-k ids at every state, best first; `KnobError` if k > K."""
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
    """Return Eq. 5 to 9 for these tokens, before normalisation and filter."""
    weights = predecessor_weights(run, tokens, s)
    used = np.flatnonzero(weights.any(axis=0))
    ids, place = np.unique(run.tokens.ids[[*tokens, *used]], return_inverse=True)
    fused = _fused(run, ids, s, layout)  # (ids, then A_0 if there is one)
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
    """Return for each image the maps (n, h, w) of n ids by each of its views at one scale.

    They are on the grids of the layout, as Eq. 5 takes them.
    """

    def placed(maps: Maps, source: Grid, grid: Grid) -> Maps:
        kept = np.maximum(0.0, maps) if s.clip == "per_scale" else maps
        return Resampler.between(source, grid, s.resize)(kept)

    views = lens_views(run, ids, alpha)
    return [
        [placed(*view, grid) for view in of_image]
        for of_image, grid in zip(views, layout.grids, strict=True)
    ]


def _fused(run: Run, ids: npt.NDArray[np.int32], s: MseaArcSettings, layout: Layout) -> Maps:
    """Return (n, G): A of Eq. 5 for each id, and for A_0 unless it is off."""
    scales = [
        readings(run, [*ids, *_base_ids(run, run.scale(alpha), s)], alpha, s, layout)
        for alpha in s.scales
    ]
    fused = join([_fuse(of_image, s) for of_image in zip(*scales, strict=True)])
    if s.base == "raw" and s.weights != "none":
        raw = readings(run, [_least_id(run)], 1.0, s, layout)
        fused = np.concatenate([fused, join([np.mean(views, axis=0) for views in raw])])
    return np.maximum(0.0, fused) if s.clip == "fused" else fused


def _fuse(scales: Sequence[Sequence[Maps]], s: MseaArcSettings) -> Maps:
    """Return (n, h, w): one map from those of the views of an image at each scale.

    Every view counts as a reading of its own, with the weight of its scale.
    """
    maps = np.stack([view for views in scales for view in views])
    if s.fuse == "max":
        return maps.max(axis=0)
    told = s.scale_weights or (1.0,) * len(scales)
    weights = np.repeat(np.asarray(told, np.float32), [len(views) for views in scales])
    return np.tensordot(weights / weights.sum(), maps, axes=1)


def _base_ids(run: Run, scale: Scale, s: MseaArcSettings) -> list[int]:
    """Return the id of an A_0 that is fused like other maps, as a list of one or none."""
    if s.base in ("off", "raw") or s.weights == "none":
        return []
    return [scale.base_id if s.base == "per_scale" else run.scales[0].base_id]


def _least_id(run: Run) -> int:
    """Return k of A_0 as the paper has it: of the whole vocabulary, at scale 1 alone."""
    if run.scales[0].least_id is None:
        raise RunError(
            "the run was recorded before A_0 of the whole vocabulary was kept; record it again, or "
            "choose another base"
        )
    return run.scales[0].least_id


KNOBS = (
    Knob("scales", "scales", (0.5, 0.75, 1.0), "which scales are fused", 0.25, 1.5, 0.05),
    Knob(
        "scale_weights",
        "weights",
        None,
        "weight of each scale in the mean, in the order of scales; automatic counts all alike",
        0.0,
        2.0,
        0.05,
    ),
    Knob("fuse", "choice", "mean", "how scales are fused (Eq. 5)", choices=("mean", "max")),
    Knob("k", "int", 50, "how many top guesses are compared (Eq. 7)", 1, 200),
    Knob("beta", "float", None, "how much is subtracted; automatic solves Eq. 9", 0.0, 2.0, 0.05),
    NORMALISATION,
    WINDOW,
    BORDER,
    Knob(
        "p",
        "float",
        0.9,
        "persistence of the overlap: small looks at the first guesses only",
        0.5,
        0.99,
        0.01,
        advanced=True,
    ),
    Knob(
        "rbo",
        "choice",
        "normalised",
        "how the overlap treats what lies below rank k",
        choices=VARIANTS,
        advanced=True,
    ),
    Knob(
        "beta_range",
        "choice",
        "nonnegative",
        "whether the automatic beta may be negative",
        choices=("nonnegative", "free"),
        advanced=True,
    ),
    Knob(
        "clip",
        "choice",
        "fused",
        "where negative scores are dropped: after fusing, before it, or not until the end",
        choices=("fused", "per_scale", "none"),
        advanced=True,
    ),
    Knob(
        "predecessors",
        "choice",
        "content",
        "which earlier tokens count: prompt and answer, the template too, or the answer alone",
        choices=PREDECESSORS,
        advanced=True,
    ),
    Knob(
        "repeats",
        "choice",
        "drop",
        "earlier tokens equal to this one: left out, left out also if only case or space differ, "
        "or kept",
        choices=REPEATS,
        advanced=True,
    ),
    Knob(
        "state",
        "choice",
        "predicting",
        "whose guesses stand for a token: the state that predicts it or the state at it",
        choices=("predicting", "own"),
        advanced=True,
    ),
    Knob(
        "base",
        "choice",
        "scale1",
        "the base map A_0, of the word with the least score in the picture: chosen among ordinary "
        "words at scale 1 or at each scale, or among the whole vocabulary with its map at scale 1 "
        "alone (raw, Eq. 4); or none. It counts with clip none only: clipped at 0 it is empty",
        choices=("scale1", "per_scale", "raw", "off"),
        advanced=True,
    ),
    Knob(
        "weights",
        "choice",
        "rbo",
        "weight of an earlier token: 1 - RBO (Eq. 8), this word's score at it as in TAM, the same "
        "for all, or nothing is subtracted",
        choices=("rbo", "score", "uniform", "none"),
        advanced=True,
    ),
    Knob("resize", "choice", "bilinear", "how maps are resized", choices=MODES, advanced=True),
    Knob("factor", "int", 1, "cells of the map for each token, per side", 1, 4, advanced=True),
    Knob(
        "fuse_at",
        "choice",
        "tokens",
        "where maps are fused and cleaned: on the token grid, or at the picture's size as in Eq. 5",
        choices=("tokens", "pixels"),
        advanced=True,
    ),
)

# Eq. 5 to 9 to the letter: maps at the size of the picture, with their sign, until Eq. 9 cuts it;
# every token before this one counts, the template's and equal ones too; A_0 is the map of Eq. 4 of
# whichever id scores least; beta is the unbounded minimum; the filter is TAM's. Ours, because the
# paper is silent: the joint normalisation (its figures follow TAM's evaluation), r_0 = 0, RBO with
# p = 0.9 divided by its largest value, and the state that predicts a token as that of its guesses.
PAPER: Mapping[str, Any] = {
    "fuse_at": "pixels",
    "clip": "none",
    "predecessors": "all",
    "repeats": "keep",
    "base": "raw",
    "beta_range": "free",
    "normalisation": "joint",
    "border": "mirror",
}

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
