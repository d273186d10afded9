"""Tiny random checkpoints in the hub's own layout, made from configs: nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import (
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SENTENCES = (
    "a red apple and a cat on the grass.",
    "the dog sits next to a blue car.",
    "describe the image. what is in the picture?",
    "system user assistant You are a helpful assistant.",
)


def tokenizer(
    vocab_size: int = 420, special: Sequence[str] = SPECIAL, **named: str
) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on a few sentences.

    `named` are its special tokens by use, such as `bos_token`.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 5, trainer)
    named = named or {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def _pieces(special: Sequence[str], more: Sequence[str] = ()) -> models.BPE:
    """Return a SentencePiece-like model that falls back to bytes.

    Args:
        special: its first tokens.
        more: words that each is the one before it and its own first character.
    """
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    words = trainers.BpeTrainer(vocab_size=160, show_progress=False)
    pieces.train_from_iterator([*SENTENCES * 5, "USER: ASSISTANT: " * 5], words)
    learnt = json.loads(pieces.to_str())["model"]
    known = sorted(learnt["vocab"], key=learnt["vocab"].get)
    tokens = [*special, *(f"<0x{b:02X}>" for b in range(256)), *known, *more]
    merges = [tuple(pair) for pair in learnt["merges"]]
    merges += [(before, word[0]) for before, word in pairwise(more)]
    vocab = {token: number for number, token in enumerate(tokens)}
    return models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def image(height: int = 96, width: int = 128, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return (height, width, 3) uint8 noise over a gradient."""
    noise = np.random.default_rng(seed).integers(0, 128, (height, width, 3))
    return (noise + np.linspace(0, 127, width)[None, :, None]).astype(np.uint8)


def qwen2_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen2-VL with 16 px tokens and 3 padded vocabulary rows; return `folder`."""
    vision = {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    make = Qwen2VLForConditionalGeneration
    config = Qwen2VLConfig(**_shared(vision))
    return _save(folder, config, make, dtype, seed, tokenizer(), _qwen_processor())


def qwen2_5_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 1) -> Path:
    """Save a random Qwen2.5-VL whose vision tower attends within windows; return `folder`.

    With this seed it does not happen to say `<|image_pad|>`, which no plain forward could repeat.
    """
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": 32,
        "depth": 2,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    make = Qwen2_5_VLForConditionalGeneration
    config = Qwen2_5_VLConfig(**_shared(vision))
    return _save(folder, config, make, dtype, seed, tokenizer(), _qwen_processor())


# The control flow of Qwen3-VL's own template, without its tools.
QWEN3_TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set image_count = namespace(value=0) %}
{%- set video_count = namespace(value=0) %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for content in message.content %}
                {%- if content.type == 'image' or 'image' in content or 'image_url' in content %}
                    {%- set image_count.value = image_count.value + 1 %}
                    {%- if add_vision_id %}Picture {{ image_count.value }}: {% endif -%}
                    <|vision_start|><|image_pad|><|vision_end|>
                {%- elif content.type == 'video' or 'video' in content %}
                    {%- set video_count.value = video_count.value + 1 %}
                    {%- if add_vision_id %}Video {{ video_count.value }}: {% endif -%}
                    <|vision_start|><|video_pad|><|vision_end|>
                {%- elif 'text' in content %}
                    {{- content.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for content in message.content %}
                {%- if 'text' in content %}
                    {{- content.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def qwen3_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen3-VL with a DeepStack feature after its first layer; return `folder`.

    Its config.json has the keys of the published ones, which are older than transformers' own.
    """
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "out_hidden_size": 32,
        "depth": 2,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.2,
    }
    shared = _shared(vision)
    rope = {"rope_type": "default", "mrope_section": [3, 3, 2], "mrope_interleaved": True}
    text = {**shared["text_config"], "head_dim": 16}
    text["rope_parameters"] = {**rope, "rope_theta": 10000.0}
    words = tokenizer()
    words.add_tokens([AddedToken(mark, normalized=False) for mark in ("<think>", "</think>")])
    words.chat_template = QWEN3_TEMPLATE
    text["vocab_size"] = len(words) + 3
    config = Qwen3VLConfig(**{**shared, "text_config": text})
    _save(folder, config, Qwen3VLForConditionalGeneration, dtype, seed, words, _qwen_processor())
    saved = json.loads((folder / "config.json").read_text())
    del saved["text_config"]["rope_parameters"]
    saved["text_config"] |= {"rope_scaling": rope, "rope_theta": 10000.0}
    saved["vision_config"] |= {"model_type": "qwen3_vl"}
    del saved["vision_config"]["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(saved))
    return folder


def _text(words: PreTrainedTokenizerFast, bos: str, eos: str) -> dict[str, Any]:
    """Return the config of a small language model, with 3 padded vocabulary rows."""
    return {
        "vocab_size": len(words) + 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "bos_token_id": words.convert_tokens_to_ids(bos),
        "eos_token_id": words.convert_tokens_to_ids(eos),
        "initializer_range": 0.5,
    }


def _shared(vision: dict[str, Any]) -> dict[str, Any]:
    """Return what the configs of both generations have in common.

    The weights are larger than usual, so that answers are not one token over and over.
    """
    words = tokenizer()
    ids = {name: words.convert_tokens_to_ids(name) for name in SPECIAL}
    text = {
        **_text(words, "<|endoftext|>", "<|im_end|>"),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [2, 3, 3],
        },
    }
    return {
        "text_config": text,
        "vision_config": {
            "depth": 1,
            "num_heads": 2,
            "patch_size": 8,
            "spatial_merge_size": 2,
            **vision,
        },
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
    }


# Parameters that transformers starts at zero: without them no picture would count.
_ZERO_AT_FIRST = ("position_embeddings", "cls_token", "mm_input_projection_weight")


def _save(
    folder: Path,
    config: PreTrainedConfig,
    make: Callable[[PreTrainedConfig], PreTrainedModel],
    dtype: torch.dtype,
    seed: int,
    words: PreTrainedTokenizerFast,
    processor: Any,
) -> Path:
    stop = [words.eos_token_id, words.pad_token_id]
    torch.manual_seed(seed)
    model = make(config).to(dtype)
    for name, parameter in model.named_parameters():
        if name.endswith(_ZERO_AT_FIRST):
            torch.nn.init.normal_(parameter, std=0.2)
    model.generation_config = GenerationConfig(eos_token_id=stop, pad_token_id=stop[1])
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _qwen_processor() -> Qwen2VLImageProcessorPil:
    size = {"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
    return Qwen2VLImageProcessorPil(patch_size=8, size=size)
