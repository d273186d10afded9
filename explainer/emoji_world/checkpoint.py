"""Create a bundled model before training: tokenizer, initial weights, and hub folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    GenerationConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from explainer.emoji_world.architectures import Architecture
from explainer.emoji_world.architectures.qwen2_vl import SYSTEM
from explainer.emoji_world.language import lesson
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Limits, make_scene
from explainer.errors import ModelError

WORDS = 632  # ids of the byte-level vocabulary; special tokens follow
_PIECES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def corpus(scenes: int = 4000) -> list[str]:
    """Return the texts for training the tokenizer: lessons of the first training scenes."""
    limits = Limits(sides=(64, 64), share=(0.2, 0.3), least=8)
    texts = [SYSTEM, "system\n", "user\n", "assistant\n"] * 50
    for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + scenes):
        scene = make_scene(seed, limits)
        for dialogue in lesson(scene, np.random.default_rng(seed)):
            texts += [dialogue.prompt, dialogue.answer]
    return texts


@dataclass(frozen=True)
class TrainedWords:
    """A byte-level BPE vocabulary, without special tokens: ids of the pieces, and the merges."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]


def learn_words(texts: list[str]) -> TrainedWords:
    """Learn a vocabulary of `WORDS` pieces from texts."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = _cutter()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return _words(bpe)


def words_of(folder: Path) -> TrainedWords:
    """Return the vocabulary of a bundled model."""
    return _words(Tokenizer.from_file(str(folder / "tokenizer.json")))


def new_tokenizer(words: TrainedWords, architecture: Architecture) -> PreTrainedTokenizerBase:
    """Make a byte-level BPE tokenizer of a vocabulary and the architecture's special tokens."""
    options = {
        "unk_token": None,
        "eos_token": architecture.end,
        "pad_token": architecture.pad,
        "model_max_length": 2048,
    }
    bos = architecture.bos
    if bos is None:
        tokenizer = Qwen2Tokenizer(vocab=words.vocab, merges=words.merges, **options)
    else:
        bpe = Tokenizer(models.BPE(vocab=words.vocab, merges=words.merges))
        bpe.pre_tokenizer, bpe.decoder = _cutter(), decoders.ByteLevel()
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=bos, **options)
    tokenizer.add_special_tokens({"additional_special_tokens": list(architecture.specials)})
    if bos is not None:
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A",
            pair=f"{bos} $A {bos} $B",
            special_tokens=[(bos, tokenizer.convert_tokens_to_ids(bos))],
        )
    tokenizer.chat_template = architecture.chat_template
    return tokenizer


def _cutter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _words(bpe: Tokenizer) -> TrainedWords:
    learned = json.loads(bpe.to_str())["model"]
    return TrainedWords(learned["vocab"], [tuple(pair) for pair in learned["merges"]])


def model_class(architecture: Architecture) -> type[PreTrainedModel]:
    """Return the class in transformers."""
    return getattr(transformers, architecture.model_class)


def new_model(architecture: Architecture, config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """Return the model with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    return model_class(architecture)(config)


def take_over(model: PreTrainedModel, architecture: Architecture, source: Path, words: int) -> int:
    """Copy the parameters that a trained emoji-qwen2-vl shares with `model`.

    The first `words` ids of both must agree, followed by the end of an answer. Returns the number
    of copied parameters.

    Raises `ModelError` if a tensor has another shape.
    """
    trained = {_inner(name): t for name, t in load_file(source / "model.safetensors").items()}
    copied = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            start = architecture.start(name)
            if start is None or start.source not in trained:
                continue
            tensor = trained[start.source]
            tensor = (tensor if start.rows is None else tensor[start.rows]).float()
            if "embed_tokens" in name:
                parameter[: words + 1] = tensor[: words + 1]
            elif tensor.shape != parameter.shape:
                raise ModelError(f"{source} does not fit: {name} is {tuple(tensor.shape)} there")
            else:
                parameter.copy_(tensor)
            copied += 1
    return copied


def weights_of(folder: Path, architecture: Architecture) -> dict[str, torch.Tensor]:
    """Return all weights of a trained model in float32.

    Raises `ModelError` if it is of another architecture.
    """
    if AutoConfig.from_pretrained(folder).model_type != architecture.model_type:
        raise ModelError(f"{folder} is not a model of the family {architecture.model_type}")
    return model_class(architecture).from_pretrained(folder, dtype=torch.float32).state_dict()


def _inner(name: str) -> str:
    """Return the name of a saved tensor in the loaded Qwen2-VL."""
    if name.startswith("visual."):
        return f"model.{name}"
    return name.replace("model.", "model.language_model.", 1)


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    architecture: Architecture,
    folder: Path,
) -> None:
    """Write the files of a hub folder, with weights in float16; the model is not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.to(torch.float16) for name, tensor in model.state_dict().items()}
    copy = model_class(architecture)(model.config).to(torch.float16)
    copy.load_state_dict(half)
    copy.generation_config = GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids(architecture.end),
        pad_token_id=tokenizer.convert_tokens_to_ids(architecture.pad),
        do_sample=False,
    )
    copy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    architecture.processor().save_pretrained(folder)
