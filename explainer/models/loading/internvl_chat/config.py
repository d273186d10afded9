"""Translate config.json of a published checkpoint to the config of the native class."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from transformers import (
    InternVLConfig,
    InternVLVisionConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from explainer.errors import ModelError

INTERNLM2, QWEN2, QWEN3 = "InternLM2ForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"
LANGUAGES = (INTERNLM2, QWEN2, QWEN3)
TextConfig: TypeAlias = LlamaConfig | Qwen2Config | Qwen3Config

# What the authors' config classes assume for what config.json leaves out.
VISION_DEFAULTS = {
    "num_channels": 3,
    "patch_size": 14,
    "image_size": 224,
    "qkv_bias": False,
    "hidden_size": 3200,
    "num_attention_heads": 25,
    "intermediate_size": 12800,
    "qk_normalization": True,
    "num_hidden_layers": 48,
    "hidden_act": "gelu",
    "norm_type": "rms_norm",
    "layer_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "initializer_factor": 0.1,
}
_TEXT_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def language(raw: Mapping[str, Any]) -> str:
    """Return the architecture of the language model in config.json."""
    return ((raw.get("llm_config") or {}).get("architectures") or ["not named"])[0]


def translate(raw: Mapping[str, Any], image_token_id: int) -> InternVLConfig:
    """Translate config.json to the native class; unsupported ones are refused before."""
    vision, text = _vision_config(raw["vision_config"]), _text_config(raw["llm_config"])
    ratio = raw.get("downsample_ratio", 0.5)
    patches = (vision.image_size[0] // vision.patch_size[0]) ** 2
    return InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=image_token_id,
        image_seq_length=int(patches * ratio**2),
        downsample_ratio=ratio,
        projector_hidden_act="gelu",
        vision_feature_layer=raw.get("select_layer", -1),
        vision_feature_select_strategy="default",
        tie_word_embeddings=text.tie_word_embeddings,
        dtype=raw.get("torch_dtype", raw.get("dtype")),
    )


def _vision_config(raw: Mapping[str, Any]) -> InternVLVisionConfig:
    values = {key: raw.get(key, default) for key, default in VISION_DEFAULTS.items()}
    return InternVLVisionConfig(
        attention_bias=values.pop("qkv_bias"),
        use_qk_norm=values.pop("qk_normalization"),
        layer_scale_init_value=values.pop("initializer_factor"),
        use_mean_pooling=True,  # InternViT has no norm after its last layer
        **values,
    )


def _text_config(raw: Mapping[str, Any]) -> TextConfig:
    values = {key: raw[key] for key in _TEXT_KEYS if key in raw}
    values["tie_word_embeddings"] = bool(raw.get("tie_word_embeddings", False))
    values["rope_parameters"] = {"rope_type": "default", "rope_theta": raw.get("rope_theta", 1e4)}
    if scaling := raw.get("rope_scaling"):
        kind = scaling.get("type", scaling.get("rope_type"))
        values["rope_parameters"] |= {"rope_type": kind, "factor": scaling["factor"]}
    if raw["architectures"][0] == INTERNLM2:
        return LlamaConfig(**values, attention_bias=raw.get("bias", True), mlp_bias=False)
    if raw["architectures"][0] == QWEN3:
        values |= {key: raw[key] for key in ("head_dim", "attention_bias") if key in raw}
        return Qwen3Config(**values, use_sliding_window=False)
    # The authors' code ran Qwen2 without sliding windows, which all their configs switch off.
    return Qwen2Config(**values, use_sliding_window=False)


def read_json_if_any(path: Path) -> dict[str, Any]:
    """Read the JSON object of a file; {} if it is missing."""
    return read_json(path) if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object of a file; raise `ModelError` if it is not one."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.name} is not a JSON object")
    return content
