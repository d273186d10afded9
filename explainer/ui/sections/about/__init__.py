"""How to read the page, and facts of the chosen model."""

from __future__ import annotations

import gradio as gr

from explainer.ui.components import Drawn
from explainer.ui.section import Section, Slot
from explainer.ui.sections.about import words


class Details(Drawn):
    """A sentence on the chosen model, which the model menu keeps up to date."""

    MODULE = "about"
    TEMPLATE = '<p class="sl-details"></p>'


class AboutSection(Section):
    """A fold with the facts of the model and a text on all parts of the page."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.NOTES:
            with gr.Accordion(words.TITLE, open=False):
                Details(None)
                gr.Markdown(words.TEXT)
