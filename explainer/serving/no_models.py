"""The models of a server that has none."""

from __future__ import annotations

from typing import Any

from explainer.errors import ModelError
from explainer.models.loading.catalogue import OWN, Entry
from explainer.run import Run
from explainer.serving.loaded import Loaded
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules

NOTHING_NEW = "no model is loaded here, so nothing new can be asked"


class NoModels(Models):
    """The models of a server without a model: recorded runs can be opened, none recorded."""

    def __init__(self) -> None:
        rules = Rules(at_start_only=True, why="No model is loaded; recorded answers can be opened.")
        super().__init__([Entry("none", kind=OWN)], self._refuse, rules)

    def expect_start(self) -> None:
        """Expect nothing."""

    def start(self) -> None:
        """Load nothing."""

    def maker_of(self, run: Run) -> str:
        """Raise `ModelError` that names the model of the run."""
        raise ModelError(
            f"{NOTHING_NEW}. This answer is by {run.model_id}: start Sightline with that model "
            "for other scales or words. What was recorded stays"
        )

    def _explain_absence(self, entry: Entry) -> str:
        return f"{NOTHING_NEW}; open a recorded answer, or start Sightline with a model"

    def _refuse(self, entry: Entry, **how: Any) -> Loaded:
        raise ModelError(self._explain_absence(entry))
