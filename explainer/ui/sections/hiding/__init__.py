"""Hide a region: the model reads the same answer again, or answers again, without a place."""

from __future__ import annotations

from collections.abc import Sequence

from explainer.ui.components import Drawn
from explainer.ui.section import Endpoint, Page, Recording, Section, Server, Slot, with_ticket
from explainer.ui.sections.hiding import words
from explainer.ui.sections.hiding.endpoint import HideEndpoint
from explainer.ui.sections.hiding.handler import HidingHandler
from explainer.ui.sides import MODEL, PLUMBING


class HidingFold(Drawn):
    """How words change when a region is hidden, folded. Value: `HidingResult`, or a message.

    Events: measure (read the same answer again), again (answer again).
    """

    MODULE = "hiding"
    TEMPLATE = '<details class="sl-fold sl-whatif"></details>'
    TRIGGERS = ("measure", "again")


class Masked(Drawn):
    """A note on an answer about a masked picture. Value: {run, note, before}. Event: back."""

    MODULE = "masked"
    TEMPLATE = '<div class="sl-masked" role="note" hidden></div>'
    TRIGGERS = ("back",)


class HidingSection(Section):
    """A fold to hide a region in."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.handler = HidingHandler(server.handlers, server.store)

    def place(self, slot: Slot) -> None:
        """Make the fold, and the note on an answer about a masked picture."""
        if slot is Slot.FOLDS:
            self.fold = HidingFold(None, elem_id="sl-whatif", words=words.FOLD)
        elif slot is Slot.WORDS:
            self.note = Masked(None, words=words.MASKED_WORDS)

    def wire(self, page: Page) -> None:
        """Connect reading the answer again, and the way back to the previous answer."""
        measure = self.server.visits.served(self.handler.measure, with_ticket)
        self.fold.measure(measure, self.fold, self.fold, **MODEL)
        self.note.back(self.handler.back, self.note, page.see.shown, **PLUMBING)

    def recordings(self) -> Sequence[Recording]:
        """Return asking again."""
        return (Recording("again", self.fold.again, self.handler.again, self.fold, self.note),)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return /hide."""
        return (Endpoint(HideEndpoint(self.server.handlers).hide),)
