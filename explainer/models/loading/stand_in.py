"""A checkpoint of a model's real size with random weights, made from its config files alone."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerFast

from explainer.errors import ModelError
from explainer.models import family_class
from explainer.models.loading import weights
from explainer.models.loading.checkpoint import read_config

_KEPT = ("*.json", "*.jinja", "*.model", "*.txt")  # config files, tokenizers, templates
_SHARD = 1 << 28  # bytes of one file of weights, or of one tensor that is larger
_BLOCK = 1 << 22  # random values that all weights repeat, or fewer if none is as large
_MARK = re.compile(r"<[|a-zA-Z/][^<>\s{}]{0,40}>")  # what a template writes as special tokens


def write_stand_in(source: Path, folder: Path, dtype: str) -> weights.Counts:
    """Write a checkpoint with random weights to `folder` and return how large it is.

    Args:
        source: a folder with config.json and the settings of the image processor, as the hub has
            them. Where it has no tokenizer, one of bytes and special tokens stands in for it.
        folder: an empty folder.
        dtype: of the weights, as torch names it.

    Raises:
        ModelError: the files are missing, damaged or of a model that is not supported.
    """
    checkpoint = read_config(source, source.name, str(source))
    if checkpoint.raw["model_type"] == "internvl_chat":
        raise ModelError(f"{source}: rehearse the -HF form of this checkpoint, of the same size")
    for pattern in _KEPT:
        for file in source.glob(pattern):
            if file.name != weights.INDEX:
                shutil.copy(file, folder)
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        _tokenizer(checkpoint.raw["model_type"], config).save_pretrained(folder)
    with torch.device("meta"):
        network = getattr(transformers, checkpoint.family.model_class)(config)
    _write_weights(folder, network, getattr(torch, dtype))
    return weights.count(weights.stored(folder))


def _write_weights(folder: Path, network: torch.nn.Module, dtype: torch.dtype) -> None:
    """Write random values for all parameters, a few files one after another."""
    size = min(_BLOCK, max(t.numel() for t in network.state_dict().values()))
    block = torch.randn(size, generator=torch.Generator().manual_seed(0)) * 0.02
    block = block.to(dtype)
    homes: dict[str, str] = {}
    for number, names in enumerate(_shards(network, dtype.itemsize), 1):
        file = f"model-{number:05}.safetensors"
        tensors = {name: _values(block, name, shape) for name, shape in names.items()}
        save_file(tensors, folder / file, {"format": "pt"})
        homes |= dict.fromkeys(names, file)
    (folder / weights.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": homes}))


def _shards(network: torch.nn.Module, itemsize: int) -> Iterator[dict[str, torch.Size]]:
    """Yield names and shapes of the parameters in groups of about `_SHARD` bytes, tied ones once.

    Buffers that checkpoints hold are among them.
    """
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    kept = network.state_dict()
    group: dict[str, torch.Size] = {}
    for name, tensor in tensors.items():
        if name not in kept:
            continue
        group[name] = tensor.shape
        if sum(map(math.prod, group.values())) * itemsize >= _SHARD:
            yield group
            group = {}
    if group:
        yield group


def _values(block: torch.Tensor, name: str, shape: torch.Size) -> torch.Tensor:
    """Return random values, and ones for the scales of norms."""
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=block.dtype)
    count = math.prod(shape)
    if count > len(block):
        block = block.repeat(math.ceil(count / len(block)))
    return block[:count].reshape(shape).clone()


def _tokenizer(model_type: str, config: Any) -> PreTrainedTokenizerFast:
    """Return a tokenizer of bytes, with the special tokens that the family writes at their ids."""
    family = family_class(model_type)
    ids = _known_ids(family, config)
    words = dict.fromkeys(sorted(pre_tokenizers.ByteLevel.alphabet()))
    marks = _MARK.findall(family.template + family.opening + family.closing)
    marks += [*family.extra_marks(), "<s>", "<|im_end|>"]
    free = (i for i in range(10**9) if i not in set(ids.values()))
    vocab = {word: next(free) for word in words}
    vocab |= {mark: ids.get(mark, -1) for mark in dict.fromkeys([*marks, *ids])}
    vocab = {word: next(free) if at < 0 else at for word, at in vocab.items()}
    backend = Tokenizer(models.BPE(vocab, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = [mark for mark in vocab if mark not in words]
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="<|im_end|>"
    )


def _known_ids(family: Any, config: Any) -> Mapping[str, int]:
    """Return the ids that config.json gives to the placeholders of pictures and videos."""
    named = {family.image_token: ("image_token_id", "image_token_index")}
    named |= {family.video_token: ("video_token_id",)} if family.video_token else {}
    found = {
        token: next((getattr(config, key) for key in keys if getattr(config, key, None)), None)
        for token, keys in named.items()
    }
    return {token: int(at) for token, at in found.items() if at is not None}
