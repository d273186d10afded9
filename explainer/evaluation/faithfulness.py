"""Settings of insertion and deletion curves (`explainer.probing.curves`) in an evaluation."""

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
    """The fills of the curves, names in `FILLS`, the number of steps, and the batch size."""

    fills: tuple[str, ...] = ("black",)
    steps: int = STEPS
    batch: int = BATCH

    def __post_init__(self) -> None:
        if not self.fills:
            raise SightlineError(f"fills are {', '.join(FILLS)}, got none")
        for fill in self.fills:
            self.plan(fill)

    def plan(self, fill: str) -> CurvePlan:
        """Return the plan of the curves for one of the fills."""
        return CurvePlan(fill, self.steps, self.batch)
