"""The knobs of MSEA + ARC, their values, and the preset that follows the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explainer.errors import KnobError
from explainer.methods.base import Knob
from explainer.methods.display import BORDER, NORMALISATION, WINDOW, Finishing
from explainer.methods.lens import PREDECESSORS, REPEATS
from explainer.methods.rbo import VARIANTS
from explainer.run import Run
from explainer.run.geometry import MODES, Layout


@dataclass(frozen=True)
class MseaArcSettings:
    """The values of all knobs; `KNOBS` describes each one."""

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
    agreement: float = 0.0

    @property
    def finishing(self) -> Finishing:
        return Finishing(self.normalisation, self.window, self.border)

    def layout(self, run: Run) -> Layout:
        """Return the grids on which the maps of a run are fused and cleaned."""
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

AGREEMENT = Knob(
    "agreement",
    "float",
    2.0,
    "power of the agreement of scales on a word in their weights; 0 counts all alike",
    0.0,
    8.0,
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
