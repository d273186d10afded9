"""A checkpoint as it is published (`internvl_chat`), small and random, written to a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from explainer.models.loading.internvl_chat.tokenizer import IMAGE_TOKEN
from explainer.models.text.sentencepiece import NORMAL, VocabularyPiece
from tests import tiny
from tests.models import internvl_chat_reference as reference
from tests.models import sentencepiece_reference as spm
from tests.models.internvl_chat_reference import INTERNLM2

ADDED = ("<img>", "</img>", IMAGE_TOKEN, "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")
CHAT = ("<|plugin|>", "<|interpreter|>", "<|im_end|>", "<|im_start|>")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def internlm2_tokenizer(folder: Path) -> int:
    """Write the files that InternLM2-based repositories ship; return the size of the vocabulary.

    The chat tokens take the place of unused pieces, the others come after the last piece.
    """
    unused = [VocabularyPiece(f"[UNUSED_TOKEN_{i}]", -5000.0 - i, NORMAL) for i in range(len(CHAT))]
    vocabulary = [*spm.pieces(), *unused]
    spm.write(folder / "tokenizer.model", vocabulary)
    first = len(vocabulary) - len(CHAT)
    added = {0: "<unk>", 1: "<s>", 2: "</s>", **dict(enumerate((*CHAT, *ADDED), start=first))}
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    settings = {
        "added_tokens_decoder": {
            str(i): {"content": content, "special": True, **flags} for i, content in added.items()
        },
        "auto_map": {"AutoTokenizer": ["tokenization_internlm2.InternLM2Tokenizer", None]},
        "bos_token": "<s>",
        "chat_template": "{{ bos_token }}not this one",
        "eos_token": "</s>",
        "pad_token": "</s>",
        "tokenizer_class": "InternLM2Tokenizer",
        "unk_token": "<unk>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "added_tokens.json").write_text(
        json.dumps({content: i for i, content in added.items() if content in ADDED})
    )
    return max(added) + 1


def qwen2_tokenizer(folder: Path) -> int:
    """Write the files that Qwen2.5-based repositories ship; return the size of the vocabulary."""
    chat = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    words = json.loads(tiny.tokenizer(special=chat).backend_tokenizer.to_str())
    learnt = {k: v - len(chat) for k, v in words["model"]["vocab"].items() if k not in chat}
    (folder / "vocab.json").write_text(json.dumps(learnt))
    merges = [" ".join(pair) for pair in words["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    added = {content: len(learnt) + i for i, content in enumerate((*chat, *ADDED))}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    settings = {
        "add_bos_token": False,
        "added_tokens_decoder": {
            str(i): {"content": content, "special": True, **flags} for content, i in added.items()
        },
        "bos_token": None,
        "chat_template": "not this one",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(learnt) + len(added)


def publish(
    folder: Path,
    llm: Mapping[str, Any] = INTERNLM2,
    vision: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[dict, dict[str, torch.Tensor]]:
    """Write a random checkpoint as it is published; return its config.json and its weights."""
    folder.mkdir(exist_ok=True)
    write = internlm2_tokenizer if llm["model_type"] == "internlm2" else qwen2_tokenizer
    size = write(folder)
    raw = reference.config({**llm, "vocab_size": size + 3}, vision, **more)
    weights = reference.weights(raw)
    reference.save(folder, raw, weights)
    processor = {
        "crop_size": 448,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": MEAN,
        "image_std": STD,
        "resample": 3,
        "size": 448,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return raw, weights
