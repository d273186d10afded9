"""The architectures of bundled models, by the `model_type` of their config."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explainer.emoji_world.architectures.base import Architecture
from explainer.emoji_world.architectures.internvl import InternVL
from explainer.emoji_world.architectures.llava import Llava
from explainer.emoji_world.architectures.qwen2_vl import Qwen2VL

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {a.model_type: a for a in (Qwen2VL(), Llava(), InternVL())}
)
