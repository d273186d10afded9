"""The bundled model before training: tokenizer, tiny config, and the folder in the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)

from explainer.emoji_world.language import lesson
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Limits, make_scene

PATCH, MERGE = 8, 2
TOKEN_PX = PATCH * MERGE  # one visual token covers 16 x 16 px
VOCABULARY = 640
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SYSTEM = "You are a helpful assistant."
CHAT_TEMPLATE = (
    "{%- for turn in messages %}"
    "{%- if loop.first and turn['role'] != 'system' %}"
    "{{- '<|im_start|>system\\n" + SYSTEM + "<|im_end|>\\n' }}{%- endif %}"
    "{{- '<|im_start|>' + turn['role'] + '\\n' }}"
    "{%- if turn['content'] is string %}{{- turn['content'] }}{%- else %}"
    "{%- for part in turn['content'] %}"
    "{%- if part['type'] == 'image' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part['type'] == 'video' %}{{- '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- else %}{{- part['text'] }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def corpus(scenes: int = 4000) -> list[str]:
    """Return the texts on which the tokenizer is trained: lessons of the first training scenes."""
    limits = Limits(sides=(64, 64), share=(0.2, 0.3), least=8)
    texts = [SYSTEM, "system\n", "user\n", "assistant\n"] * 50
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + scenes):
        scene = make_scene(seed, limits)
        for dialogue in lesson(scene, np.random.default_rng(seed)):
            texts += [dialogue.prompt, dialogue.answer]
    return texts


def train_tokenizer(texts: list[str]) -> Qwen2Tokenizer:
    """Return a byte-level BPE tokenizer of `VOCABULARY` ids, special tokens last."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    learned = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=[tuple(pair) for pair in learned["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=2048,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_config(tokenizer: Qwen2Tokenizer) -> Qwen2VLConfig:
    """Return the config of the bundled model: 4.3 M parameters, tied embeddings."""
    token = tokenizer.convert_tokens_to_ids
    return Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 192,
            "intermediate_size": 640,
            "num_hidden_layers": 6,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 6, 6],
            },
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={
            "depth": 5,
            "embed_dim": 128,
            "hidden_size": 192,
            "num_heads": 4,
            "mlp_ratio": 4,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def new_model(config: Qwen2VLConfig, seed: int) -> Qwen2VLForConditionalGeneration:
    """Return the model with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    return Qwen2VLForConditionalGeneration(config)


def image_processor() -> Qwen2VLImageProcessorPil:
    """Return the processor settings: pictures are held between 64 x 64 and 448 x 448 px of area."""
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=2,
        size={"shortest_edge": 64 * 64, "longest_edge": 448 * 448},
    )


def save(model: Qwen2VLForConditionalGeneration, tokenizer: Qwen2Tokenizer, folder: Path) -> None:
    """Write everything a hub folder holds, weights in float16; the model itself is unchanged."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    copy = Qwen2VLForConditionalGeneration(model.config).to(torch.float16)
    copy.load_state_dict(half)
    copy.generation_config = GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        do_sample=False,
    )
    copy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
