"""Show step by step how MSEA + ARC computes the map of the chosen word."""

from __future__ import annotations

from explainer.export import Look
from explainer.ui.components import Drawn
from explainer.ui.section import Section, Slot
from explainer.ui.sections.step_by_step import words
from explainer.ui.sections.step_by_step.handler import METHOD, StepByStepHandler
from explainer.web import controls, texts
from explainer.web.messages import Value


class StepByStepFold(Drawn):
    """How the map of what is explained came about, folded. Server function: anatomy."""

    MODULE = "step_by_step"
    TEMPLATE = '<details class="sl-fold sl-opened"></details>'


class StepByStepSection(Section):
    """A fold with the steps, which are asked for while it is open."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            handler = StepByStepHandler(self.server.store)
            StepByStepFold({}, server_functions=[handler.anatomy], **step_by_step_props())


def step_by_step_props() -> Value:
    """Return the props of the section: colours, words, and the bounds of a scale's weight."""
    weight = controls.knob(METHOD, controls.SCALE_WEIGHTS)
    return {
        "diverging": Look().diverging,
        "words": words.FOLD | {"unreachable": texts.UNREACHABLE},
        "dial": texts.DIAL,
        "weight": {name: getattr(weight, name) for name in ("low", "high", "step", "meaning")},
    }
