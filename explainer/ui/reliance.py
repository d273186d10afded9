"""Measure how much the words of an answer rely on the picture, once they are on the page."""

from __future__ import annotations

from typing import Any

from explainer.ui.handlers import Handlers
from explainer.web import controls, payload
from explainer.web.messages import Value
from explainer.web.texts import in_words


class RelianceHandler:
    """The event that has the model read a shown answer again without its picture."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def measure(self, bar: Any) -> Value:
        """Return {run, rests} for the run that the chips show, see `payload.rests`; or {why}, if it
        cannot be measured: the chips are as useful without."""
        try:
            key = controls.read_run(bar)
            return {"run": key, "rests": payload.rests(self._handlers.with_evidence(key))}
        except Exception as error:
            return {"why": in_words(error)}
