"""Tiny random checkpoints in the hub's own layout, made from configs: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
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


def tokenizer(vocab_size: int = 420) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer trained on a few sentences."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 5, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def image(height: int = 96, width: int = 128, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return (height, width, 3) uint8 noise over a gradient."""
    noise = np.random.default_rng(seed).integers(0, 128, (height, width, 3))
    return (noise + np.linspace(0, 127, width)[None, :, None]).astype(np.uint8)


def qwen2_vl(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Qwen2-VL with 16 px tokens and 3 padded vocabulary rows; return `folder`."""
    vision = {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    make = Qwen2VLForConditionalGeneration
    return _save(folder, Qwen2VLConfig(**_shared(vision)), make, dtype, seed)


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
    return _save(folder, Qwen2_5_VLConfig(**_shared(vision)), make, dtype, seed)


def _shared(vision: dict[str, Any]) -> dict[str, Any]:
    """Return what the configs of both generations have in common.

    The weights are larger than usual, so that answers are not one token over and over.
    """
    words = tokenizer()
    ids = {name: words.convert_tokens_to_ids(name) for name in SPECIAL}
    text = {
        "vocab_size": len(words) + 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [2, 3, 3],
        },
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "initializer_range": 0.5,
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


def _save(
    folder: Path,
    config: PreTrainedConfig,
    make: Callable[[PreTrainedConfig], PreTrainedModel],
    dtype: torch.dtype,
    seed: int,
) -> Path:
    words = tokenizer()
    stop = [words.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>")]
    torch.manual_seed(seed)
    model = make(config).to(dtype)
    model.generation_config = GenerationConfig(eos_token_id=stop, pad_token_id=stop[1])
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=8, size={"shortest_edge": 32 * 32, "longest_edge": 128 * 128}
    ).save_pretrained(folder)
    return folder
