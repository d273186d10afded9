"""Insertion and deletion curves (`explainer.probing.curves`) over many words: settings and sums."""

from __future__ import annotations

from dataclasses import dataclass

from explainer.errors import SightlineError
from explainer.media.fills import FILLS
from explainer.probing.curves import CurvePlan

FIGURES = ("insertion", "deletion", "confidence")
STEPS = 64  # as EAGLE has it
BATCH = 16


@dataclass(frozen=True)
class CurveSettings:
    """What pixels are replaced by, names in `FILLS`, in how many steps, and how many pictures are
    read at once."""

    fills: tuple[str, ...] = ("black",)
    steps: int = STEPS
    batch: int = BATCH

    def __post_init__(self) -> None:
        if not self.fills:
            raise SightlineError(f"fills are {', '.join(FILLS)}, got none")
        for fill in self.fills:
            self.plan(fill)

    def plan(self, fill: str) -> CurvePlan:
        """Return how the curves for one of the fills are measured."""
        return CurvePlan(fill, self.steps, self.batch)


def empty_tally() -> dict[str, list[float]]:
    """Return [0, 0] for each of `FIGURES`."""
    return {name: [0.0, 0] for name in FIGURES}
