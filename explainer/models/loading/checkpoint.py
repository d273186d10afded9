"""Read the config of a checkpoint in a folder, and check that its files are complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class
from explainer.models.loading import weights

if TYPE_CHECKING:
    from explainer.models.base import Family


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint in a folder, with its config.json and its family."""

    folder: Path
    name: str
    raw: Mapping[str, Any]
    family: type[Family]


def is_folder(name: str) -> bool:
    """Return whether `name` is a folder; raise `ModelError` if it is a path to a missing one."""
    path = Path(name)
    if path.is_dir():
        return True
    if path.is_file():
        raise ModelError(f"{name} is a file; pass the folder that holds config.json")
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise ModelError(f"no model at {name}: there is no such folder")
    return False


def read_config(folder: Path, model_id: str, name: str) -> Checkpoint:
    """Read the checkpoint of a folder; `name` is used in messages.

    Raises `ModelError` if config.json is missing or damaged, or names no supported family.
    """
    file = folder / "config.json"
    if not file.is_file():
        missing = _missing({p.name for p in folder.iterdir()})
        raise ModelError(f"{name} is not a complete model: {', '.join(missing)} missing")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{name}: config.json is damaged; download the model again") from None
    return Checkpoint(folder, model_id, raw, family_class(_model_type(name, raw)))


def _model_type(name: str, raw: Any) -> str:
    model_type = raw.get("model_type") if isinstance(raw, dict) else None
    known = ", ".join(FAMILIES)
    if isinstance(model_type, str) and model_type in FAMILIES:
        return model_type
    if isinstance(raw, dict) and "auto_map" in raw:
        raise ModelError(
            f"{name} needs Python code of its own, which is never executed here; "
            f"use a model of type {known}"
        )
    if not isinstance(model_type, str):
        raise ModelError(f"{name}: config.json names no model_type; is it a transformers model?")
    if not any(key.startswith(("vision", "image", "visual", "mm_")) for key in raw):
        raise ModelError(
            f"{name} is a text-only model (type {model_type!r}): it takes no picture; "
            f"use a model of type {known}"
        )
    return model_type  # refused by the registry, in its words


_WANTED = {
    "config.json": ("config.json",),
    "tokenizer.json": ("tokenizer.json", "vocab.json", "tokenizer.model"),
    "preprocessor_config.json": ("preprocessor_config.json", "processor_config.json"),
}


def _missing(there: set[str]) -> list[str]:
    return [name for name, choices in _WANTED.items() if there.isdisjoint(choices)]


def check_files(folder: Path, listed: set[str] | None = None) -> None:
    """Raise `ModelError` unless all files are in the folder, or `listed` on the hub."""
    there = {p.name for p in folder.iterdir()} if listed is None else listed
    missing = _missing(there)
    if missing:
        raise ModelError(f"{folder} is not a complete model: {', '.join(missing)} missing")
    if listed is None:
        weights.weight_files(folder)
    elif not any(name.endswith(".safetensors") for name in listed):
        raise ModelError(
            f"{folder.name} has no weights in safetensors; those in pickle (.bin) can hold code "
            "and are never read here. Use another checkpoint, or convert it"
        )
