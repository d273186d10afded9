"""Model families, by the `model_type` of a checkpoint's config.json."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from explainer.errors import ModelError

if TYPE_CHECKING:
    from explainer.models.base import Family

# Names, not classes: a family's file is imported when a model of it is loaded.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "qwen2_vl": "explainer.models.families.qwen2_vl:Qwen2VL",
        "qwen2_5_vl": "explainer.models.families.qwen2_vl:Qwen25VL",
        "llava": "explainer.models.families.llava:Llava",
        "internvl": "explainer.models.families.internvl:InternVL",
        "internvl_chat": "explainer.models.families.internvl:InternVL",
    }
)

# What to use in place of types that are easily taken for a supported one.
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "llava_llama": "the converted checkpoints (llava-hf/llava-1.5-7b-hf) are of type llava",
        "llava_next": "of the LLaVA models, 1.5 is (llava-hf/llava-1.5-7b-hf)",
        "llava_next_video": "of the LLaVA models, 1.5 is (llava-hf/llava-1.5-7b-hf)",
        "llava_onevision": "of the LLaVA models, 1.5 is (llava-hf/llava-1.5-7b-hf)",
        "video_llava": "of the LLaVA models, 1.5 is (llava-hf/llava-1.5-7b-hf)",
        "vipllava": "of the LLaVA models, 1.5 is (llava-hf/llava-1.5-7b-hf)",
        "qwen3_vl": "of the Qwen models, Qwen2-VL and Qwen2.5-VL are",
        "qwen2_5_omni": "of the Qwen models, Qwen2-VL and Qwen2.5-VL are",
    }
)


def family_class(model_type: str) -> type[Family]:
    """Return the family for a `model_type`; `ModelError` naming what is supported."""
    if model_type not in FAMILIES:
        hint = f"; {_INSTEAD[model_type]}" if model_type in _INSTEAD else ""
        raise ModelError(
            f"models of type {model_type!r} are not supported{hint}; "
            f"supported: {', '.join(FAMILIES)}"
        )
    module, name = FAMILIES[model_type].split(":")
    if sys.flags.optimize > 1:
        _do_without_docstrings()
    return getattr(importlib.import_module(module), name)


def _do_without_docstrings() -> None:
    """Let transformers import its models under `python -OO`.

    It writes docstrings of functions from those of the classes that they return, and refuses where
    these have none.
    """
    for module, name in (("doc", "output_docstrings"), ("auto_docstring", "return_docstring")):
        found = importlib.import_module(f"transformers.utils.{module}")
        setattr(found, f"_prepare_{name}", lambda *_, **__: "")
