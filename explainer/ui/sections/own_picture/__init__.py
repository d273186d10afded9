"""Say that a bundled model knows drawings only, and offer a model for photographs."""

from __future__ import annotations

from typing import Any

import numpy as np

from explainer.run import Run
from explainer.ui.components import Drawn
from explainer.ui.maps import stored
from explainer.ui.section import Section, Slot
from explainer.ui.sections.own_picture import words
from explainer.web import controls
from explainer.web.messages import PhotographAdvice, Value, failed


class PhotographOffer(Drawn):
    """A sentence and a button, for answers about pictures of one's own. Server function: offer."""

    MODULE = "own_picture"
    TEMPLATE = '<div class="sl-own" role="status" hidden></div>'


class OwnPictureSection(Section):
    """What an answer of a bundled model about a photograph is worth."""

    def place(self, slot: Slot) -> None:
        """Make the line between the chips and the maps."""
        if slot is Slot.WORDS:
            PhotographOffer(None, load=words.LOAD, server_functions=[self.offer])

    def offer(self, message: Any) -> Value:
        """Return a `PhotographAdvice` on a run.

        It is empty unless a bundled model answered about a picture that is not one of ours.

        Args:
            message: a `RunCall`.
        """
        try:
            key = controls.read_run(message)
            if not self._is_beyond_model(stored(self.server.store, key)):
                return PhotographAdvice(run=key, text="", model="").as_json()
            offer = self.server.menu.offer()
            text = " ".join(filter(None, (words.DRAWINGS, offer.text)))
            return PhotographAdvice(run=key, text=text, model=offer.model).as_json()
        except Exception as error:
            return failed(error)

    def _is_beyond_model(self, run: Run) -> bool:
        """Return whether a bundled model answered about a picture of the person's own."""
        if not any(e.bundled and e.id == run.model_id for e in self.server.models.entries):
            return False
        ours = [example.picture.pixels for example in self.server.examples]
        ours += [recorded.picture for recorded in self.server.gallery]
        return not any(np.array_equal(run.image, picture) for picture in ours)
