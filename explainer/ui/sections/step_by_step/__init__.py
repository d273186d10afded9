"""Show step by step how MSEA + ARC computes the map of the chosen word."""

from __future__ import annotations

from explainer.ui.components import Drawn
from explainer.ui.section import Section, Slot
from explainer.web import payload
from explainer.web import scripts as web


class StepByStepFold(Drawn):
    """How the map of what is explained came about, folded; the page computes it."""

    MODULE, TEMPLATE = web.STEPS.name, web.STEPS.template


class StepByStepSection(Section):
    """A fold with the steps, which are computed while it is open."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            StepByStepFold({}, **payload.step_props())
