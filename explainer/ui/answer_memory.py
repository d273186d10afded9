"""How much memory an answer of the chosen length takes, said beside its slider."""

from __future__ import annotations

from typing import Any

from explainer.serving.model_pool import Models
from explainer.ui.handlers import chosen
from explainer.web import controls, texts
from explainer.web.messages import Value, failed, said


class AnswerMemory:
    """Estimates for the models of a server, from facts of each; no model is asked."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def said(self, longest: Any, model: Any) -> Value:
        """Return the sentence beside the slider; "" while the model is not loaded.

        Args:
            longest: the value of the slider, in tokens.
            model: the value of the model menu.
        """
        try:
            tokens = controls.read_decoding(longest, None, None, None).max_new_tokens
            facts = self._models.facts(self._models.entry(chosen(model)).id)
            if "answer_costs" not in facts:
                return said("", "note")
            linear, quadratic = facts["answer_costs"]
            size = f"{max(linear * tokens + quadratic * tokens**2, 1e5) / 1e6:,.1f} MB"
            return said(texts.ANSWER_SIZE.format(size=size, tokens=tokens), "note")
        except Exception as error:
            return failed(error)
