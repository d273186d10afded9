"""Sightline: see, word by word, what a multimodal LLM looked at.

    import explainer

    sightline = explainer.load()                       # the bundled model, or a hub id, or a folder
    run = sightline.record("street.png", "Describe the image.")
    heat = explainer.METHODS["logit_lens"](run, token=12)

`load` and `Explainer` need torch; everything else here works on a recorded `Run` without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from explainer.errors import (
    Cancelled,
    ImageError,
    KnobError,
    LoadCancelled,
    MethodError,
    ModelError,
    PromptError,
    RunError,
    ScaleError,
    SightlineError,
    TokenError,
)
from explainer.waiting import let_threads_sleep

if TYPE_CHECKING:
    from explainer.methods import COMPARISON, METHODS, OPT_IN, find_method
    from explainer.models.loading.options import LoadStep
    from explainer.recording.explainer import Explainer, Step
    from explainer.recording.load import load
    from explainer.run import Run

__version__ = "0.1.0"

let_threads_sleep()  # before torch is imported, which reads it once

# Looked up on first use, so that opening a recorded run never pays for importing torch.
_HOMES = {
    "load": "explainer.recording.load",
    "Explainer": "explainer.recording.explainer",
    "Step": "explainer.recording.explainer",
    "LoadStep": "explainer.models.loading.options",
    "Run": "explainer.run",
    "METHODS": "explainer.methods",
    "COMPARISON": "explainer.methods",
    "OPT_IN": "explainer.methods",
    "find_method": "explainer.methods",
}

__all__ = [
    "COMPARISON",
    "METHODS",
    "OPT_IN",
    "Cancelled",
    "Explainer",
    "ImageError",
    "KnobError",
    "LoadCancelled",
    "LoadStep",
    "MethodError",
    "ModelError",
    "PromptError",
    "Run",
    "RunError",
    "ScaleError",
    "SightlineError",
    "Step",
    "TokenError",
    "find_method",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
