"""A model that the pool holds: who uses it, and when it is closed."""

from __future__ import annotations

from dataclasses import dataclass

from explainer.models.loading.catalogue import Entry
from explainer.serving.loaded import Loaded
from explainer.serving.recorder_client import RecorderClient


def close_model(model: Loaded | RecorderClient | None) -> None:
    """Free the memory of a model that has a method for it."""
    close = getattr(model, "close", None)
    if close:
        close()


@dataclass(eq=False)
class HeldModel:
    """A loaded model.

    Attributes:
        entry: its place in the list of models.
        explainer: the model, or the client of the recorder that runs it; None once it was closed.
        users: how many are using it.
        leaving: whether it refuses new users.
        retired: whether it is closed when the last user ends.
    """

    entry: Entry
    explainer: Loaded | RecorderClient | None
    users: int = 0
    leaving: bool = False
    retired: bool = False

    @property
    def nbytes(self) -> int:
        """Return the bytes of the weights, 0 if not known."""
        return int(getattr(self.explainer, "nbytes", 0) or 0)

    def close(self) -> None:
        """Close the model."""
        model, self.explainer = self.explainer, None
        close_model(model)
