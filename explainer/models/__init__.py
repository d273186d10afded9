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
        "qwen3_vl": "explainer.models.families.qwen3_vl:Qwen3VL",
        "qwen3_5": "explainer.models.families.qwen3_5:Qwen35",
        "qwen3_5_moe": "explainer.models.families.qwen3_5:Qwen35Moe",
        "lfm2_vl": "explainer.models.families.lfm2_vl:Lfm2VL",
        "llava": "explainer.models.families.llava:Llava",
        "llava_next": "explainer.models.families.llava_next:LlavaNext",
        "llava_onevision": "explainer.models.families.llava_next:LlavaOneVision",
        "internvl": "explainer.models.families.internvl:InternVL",
        "internvl_chat": "explainer.models.families.internvl:InternVL",
        "smolvlm": "explainer.models.families.smolvlm:SmolVLM",
        "gemma3": "explainer.models.families.gemma3:Gemma3",
        "gemma4": "explainer.models.families.gemma4:Gemma4",
        "idefics3": "explainer.models.families.smolvlm:Idefics3",
    }
)

# Why the maps do not exist for these architectures: they need one state for each part of the
# picture, in the sequence that the language model reads.
_CROSS = (
    "its layers look at the picture by cross-attention, so that no visual tokens stand in the "
    "sequence and no state of the language model belongs to a part of the picture"
)
_QUERIES = (
    "a Q-Former turns the picture into a few learned queries, which belong to no part of it, so "
    "that there is nothing to draw a map on"
)
_RESAMPLER = _QUERIES.replace("a Q-Former", "a resampler")
_PREFIX = (
    "it reads the picture together with the prompt, so that another prompt gives its visual tokens "
    "other states, and maps here are made from one reading of the picture for all words"
)
_ENCODER = (
    "its text is written by an encoder-decoder that looks at the picture by cross-attention, and "
    "its encoder lets the prompt change the picture's states"
)
_QWEN = "of the Qwen models, Qwen2-VL, Qwen2.5-VL, Qwen3-VL and Qwen3.5 are"

_LLAVA = "of the LLaVA models, 1.5, NeXT (v1.6) and OneVision are"

# What to use in place of types that are easily taken for a supported one, or why there is no way.
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "llava_llama": "the converted checkpoints (llava-hf/llava-1.5-7b-hf) are of type llava",
        "llava_next_video": _LLAVA,
        "video_llava": _LLAVA,
        "vipllava": _LLAVA,
        "mllama": _CROSS,
        "idefics": _CROSS,
        "idefics2": _RESAMPLER,
        "gemma3n": "of the Gemma models, Gemma 3 and Gemma 4 are (google/gemma-4-E2B-it)",
        "gemma4_unified": "of the Gemma 4 models, those with a vision tower are, E2B to 31B",
        "florence2": _ENCODER,
        "paligemma": _PREFIX,
        "blip-2": _QUERIES,
        "instructblip": _QUERIES,
        "instructblipvideo": _QUERIES,
        "qwen3_vl_moe": "of the Qwen3-VL models, the dense ones are, 2B to 32B",
        "qwen2_5_omni": _QWEN,
        "qwen3_omni_moe": _QWEN,
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
