"""What else could stand in place of the chosen word, and answers that a person edits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explainer.ui.components import Drawn
from explainer.ui.events import waiting
from explainer.ui.section import Endpoint, Page, Section, Slot
from explainer.ui.sections.words_beside.endpoint import TokensEndpoint
from explainer.ui.sections.words_beside.handler import WordsHandler
from explainer.ui.sides import MODEL
from explainer.web import scripts as web
from explainer.web.messages import Value
from explainer.web.words_beside import ROW


class Beside(Drawn):
    """What could have stood in place of the chosen word.

    Server function: places. Events: word (look up a typed word), answer (read an edited answer).
    """

    MODULE, TEMPLATE = web.BESIDE.name, web.BESIDE.template
    TRIGGERS = ("word", "answer")


class WordsBesideSection(Section):
    """A row of candidates, a field for any other word, and the editor of the answer."""

    def place(self, slot: Slot) -> None:
        """Make the row."""
        if slot is Slot.WORDS:
            self.handler = WordsHandler(self.server.handlers)
            self.row = Beside(
                None,
                elem_id="sl-beside",
                words=ROW,
                server_functions=[self.handler.places],
            )

    def wire(self, page: Page) -> None:
        """Connect words that are typed and answers that are edited."""
        bring = self.server.visits.served(self.handler.bring, _with_run)
        self.row.word(bring, self.row, self.row, api_name="bring", **MODEL)
        shown = [*page.see.shown, self.row]
        edited = self.server.visits.served(self.handler.edited, waiting)
        self.row.answer(edited, self.row, shown, api_name="edited", **MODEL)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return /tokens."""
        tokens = TokensEndpoint(self.server.handlers).tokens
        return (Endpoint(tokens, asks_model=False, queue=False),)


def _with_run(message: Value, request: Any) -> Value:
    run = request.get("run") if isinstance(request, Mapping) else None
    return {"run": run, **message}
