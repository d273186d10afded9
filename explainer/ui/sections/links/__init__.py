"""Links that restore a page, settings that a browser remembers, and the presentation."""

from __future__ import annotations

from typing import Any

from explainer.ui.components import Drawn
from explainer.ui.endpoints import shown
from explainer.ui.section import Page, Section, Server, Slot
from explainer.ui.sections.links import words
from explainer.ui.sections.links.links import Links
from explainer.ui.sections.links.settings import all_options, defaults
from explainer.ui.sides import MODEL, PLUMBING

PRESS_RUN_ON_PICTURE = "picture => { if (picture) document.querySelector('#sl-run').click(); }"


class SettingsBar(Drawn):
    """Buttons that copy a link, present, and reset; the settings are remembered.

    Value from the page: {query}, or {run, query}. Server functions: restore, parameters, chosen,
    written. Events: ask (fill in what the link asks for), bring (look up the words that it
    chooses).
    """

    MODULE = "links"
    TEMPLATE = '<div class="sl-settings"></div>'
    TRIGGERS = ("ask", "bring")


class LinksSection(Section):
    """Buttons that copy a link, present, and reset."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        with_words = server.handlers.with_words
        self.links = Links(server.models, server.store, server.examples, with_words)

    def place(self, slot: Slot) -> None:
        """Make the buttons."""
        if slot is Slot.TOOLS:
            links = self.links
            self.bar = SettingsBar(
                {},
                words=words.BAR,
                defaults=defaults(),
                options=all_options(),
                server_functions=[links.restore, links.parameters, links.chosen, links.written],
            )

    def wire(self, page: Page) -> None:
        """Fill in what a link asks, and answer it if it names an example."""
        ask = page.ask
        fields = [ask.image, ask.prompt, *ask.decoding, ask.layers, ask.penalty, page.picker]
        filled = self.bar.ask(shown(self.fill), self.bar, fields, **PLUMBING)
        filled.then(None, ask.image, js=PRESS_RUN_ON_PICTURE)
        bring = self.server.visits.served(self.links.bring)
        self.bar.bring(bring, self.bar, self.bar, api_name="bring_link", **MODEL)

    def fill(self, message: Any) -> tuple[Any, ...]:
        """Return what a link fills in: picture, prompt, decoding, layers, penalty and model."""
        request = self.links.fill(message)
        picture = request.example.picture.pixels if request.example else None
        model = self.server.menu.value(request.model)
        how = request.decoding
        drawn = (how.max_new_tokens, how.temperature, how.seed, how.layers, how.repetition_penalty)
        return (picture, request.prompt, *drawn, model)
