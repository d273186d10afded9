"""The two sides of the page, as the components that events connect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from explainer.ui import components as ui

# The page shows progress by itself. Told to hide it, Gradio would still update every part that an
# event has ever filled, for each message of each event.
QUIET: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": []}
# Options of events that take no turn in the queue, and of those that ask the model: they wait in
# `Visits`, and not in Gradio's queue.
PLUMBING: dict[str, Any] = {"queue": False, "api_visibility": "private", **QUIET}
MODEL: dict[str, Any] = {"api_visibility": "private", **QUIET}


@dataclass(frozen=True)
class Ask:
    """What a person gives, and the buttons."""

    image: gr.Image
    more: gr.File
    notice: ui.Notice
    prompt: gr.Textbox
    run: gr.Button
    stop: gr.Button
    decoding: tuple[gr.Slider, gr.Slider, gr.Number]
    penalty: gr.Number
    layers: gr.Dropdown
    memory: ui.Notice
    thinking: gr.Checkbox
    system: gr.Textbox
    settings: gr.Accordion
    answer: ui.Notice


@dataclass(frozen=True)
class See:
    """What they see, and the controls of it."""

    bar: ui.TokenBar
    view: ui.MapView
    backdrop: ui.Backdrop
    panel: ui.ControlPanel
    options: ui.OptionPanel

    @property
    def shown(self) -> list[ui.Drawn]:
        """Chips, message and picture, which change with the run."""
        return [self.bar, self.view, self.backdrop]
