"""Tiny random checkpoints whose decoders hold layers without attention, in the hub's own layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from transformers import (
    Lfm2VlConfig,
    Lfm2VlForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeConfig,
    Qwen3_5MoeForConditionalGeneration,
)

from tests import tiny

# The control flow of Qwen3.5's own template, without its tools and earlier turns. With `_QUICK` in
# place of `_SLOW` it is that of the smallest ones, which think only if they are asked to.
_SLOW, _QUICK = "enable_thinking is defined and enable_thinking is false", "not enable_thinking"
QWEN35_TEMPLATE = """\
{%- macro render(content) %}
    {%- if content is string %}
        {{- content }}
    {%- else %}
        {%- for item in content %}
            {%- if item.type == 'image' or 'image' in item %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif item.type == 'video' or 'video' in item %}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' }}
            {%- elif 'text' in item %}
                {{- item.text }}
            {%- else %}
                {{- raise_exception('Unexpected item type in content.') }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}
{%- for message in messages %}
    {%- set content = render(message.content)|trim %}
    {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- else %}
        {{- '<think>\\n' }}
    {%- endif %}
{%- endif %}
"""
QWEN35_QUICK = QWEN35_TEMPLATE.replace(_SLOW, _QUICK)


def qwen3_5(
    folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0, experts: int = 0
) -> Path:
    """Save a random Qwen3.5 of three gated DeltaNets and one layer of attention; return `folder`.

    Its config.json has the keys of the published ones, and its weights those of the head that
    guesses several tokens at once, for which transformers has no place.

    Args:
        experts: how many a token can be sent to, for a mixture of experts.
    """
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": 32,
        "depth": 2,
        "num_position_embeddings": 16,
        "initializer_range": 0.2,
    }
    shared = tiny._shared(vision)
    words = qwen3_5_tokenizer()
    text = {
        **shared["text_config"],
        "vocab_size": len(words) + 3,
        "num_hidden_layers": 4,
        "head_dim": 32,
        "full_attention_interval": 4,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.25,
            "mrope_section": [2, 1, 1],
            "mrope_interleaved": True,
        },
    }
    kind, make = (
        (Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration)
        if experts
        else (Qwen3_5Config, Qwen3_5ForConditionalGeneration)
    )
    if experts:
        del text["intermediate_size"]
        text |= {"num_experts": experts, "num_experts_per_tok": 2}
        text |= {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 32}
    config = kind(**{**shared, "text_config": text})
    tiny._save(folder, config, make, dtype, seed, words, tiny._qwen_processor())
    _publish(folder, {"vision_config": {"deepstack_visual_indexes": []}})
    weights = load_file(folder / "model.safetensors")
    weights["mtp.fc.weight"] = torch.zeros(32, 64, dtype=dtype)
    weights["mtp.layers.0.self_attn.q_proj.weight"] = torch.zeros(128, 32, dtype=dtype)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def qwen3_5_moe(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen3.5 with four experts, two for each token; return `folder`."""
    return qwen3_5(folder, dtype, seed, experts=4)


def qwen3_5_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny tokenizer with the marks of a thought and Qwen3.5's template."""
    words = tiny.tokenizer()
    words.add_tokens([AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")])
    words.chat_template = QWEN35_TEMPLATE
    return words


LFM2_SPECIAL = (
    "<|pad|>",
    "<|startoftext|>",
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<image>",
    "<|image_start|>",
    "<|image_end|>",
    "<|img_thumbnail|>",
    *(f"<|img_row_{row}_col_{column}|>" for row in range(1, 5) for column in range(1, 5)),
)
# The control flow of LFM2.5-VL's own template, without its tools and earlier turns.
LFM2_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
    {{- "<|im_start|>" + message["role"] + "\\n" -}}
    {%- set content = message["content"] -%}
    {%- if content is not string -%}
        {%- set ns = namespace(content="") -%}
        {%- for item in content -%}
            {%- if item["type"] == "image" -%}
                {%- set ns.content = ns.content + "<image>" -%}
            {%- elif item["type"] == "text" -%}
                {%- set ns.content = ns.content + item["text"] -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set content = ns.content -%}
    {%- endif -%}
    {{- content + "<|im_end|>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|im_start|>assistant\\n" -}}
{%- endif -%}
"""
# In the proportions of the published preprocessing: tiles of 8 x 8 tokens in place of 16 x 16.
LFM2_PICTURES = {
    "downsample_factor": 2,
    "do_image_splitting": True,
    "min_tiles": 2,
    "max_tiles": 4,
    "use_thumbnail": True,
    "min_image_tokens": 4,
    "max_image_tokens": 16,
    "encoder_patch_size": 8,
    "tile_size": 64,
    "max_pixels_tolerance": 2.0,
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def lfm2_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random LFM2.5-VL of three convolutions and one layer of attention; return `folder`.

    Its config.json has the keys of the published ones, which are older than transformers' own.
    """
    words = tiny.tokenizer(special=LFM2_SPECIAL)
    words.bos_token = "<|startoftext|>"
    words.pad_token = "<|pad|>"
    words.chat_template = LFM2_TEMPLATE
    text = tiny._text(words, "<|startoftext|>", "<|im_end|>")
    text |= {"num_hidden_layers": 4, "full_attn_idxs": [2], "block_auto_adjust_ff_dim": False}
    config = Lfm2VlConfig(
        vision_config={
            "model_type": "siglip2_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 8,
            "num_patches": 16,
            "vision_use_head": False,
        },
        text_config={"model_type": "lfm2", **text},
        image_token_id=words.convert_tokens_to_ids("<image>"),
        projector_hidden_size=48,
        downsample_factor=2,
    )
    tiny._save(
        folder,
        config,
        Lfm2VlForConditionalGeneration,
        dtype,
        seed,
        words,
        LFM2Pictures(LFM2_PICTURES),
    )
    weights = load_file(folder / "model.safetensors")
    weights["model.language_model.embed_tokens.weight"][config.image_token_id] = 0  # never said
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


class LFM2Pictures:
    """Writes settings of LFM2-VL's image processor, which needs torchvision to be made."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def save_pretrained(self, folder: Path) -> None:
        kind = {"image_processor_type": "Lfm2VlImageProcessorFast"}
        settings = {
            "image_processor": {**kind, **self._settings},
            "processor_class": "Lfm2VlProcessor",
        }
        (folder / "processor_config.json").write_text(json.dumps(settings))


def _publish(folder: Path, extra: dict[str, dict[str, Any]]) -> None:
    """Give config.json further keys that the published ones have, by its part."""
    saved = json.loads((folder / "config.json").read_text())
    for part, keys in extra.items():
        saved[part] |= keys
    (folder / "config.json").write_text(json.dumps(saved))
