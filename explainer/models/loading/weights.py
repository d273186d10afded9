"""Read the headers of safetensors files: names, shapes and sizes of tensors, not their values."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from explainer.errors import ModelError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_LONGEST_HEAD = 100_000_000  # bytes, the format's own bound
_TOWER = re.compile(r"(^|\.)(visual|vision_tower|vision_model)\.")
_WORDS = (
    "embed_tokens.weight",
    "embed_tokens_per_layer.weight",
    "lm_head.weight",
    "tok_embeddings.weight",
    "output.weight",
)


@dataclass(frozen=True)
class Stored:
    """A tensor of a file: name, shape, and size in bytes."""

    name: str
    shape: tuple[int, ...]
    nbytes: int

    @property
    def size(self) -> int:
        """Return the number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Counts:
    """The size of a model.

    Attributes:
        parameters: number of values of its weights.
        embeddings: those in the embeddings of words and the unembedding.
        nbytes: size of the stored weights in bytes.
        tower: values of the vision tower.
    """

    parameters: int
    embeddings: int
    nbytes: int
    tower: int = 0


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a checkpoint; raise `ModelError` if files are missing."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if not (folder / INDEX).is_file():
        raise ModelError(_without_weights(folder))
    names = sorted(set(_index(folder / INDEX).values()))
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        raise ModelError(
            f"{folder} is not a complete model: {len(missing)} of {len(names)} weight files are "
            f"missing ({missing[0]}, ...); download it again, it goes on where it stopped"
        )
    return [folder / n for n in names]


def stored(folder: Path) -> list[Stored]:
    """Return all tensors of a checkpoint; raise `ModelError` for a damaged file."""
    return [tensor for file in weight_files(folder) for tensor in _tensors(file)]


def count(tensors: Iterable[Stored]) -> Counts:
    """Count the sizes of a model with these tensors."""
    tensors = list(tensors)
    words = sum(t.size for t in tensors if t.name.endswith(_WORDS))
    tower = sum(t.size for t in tensors if _TOWER.search(t.name))
    return Counts(sum(t.size for t in tensors), words, sum(t.nbytes for t in tensors), tower)


def _without_weights(folder: Path) -> str:
    pickled = sorted(p.name for p in folder.glob("*.bin")) + sorted(
        p.name for p in folder.glob("*.pt*")
    )
    if pickled:
        return (
            f"{folder} is not a complete model: {SINGLE} missing. Its weights are there as pickle "
            f"only ({pickled[0]}), which can hold code and is never read here; use a checkpoint in "
            "safetensors, or convert it with transformers' save_pretrained"
        )
    return f"{folder} is not a complete model: {SINGLE} missing"


def _index(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(home) for name, home in found.items() if "/" not in str(home)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{file} is damaged; download it again") from None


def _tensors(file: Path) -> Iterator[Stored]:
    length, size = file.stat().st_size, 0
    try:
        with file.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            if size > min(_LONGEST_HEAD, length):
                raise ValueError("the head is longer than the file")
            head = json.loads(stream.read(size))
            head.pop("__metadata__", None)
            found = [
                Stored(name, tuple(t["shape"]), t["data_offsets"][1] - t["data_offsets"][0])
                for name, t in head.items()
            ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        raise ModelError(f"{file} is damaged; delete it and download it again") from None
    if 8 + size + sum(t.nbytes for t in found) > length:
        raise ModelError(f"{file} is cut off; delete it and download it again")
    yield from found
