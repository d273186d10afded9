"""Tiny random checkpoints that read pictures at one size or in tiles, made as those of `tiny`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import (
    CLIPImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessorPil,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from tests import tiny

INTERN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<img>",
    "</img>",
    "<IMG_CONTEXT>",
    "<video>",
)


SMOL_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    "<fake_token_around_image>",
    "<image>",
    "<end_of_utterance>",
)


LATER = "<|later|>"


def llama_tokenizer(layout: str = "normalizer") -> PreTrainedTokenizerFast:
    """Return a SentencePiece-like BPE tokenizer in Llama's layout, with bytes as a fallback.

    Args:
        layout: what puts a space before words: "normalizer" (the older files, and with them all of
            LLaVA-1.5: before each piece of text between special tokens), or Metaspace's "first"
            (at the start of a sequence only), "always" or "never".
    """
    backend = Tokenizer(tiny._pieces(("<unk>", "<s>", "</s>")))
    if layout == "normalizer":
        backend.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=layout, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    backend.add_special_tokens(["<unk>", "<s>", "</s>", AddedToken("<image>"), "<pad>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def llava(
    folder: Path,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    processor: Any = None,
    strategy: str = "default",
    **vision: Any,
) -> Path:
    """Save a random LLaVA-1.5 of 64 x 64 px pictures and 8 px tokens; return `folder`.

    Args:
        processor: its image processor; by default resizing and a centre crop, as on the hub.
        strategy: "default" drops the class token of the vision tower, "full" keeps all features.
        vision: changes to the vision tower's config.
    """
    words = llama_tokenizer()
    tower = {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
        "projection_dim": 16,
        "initializer_factor": 8.0,
    }
    config = LlavaConfig(
        vision_config={**tower, **vision},
        text_config={"model_type": "llama", **tiny._text(words, "<s>", "</s>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=64,
        vision_feature_select_strategy=strategy,
    )
    crop = CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    make = LlavaForConditionalGeneration
    return tiny._save(folder, config, make, dtype, seed, words, processor or crop)


def llava_next(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random LLaVA-NeXT of 32 px tiles and 8 px tokens; return `folder`."""
    words = llama_tokenizer()
    config = LlavaNextConfig(
        vision_config={
            "model_type": "clip_vision_model",
            "projection_dim": 16,
            "initializer_factor": 8.0,
            **_TOWER,
        },
        text_config={"model_type": "mistral", **tiny._text(words, "<s>", "</s>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[32, 64], [64, 32], [64, 64], [96, 32], [32, 96]],
        tie_word_embeddings=False,
    )
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": 32},
        crop_size={"height": 32, "width": 32},
        image_grid_pinpoints=config.image_grid_pinpoints,
    )
    make = LlavaNextForConditionalGeneration
    return tiny._save(folder, config, make, dtype, seed, words, processor)


def llava_onevision(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random LLaVA-OneVision of up to 3 x 3 tiles of 36 px, which hold 4 x 4 patches of 8 px
    and a strip besides, and of whose tokens as many are read as 2 tiles have; return `folder`."""
    words = tiny.tokenizer(
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>")
    )
    sides = (36, 72, 108)
    config = LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "vision_use_head": False,
            **_TOWER,
            "image_size": 36,
        },
        text_config={"model_type": "qwen2", **tiny._text(words, "<|endoftext|>", "<|im_end|>")},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[height, width] for height in sides for width in sides],
        vision_aspect_ratio="anyres_max_2",
        tie_word_embeddings=False,
    )
    processor = LlavaOnevisionImageProcessorPil(
        size={"height": 36, "width": 36}, image_grid_pinpoints=config.image_grid_pinpoints
    )
    make = LlavaOnevisionForConditionalGeneration
    return tiny._save(folder, config, make, dtype, seed, words, processor)


_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


def internvl(
    folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0, text: str = "qwen2"
) -> Path:
    """Save a random InternVL of 64 x 64 px tiles and 16 px tokens; return `folder`.

    Args:
        text: the type of its language model, "qwen2", "qwen3" or "llama".
    """
    words = tiny.tokenizer(special=INTERN_SPECIAL)
    wide = {"head_dim": 24} if text == "qwen3" else {}  # as in the smaller ones of InternVL3.5
    config = InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [64, 64],
            "patch_size": [8, 8],
            "layer_scale_init_value": 1.0,
            "initializer_range": 0.2,
        },
        text_config={
            "model_type": text,
            **tiny._text(words, "<|endoftext|>", "<|im_end|>"),
            **wide,
        },
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    size = {"height": 64, "width": 64}
    processor = GotOcr2ImageProcessorPil(size=size, crop_to_patches=False)
    make = InternVLForConditionalGeneration
    return tiny._save(folder, config, make, dtype, seed, words, processor)


def internvl3_5(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random InternVL3.5, which is InternVL3 around a Qwen3; return `folder`."""
    return internvl(folder, dtype, seed, text="qwen3")


def internvl_with_later_token(folder: Path) -> Path:
    """Save an InternVL whose tokenizer knows one special token more than the model has rows.

    So are InternVL3-*-hf as published, where the token is a placeholder for videos.
    """
    network = InternVLForConditionalGeneration.from_pretrained(internvl(folder))
    words = PreTrainedTokenizerFast.from_pretrained(folder)
    network.resize_token_embeddings(len(words))
    words.add_special_tokens({"additional_special_tokens": [LATER]})
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def smolvlm(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random SmolVLM of 32 px tiles, 4 along the longer side, and 16 px tokens."""
    words = tiny.tokenizer(
        460,
        SMOL_SPECIAL,
        bos_token="<|im_start|>",
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
        unk_token="<|endoftext|>",
    )
    config = SmolVLMConfig(**_idefics3(words, "smolvlm_vision"))
    make, processor = SmolVLMForConditionalGeneration, SmolVLMImageProcessorPil(**_SMOL_TILES)
    return tiny._save(folder, config, make, dtype, seed, words, processor)


def idefics3(folder: Path, dtype: torch.dtype = torch.float32, seed: int = 0) -> Path:
    """Save a random Idefics3, for whose tokenizer the names of rows and columns are plain text."""
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", *SMOL_SPECIAL[-3:])
    words = tiny.tokenizer(
        special=special,
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
        pad_token="<|eot_id|>",
    )
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    config = Idefics3Config(**_idefics3(words, "idefics3_vision"))
    make, processor = Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil(**_SMOL_TILES)
    return tiny._save(folder, config, make, dtype, seed, words, processor)


_SMOL_TILES = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 32}}


def _idefics3(words: PreTrainedTokenizerFast, tower: str) -> dict[str, Any]:
    """Return what the configs of SmolVLM and Idefics3 have in common."""
    return {
        "vision_config": {
            "model_type": tower,
            **_TOWER,
            "initializer_range": 0.2,
        },
        "text_config": {
            "model_type": "llama",
            **tiny._text(words, words.bos_token, words.eos_token),
        },
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
        "tie_word_embeddings": False,
    }
