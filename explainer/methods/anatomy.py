"""Compute every intermediate map of MSEA + ARC for one token.

Source: arXiv 2509.22415, Eq. 5-9, with the code of the method itself. Unlike in a `Heatmap`, the
maps here are in the unit of the logits, so that they can be added and subtracted as in the
equations; only `Anatomy.heat` is normalised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainer.errors import TokenError
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.display import WORDS, as_parts, finish, needed
from explainer.methods.lens import Maps, earlier, repeated
from explainer.methods.msea_arc import (
    MSEA_ARC,
    Derivation,
    derive,
    guesses,
    readings,
    relevance,
    state_rows,
)
from explainer.methods.msea_arc_knobs import MseaArcSettings
from explainer.methods.rbo import gains, rbo
from explainer.run import Run
from explainer.run.geometry import Layout, join

Parts = tuple[MapPart, ...]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScaleMap:
    """The maps of the token at one scale.

    Attributes:
        alpha: the scale factor.
        parts: logits on the grids of the final map, of all views of an image at this scale.
        shares: its share in the mean of Eq. 5, for each image; None where the maximum is taken.
    """

    alpha: float
    parts: Parts
    shares: tuple[float, ...] | None


@dataclass(frozen=True, eq=False)
class Context:
    """The t tokens before the explained one, and the base map A_0.

    What was subtracted is beta Ahat_t, and Ahat_t is a sum over tokens (Eq. 8). The share of a
    token in it is the sum over all cells of the absolute value of its term, divided by that of all
    terms: a word that scores nowhere in the picture takes nothing away, whatever its weight.
    Shares, with that of A_0, sum to 1, or are all 0 where nothing was subtracted.

    Attributes:
        relevance: (t,) float64 in [0, 1], r_j of Eq. 7; NaN for tokens that the knob `predecessors`
            leaves out, and for those without a recorded state.
        repeats: (t,) bool, tokens left out of Eq. 8 because they say the same.
        weights: (t,) float64 in [0, 1], the weights of Eq. 8 divided by their sum.
        shares: (t,) float64 in [0, 1], the share in what was subtracted.
        base_weight: the weight of A_0, on the scale of `weights`.
        base_share: the share of A_0, on that of `shares`.
    """

    relevance: Floats
    repeats: npt.NDArray[np.bool_]
    weights: Floats
    shares: Floats
    base_weight: float
    base_share: float


@dataclass(frozen=True, eq=False)
class Anatomy:
    """All intermediate quantities of the map of one token; maps are logits, except `heat`.

    Attributes:
        token: index into `Run.tokens`.
        scales: one map for each scale.
        fused: A_t of Eq. 5.
        interference: Ahat_t of Eq. 8.
        subtracted: beta Ahat_t.
        before: max(0, A_t - beta Ahat_t), before filter and normalisation.
        heat: the result of the method, after both.
        beta: the factor used.
        beta_auto: the factor that Eq. 9 gives.
        context: the contributions of the tokens before it.
        signed: whether the maps before the subtraction keep scores below 0.
    """

    token: int
    scales: tuple[ScaleMap, ...]
    fused: Parts
    interference: Parts
    subtracted: Parts
    before: Parts
    heat: Heatmap
    beta: float
    beta_auto: float
    context: Context
    signed: bool


def anatomy(run: Run, token: int, **knobs: Any) -> Anatomy:
    """Return how the map of a token came about; `knobs` (and `preset`) are those of MSEA + ARC.

    `Anatomy.heat` is what the method returns for them. Raises what the method raises, and
    `KnobError` for k above the stored K also where the weights do not need the lists.
    """
    t, s = run.check_token(token), MseaArcSettings(**MSEA_ARC.settings(**knobs))
    layout = s.layout(run)
    wanted = needed(run, [t], s.normalisation)
    steps = derive(run, wanted, s, layout)
    cleaned, notes = steps.cleaned, steps.cleaned.notes(0)
    final = finish(run, wanted, cleaned.maps, layout, s.finishing)
    subtracted = notes["beta"] * steps.interference[:1]
    shown: list[Maps | Floats]
    shown = [steps.own[:1], steps.interference[:1], subtracted, cleaned.maps[:1], final[:1]]
    fused, interference, taken, before, after = (_parts(cells, layout) for cells in shown)
    return Anatomy(
        token=t,
        scales=tuple(_scale_maps(run, t, s, layout)),
        fused=fused,
        interference=interference,
        subtracted=taken,
        before=before,
        heat=Heatmap(after, False, WORDS[s.normalisation], notes),
        beta=notes["beta"],
        beta_auto=notes["beta_auto"],
        context=_context(run, t, s, steps),
        signed=s.clip == "none",
    )


def peak(*maps: Parts) -> float:
    """Return the largest value, of either sign, in any of these maps."""
    return max(float(np.abs(part.values).max()) for parts in maps for part in parts)


def _parts(cells: Maps | Floats, layout: Layout) -> Parts:
    """Return the parts of one map from its cells (1, G)."""
    return as_parts(cells.astype(np.float32), layout)[0]


def _scale_maps(run: Run, t: int, s: MseaArcSettings, layout: Layout) -> Iterable[ScaleMap]:
    scale_weights = np.asarray(s.scale_weights or [1.0] * len(s.scales))
    scales = [readings(run, run.tokens.ids[[t]], alpha, s, layout) for alpha in s.scales]
    counts = np.array([[len(views) for views in of_images] for of_images in scales])
    weights = scale_weights[:, None] * counts  # every view is a reading of its own
    shares = weights / weights.sum(axis=0)
    mean = s.fuse == "mean"
    for alpha, of_images, share in zip(s.scales, scales, shares, strict=True):
        cells = join([(np.mean if mean else np.max)(maps, axis=0) for maps in of_images])
        yield ScaleMap(alpha, _parts(cells, layout), tuple(map(float, share)) if mean else None)


def _context(run: Run, t: int, s: MseaArcSettings, steps: Derivation) -> Context:
    """Return the contributions of the tokens before t, from the first row of a derivation."""
    weights = steps.weights[0] / max(steps.weights[0].sum(), np.finfo(float).tiny)
    masses = weights * np.abs(steps.others).sum(axis=1, dtype=np.float64)
    if steps.cleaned.beta[0] == 0 or not masses.any():
        masses, total = np.zeros_like(masses), 1.0
    else:
        total = masses.sum()
    tokens, shares = len(steps.context), masses / total

    def by_token(values: Floats) -> Floats:
        out = np.zeros(len(run.tokens))
        out[steps.context] = values[:tokens]
        return out[:t]

    counted = earlier(run, [t], s.predecessors)
    return Context(
        relevance=relevance(run, [t], counted, s)[0, :t],
        repeats=(counted & repeated(run, [t], s.repeats))[0, :t],
        weights=by_token(weights),
        shares=by_token(shares),
        base_weight=float(weights[tokens:].sum()),
        base_share=float(shares[tokens:].sum()),
    )


# Which token stands for several ------------------------------------------------------------------


def leading(heats: Sequence[Heatmap], combine: str = "max") -> int:
    """Return the index of the map that contributes most to a combination of several.

    For "first" it is the first. Otherwise it is the map with the largest sum over the cells where
    it is the maximum; comparing single largest values would not distinguish maps that all reach
    1.0.
    """
    if combine == "first":
        return 0
    cells = np.stack([np.concatenate([p.values.ravel() for p in h.parts]) for h in heats])
    largest = cells.argmax(axis=0)
    supplied = [cells[i][largest == i].sum() for i in range(len(cells))]
    return int(np.argmax(supplied))


# Two lists side by side --------------------------------------------------------------------------


class Shared(NamedTuple):
    """An id in both lists: its ranks, counted from 1, and its contribution to the overlap."""

    token_id: int
    first: int
    second: int
    gain: float


@dataclass(frozen=True, eq=False)
class Overlap:
    """The top-k lists of two tokens, and the ids in both.

    Attributes:
        first: (k,) int32, the list of one token, best first.
        second: (k,) int32, the list of the other.
        shared: the ids in both, in the order of `first`; their gains sum to `relevance`.
        relevance: r of Eq. 7, in [0, 1].
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]
    shared: tuple[Shared, ...]
    relevance: float


def overlap(run: Run, first: int, second: int, **knobs: Any) -> Overlap:
    """Compare the top-k lists of two tokens; `knobs` are those of MSEA + ARC.

    With the lists of t and j the relevance is r_j. A shared id counts from the depth at which both
    lists have reached it, so it contributes the gain of its lower rank, `rbo.gains`.
    """
    s = MseaArcSettings(**MSEA_ARC.settings(**knobs))
    one, other = (_guesses(run, token, s) for token in (first, second))
    places, worth = {int(i): rank for rank, i in enumerate(other)}, gains(s.k, s.p, s.rbo)
    shared = tuple(
        Shared(int(i), rank + 1, places[int(i)] + 1, float(worth[max(rank, places[int(i)])]))
        for rank, i in enumerate(one)
        if int(i) in places
    )
    return Overlap(one, other, shared, float(rbo(one[None], other[None], s.p, s.rbo)[0, 0]))


def _guesses(run: Run, token: int, s: MseaArcSettings) -> npt.NDArray[np.int32]:
    row = state_rows(run, s.state)[run.check_token(token)]
    found = guesses(run, s)[row]
    if row < 0 or found[0] < 0:
        raise TokenError(f"the run has no top-k list for token {token} (state {s.state!r})")
    return found
