"""The help: a button, and the dialog with all keys that it opens."""

from __future__ import annotations

from explainer.ui.components import Drawn
from explainer.ui.section import Section, Slot
from explainer.ui.sections.help import words


class Help(Drawn):
    """A button, and the dialog with all keys that it opens."""

    MODULE = "help"
    TEMPLATE = '<div class="sl-help"></div>'


class HelpSection(Section):
    """The help."""

    def place(self, slot: Slot) -> None:
        """Make the button."""
        if slot is Slot.TOOLS:
            Help(None, words=words.DIALOG, keys=words.KEYS)
