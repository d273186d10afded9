"""Open recorded runs: those of the gallery by their thumbnails, and files of visitors.

A page that is asked for nothing else opens the first one of the gallery by itself.
"""

from __future__ import annotations

import gradio as gr

from explainer.ui.components import ExampleStrip
from explainer.ui.published import publish
from explainer.ui.section import Page, Section, Slot
from explainer.ui.sections.recorded import words
from explainer.ui.sections.recorded.opening import Opening
from explainer.ui.sides import PLUMBING
from explainer.web.page_messages import Thumbnail

# The scales that are on become those that the run was read at, wherever they are kept.
ADOPT = "panel => { document.sightline.set({panel}); }"


class RecordedSection(Section):
    """Thumbnails to choose from, and a button that takes a file."""

    def place(self, slot: Slot) -> None:
        """Make both, in a fold that begins open where there are no examples."""
        if slot is not Slot.NOTES:
            return
        server = self.server
        shown = [
            Thumbnail(thumbnail=publish(s.picture), label=s.label, prompt=s.prompt).as_json()
            for s in server.gallery
        ]
        # In a closed fold Gradio mounts nothing: what opens the first one by itself stands outside.
        self.greeter = ExampleStrip(
            None,
            examples=shown[:1],
            words={"list": words.RECORDED},
            greets=True,
            visible=bool(shown),
            elem_id="sl-greeter",
        )
        with gr.Accordion(words.RECORDED, open=not server.examples, elem_id="sl-recorded"):
            self.strip = ExampleStrip(
                None,
                examples=shown,
                words={"list": words.RECORDED},
                visible=bool(shown),
                elem_id="sl-gallery",
            )
            self.file = gr.UploadButton(
                words.OPEN_FILE,
                file_types=[".npz"],
                size="sm",
                variant="secondary",
                elem_id="sl-open",
            )

    def wire(self, page: Page) -> None:
        """Let both open a run: chips, maps, picture and notice."""
        opening = Opening(self.server.store, self.server.gallery)
        panel, outputs = page.see.panel, [*page.see.shown, page.ask.notice, page.see.panel]
        for event, source, handler in (
            (self.strip.select, self.strip, opening.choose),
            (self.greeter.select, self.greeter, opening.choose),
            (self.file.upload, self.file, opening.upload),
        ):
            opened = event(handler, [source, panel], outputs, **PLUMBING)
            opened.then(None, panel, js=ADOPT)
