"""The architectures of bundled models, by `model_type`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explainer.emoji_world.architectures.base import Architecture
from explainer.emoji_world.architectures.internvl import TinyInternVL
from explainer.emoji_world.architectures.llava import TinyLlava
from explainer.emoji_world.architectures.qwen2_vl import TinyQwen2VL

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {a.model_type: a for a in (TinyQwen2VL(), TinyLlava(), TinyInternVL())}
)
