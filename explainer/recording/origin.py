"""Check that a run was recorded with the model that is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explainer.errors import RunError
from explainer.models.base import Family
from explainer.run import Run

_SETTINGS = ("revision", "adapter", "quantize", "tiles")  # what states depend on besides the model


def check_origin(family: Family, run: Run, purpose: str) -> None:
    """Raise `RunError` unless this model recorded the run and the run is not a view of one layer.

    Args:
        family: the loaded model.
        run: the run to extend.
        purpose: what needs the model, completing the sentence "load that model to ...".
    """
    recorded = _describe_model(run.model_id, run.settings)
    loaded = _describe_model(family.model_id, {"revision": family.revision, **family.origin})
    if recorded != loaded:
        raise RunError(
            f"the run was recorded with {recorded}, but {loaded} is loaded; "
            f"load {recorded} to {purpose}"
        )
    if run.layer not in (None, family.depth):
        raise RunError(f"this is a view of layer {run.layer}; use the whole run to {purpose}")


def _describe_model(model_id: str, settings: Mapping[str, Any]) -> str:
    """Return a model id with what its states depend on, such as "tiny, revision v1, tiles 4"."""
    parts = [f"{name} {settings[name]}" for name in _SETTINGS if settings.get(name) is not None]
    return ", ".join([model_id, *parts])
