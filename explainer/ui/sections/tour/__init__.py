"""A tour of the page in five steps, for those who want one."""

from __future__ import annotations

from explainer.ui.components import Drawn
from explainer.ui.section import Section, Slot
from explainer.ui.sections.tour import words


class Tour(Drawn):
    """A button that begins the tour, whose script is loaded then."""

    MODULE = "tour"
    TEMPLATE = '<div class="sl-tour"></div>'


class TourSection(Section):
    """The tour."""

    def place(self, slot: Slot) -> None:
        """Make the button."""
        if slot is Slot.TOOLS:
            Tour(None, words=words.TOUR)
