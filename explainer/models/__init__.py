"""Model families, by the `model_type` of a checkpoint's config.json."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from explainer.errors import ModelError

if TYPE_CHECKING:
    from explainer.models.base import Family

# Names, not classes: a family's file is imported when a model of it is loaded.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "qwen2_vl": "explainer.models.qwen2_vl:Qwen2VL",
        "qwen2_5_vl": "explainer.models.qwen2_vl:Qwen25VL",
        "llava": "explainer.models.llava:Llava",
        "internvl": "explainer.models.internvl:InternVL",
        "internvl_chat": "explainer.models.internvl:InternVL",
    }
)


def family_class(model_type: str) -> type[Family]:
    """Return the family for a `model_type`; `ModelError` naming what is supported."""
    if model_type not in FAMILIES:
        raise ModelError(
            f"models of type {model_type!r} are not supported; supported: {', '.join(FAMILIES)}"
        )
    module, name = FAMILIES[model_type].split(":")
    return getattr(importlib.import_module(module), name)
