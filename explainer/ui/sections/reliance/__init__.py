"""Measure how much the words of an answer rely on the picture, once they are on the page.

It has nothing to see: the chips draw what it finds (`web/js/evidence.js`), as they do in the
one-file page.
"""

from __future__ import annotations

from typing import Any

from explainer.ui.components import Drawn
from explainer.ui.section import Page, Section, Slot
from explainer.ui.sides import MODEL
from explainer.web import payload
from explainer.web.calls import RunCall, read_call
from explainer.web.messages import Value
from explainer.web.page_messages import RelianceRefusal, RelianceResult
from explainer.web.texts import in_words


class RelianceMeter(Drawn):
    """Ask for the reliance of a shown answer. Value: `RelianceResult`; from the page {run}.

    Event: measure.
    """

    MODULE = "reliance"
    TEMPLATE = '<div hidden class="sl-unseen"></div>'
    TRIGGERS = ("measure",)


class RelianceSection(Section):
    """How much each word of the answer relies on the picture."""

    def place(self, slot: Slot) -> None:
        """Make the component that asks."""
        if slot is Slot.WORDS:
            self.meter = RelianceMeter(None)

    def wire(self, page: Page) -> None:
        """Have the model read a shown answer again without its picture."""
        measure = self.server.visits.served(self.measure)
        self.meter.measure(measure, self.meter, self.meter, **MODEL)

    def measure(self, message: Any) -> Value:
        """Return a `RelianceResult`; or a `RelianceRefusal`: the chips are as useful without.

        Args:
            message: a `RunCall`.
        """
        try:
            key = read_call(RunCall, message).run
            run = self.server.handlers.with_evidence(key)
            return RelianceResult(run=key, rests=payload.rests(run)).as_json()
        except Exception as error:
            return RelianceRefusal(why=in_words(error)).as_json()
