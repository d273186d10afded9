"""The part of the page that opens recorded runs: thumbnails of the gallery, and a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explainer.ui import components as ui
from explainer.ui.opening import Opening, Shown
from explainer.ui.sides import PLUMBING
from explainer.web import payload, texts

# The scales that are on become those that the run was read at, wherever they are kept.
ADOPT = "panel => { document.sightline.set({panel}); }"


@dataclass(frozen=True)
class RecordedPanel:
    """Thumbnails to choose from, and a button that takes a file."""

    gallery: ui.ExampleStrip
    file: gr.UploadButton


def place(gallery: Sequence[Shown], unfolded: bool) -> RecordedPanel:
    """Put both where the page is being built, in a section that may begin unfolded."""
    shown = [
        {"thumbnail": payload.thumbnail(s.picture), "label": s.label, "prompt": s.prompt}
        for s in gallery
    ]
    with gr.Accordion(texts.RECORDED, open=unfolded, elem_id="sl-recorded"):
        strip = ui.ExampleStrip(
            None,
            examples=shown,
            words={"list": texts.RECORDED},
            visible=bool(shown),
            elem_id="sl-gallery",
        )
        file = gr.UploadButton(
            texts.OPEN_FILE, file_types=[".npz"], size="sm", variant="secondary", elem_id="sl-open"
        )
    return RecordedPanel(strip, file)


def wire(
    opening: Opening, parts: RecordedPanel, panel: ui.ControlPanel, outputs: list[Any]
) -> None:
    """Let both open a run in the `outputs`: chips, maps, backdrop and notice."""
    for event, source, handler in (
        (parts.gallery.select, parts.gallery, opening.choose),
        (parts.file.upload, parts.file, opening.upload),
    ):
        opened = event(handler, [source, panel], [*outputs, panel], **PLUMBING)
        opened.then(None, panel, js=ADOPT)
