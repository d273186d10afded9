"""MSEA + ARC: the lens fused over several scales, minus what unrelated earlier words explain.

Source: "MSEA + ARC", arXiv 2509.22415, Eq. 2-9. What the paper leaves open is a knob here; the
defaults are ours, the preset `paper` reads the equations to the letter.

    A_t     mean over scales s (and views of an image) of Resize(A_t^(s))                  (5)
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
from explainer.geometry import MODES, Layout, Resampler, join
from explainer.methods.base import Heatmap, Knob, Method
from explainer.methods.display import NORMALISATION, WINDOW, WORDS, as_parts, finish, needed
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

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """The values of all knobs; `KNOBS` says what each one means."""

    scales: tuple[float, ...]
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
    resize: str
    factor: int


def explain(run: Run, tokens: Sequence[int], **knobs: Any) -> list[Heatmap]:
    """Return one heatmap for each token, on the token grids of scale 1 (times `factor`).

    `knobs` are the fields of `Settings`. Notes: `beta`, the factor used, and `beta_auto`, the one
    that Eq. 9 gives. Departures from the paper by default: maps are clipped at 0 before Eq. 8,
    repeats of the word are left out of the sum, beta is never negative, maps are fused on the token
    grid and not at pixel size, and the result is normalised jointly with the text, as TAM does.
    Raises `ScaleError` for a scale that was not recorded, `KnobError` for k above the stored K.
    """
    s = Settings(**knobs)
    layout = Layout.of(run).divided(s.factor)
    wanted = needed(run, tokens, s.normalisation)
    cleaned = _clean(run, wanted, s, layout)
    values = finish(run, wanted, cleaned.maps, layout, s.normalisation, s.window)
    parts, words = as_parts(values, layout), WORDS[s.normalisation]
    return [Heatmap(parts[i], False, words, cleaned.notes(i)) for i in range(len(tokens))]


def predecessor_weights(run: Run, tokens: Sequence[int], s: Settings) -> Weights:
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
    states = _state_rows(run, s.state)
    missing = [t for t in tokens if states[t] < 0]
    if missing:
        raise RunError(
            f"the run holds no own state of token {missing[0]}; choose state 'predicting'"
        )
    allowed &= states >= 0
    return np.where(allowed, 1.0 - _relevance(run, tokens, allowed, states, s), 0.0)


def _relevance(
    run: Run, tokens: Sequence[int], allowed: Mask, states: npt.NDArray[np.intp], s: Settings
) -> Weights:
    """Return (M, T): r_j of Eq. 7 where `allowed` has any use for it, 0 elsewhere."""
    if s.k > run.topk.shape[1]:
        raise KnobError(f"k = {s.k} is too large: this run holds lists of {run.topk.shape[1]}")
    lists = run.topk[:, : s.k]
    used = np.flatnonzero(allowed.any(axis=0))
    r = np.zeros(allowed.shape)
    if len(used):
        r[:, used] = rbo(lists[states[list(tokens)]], lists[states[used]], s.p, s.rbo)
    return r


def _state_rows(run: Run, state: str) -> npt.NDArray[np.intp]:
    """Return (T,): the row of `Run.states` that stands for each token (Eq. 6), -1 if not recorded.

    "predicting" is the state that yields P(T_t) in Eq. 1; "own" the state at the token itself.
    """
    rows = np.arange(len(run.tokens))
    if state == "own":
        gap = np.diff(run.tokens.positions, append=run.tokens.positions[-1] + 1) != 1
        rows = np.where(gap, -1, rows + 1)
    return rows


def _clean(run: Run, tokens: list[int], s: Settings, layout: Layout) -> Cleaned:
    """Return the maps of Eq. 9 before the filter."""
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
    return subtract(own, interference, auto if s.beta is None else s.beta, auto)  # Eq. 9


def _fused(run: Run, ids: npt.NDArray[np.int32], s: Settings, layout: Layout) -> Maps:
    """Return (n, G): A of Eq. 5 for each id, and for A_0 unless it is off.

    Every view of an image at every scale counts as a reading of its own.
    """
    layers: list[list[Maps]] = [[] for _ in layout.grids]
    for alpha in s.scales:
        views = lens_views(run, [*ids, *_base_ids(run, run.scale(alpha), s)], alpha)
        for readings, grid, of_image in zip(layers, layout.grids, views, strict=True):
            for maps, source in of_image:
                kept = np.maximum(0.0, maps) if s.clip == "per_scale" else maps
                readings.append(Resampler.between(source, grid, s.resize)(kept))
    reduce = np.mean if s.fuse == "mean" else np.max
    fused = join([reduce(readings, axis=0) for readings in layers])
    return np.maximum(0.0, fused) if s.clip == "fused" else fused


def _base_ids(run: Run, scale: Scale, s: Settings) -> list[int]:
    """Return the id of A_0 at this scale, as a list of one or none."""
    if s.base == "off" or s.weights == "none":
        return []
    return [scale.base_id if s.base == "per_scale" else run.scales[0].base_id]


KNOBS = (
    Knob("scales", "scales", (0.5, 0.75, 1.0), "which scales are fused", 0.25, 1.5, 0.05),
    Knob("fuse", "choice", "mean", "how scales are fused (Eq. 5)", choices=("mean", "max")),
    Knob("k", "int", 50, "how many top guesses are compared (Eq. 7)", 1, 200),
    Knob("beta", "float", None, "how much is subtracted; automatic solves Eq. 9", 0.0, 2.0, 0.05),
    NORMALISATION,
    WINDOW,
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
        "the base map A_0: its id chosen at scale 1, at each scale, or no base map",
        choices=("scale1", "per_scale", "off"),
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
)

PAPER: Mapping[str, Any] = {
    "clip": "none",
    "repeats": "keep",
    "beta_range": "free",
    "normalisation": "token",
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
