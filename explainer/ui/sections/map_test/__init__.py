"""Test the maps of a word by insertion and deletion curves."""

from __future__ import annotations

from collections.abc import Sequence

from explainer.ui.components import Drawn
from explainer.ui.section import Endpoint, Page, Section, Slot, with_ticket
from explainer.ui.sections.map_test import words
from explainer.ui.sections.map_test.endpoint import CurvesEndpoint
from explainer.ui.sections.map_test.handler import MapTestHandler
from explainer.ui.sides import MODEL, PLUMBING

LOST = "() => ({lost: Date.now()})"


class MapTestFold(Drawn):
    """How probable a word is while the picture appears and goes by the order of its maps, folded.
    Events: measure, halt (stop measuring)."""

    MODULE = "map_test"
    TEMPLATE = '<details class="sl-fold sl-proof"></details>'
    TRIGGERS = ("measure", "halt")


class MapTestSection(Section):
    """A fold to test the shown maps in."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            self.fold = MapTestFold(None, elem_id="sl-proof", words=words.FOLD)

    def wire(self, page: Page) -> None:
        """Connect measuring, and stopping that."""
        handler = MapTestHandler(self.server.handlers)
        how = {"api_name": "prove", "trigger_mode": "multiple", **MODEL}
        measure = self.server.visits.served(handler.measure, with_ticket)
        measured = self.fold.measure(measure, self.fold, self.fold, **how)
        measured.failure(None, None, self.fold, js=LOST, **PLUMBING)
        self.fold.halt(handler.stopped, self.fold, self.fold, cancels=[measured], **PLUMBING)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return /curves."""
        return (Endpoint(CurvesEndpoint(self.server.handlers).curves),)
