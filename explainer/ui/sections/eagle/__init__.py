"""Parts that words need: EAGLE's search, and hiding what makes the model say a word."""

from __future__ import annotations

from collections.abc import Sequence

from explainer.ui.components import Drawn
from explainer.ui.section import Endpoint, Page, Section, Server, Slot, with_ticket
from explainer.ui.sections.eagle import words
from explainer.ui.sections.eagle.endpoint import RegionsEndpoint
from explainer.ui.sections.eagle.handler import EagleHandler
from explainer.ui.sides import MODEL, PLUMBING

LOST = "() => ({lost: Date.now()})"


class EagleFold(Drawn):
    """The search and the correction, folded. Value: `SearchStep`, `SearchResult` and the like.

    Server functions: parts, flagged, agreement. Events: search, correct, halt (stop either).
    """

    MODULE = "eagle"
    TEMPLATE = '<details class="sl-fold sl-eagle"></details>'
    TRIGGERS = ("search", "correct", "halt")


class EagleSection(Section):
    """A fold to search in."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.handler = EagleHandler(server.handlers)

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            functions = [self.handler.parts, self.handler.flagged, self.handler.agreement]
            self.fold = EagleFold(None, words=words.FOLD, server_functions=functions)

    def wire(self, page: Page) -> None:
        """Connect searching, correcting, and stopping either."""
        started = []
        for name in ("search", "correct"):
            act = self.server.visits.served(getattr(self.handler, name), with_ticket)
            how = {"api_name": f"eagle_{name}", "trigger_mode": "multiple", **MODEL}
            event = getattr(self.fold, name)(act, self.fold, self.fold, **how)
            event.failure(None, None, self.fold, js=LOST, **PLUMBING)
            started.append(event)
        self.fold.halt(self.handler.stopped, self.fold, self.fold, cancels=started, **PLUMBING)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return /regions."""
        return (Endpoint(RegionsEndpoint(self.handler).regions),)
