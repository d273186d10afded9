"""Loading a checkpoint from a folder or the hub: safetensors only, and never its own code."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig

from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explainer.models.base import Family

DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_family(
    model: str | Path, device: str = "auto", dtype: str = "auto", revision: str | None = None
) -> Family:
    """Return the model of a folder or hub id, ready to run.

    Args:
        model: a folder in the hub's layout, or a hub id.
        device: "auto" (CUDA if there is one, else CPU) or a torch device.
        dtype: "auto" (the checkpoint's own on a GPU, float32 on a CPU), or one of `DTYPES`.
        revision: a branch, tag or commit of the hub id.

    Raises:
        ModelError: the checkpoint is missing, incomplete, unsupported, or needs code of its own.
    """
    name = str(model)
    target = _device(device)
    if _is_folder(name):
        _check_files(Path(name))
    with _in_words(name):
        raw, _ = PreTrainedConfig.get_config_dict(name, revision=revision)
    family = family_class(_model_type(name, raw))
    with _in_words(name):
        source = {"revision": revision, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(name, **source)
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        processor = family.load_processor(name, revision)
        network = getattr(transformers, family.model_class).from_pretrained(
            name,
            config=config,
            revision=revision,
            dtype=_dtype(dtype, target),
            use_safetensors=True,
            attn_implementation="sdpa",
        )
    model_id = Path(name).resolve().name if _is_folder(name) else name
    return family(_place(network, target), tokenizer, processor, model_id, revision)


def _is_folder(name: str) -> bool:
    """Return whether `name` is a folder; `ModelError` if it can only be meant as a missing one."""
    path = Path(name)
    if path.is_dir():
        return True
    if path.is_file():
        raise ModelError(f"{name} is a file; pass the folder that holds config.json")
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise ModelError(f"no model at {name}: there is no such folder")
    return False


def _check_files(folder: Path) -> None:
    wanted = {
        "config.json": ["config.json"],
        "tokenizer.json": ["tokenizer.json", "vocab.json"],
        "preprocessor_config.json": ["preprocessor_config.json", "processor_config.json"],
        "model.safetensors": ["model.safetensors", "model.safetensors.index.json"],
    }
    missing = [
        name
        for name, choices in wanted.items()
        if not any((folder / choice).is_file() for choice in choices)
    ]
    if missing:
        raise ModelError(f"{folder} is not a complete model: {', '.join(missing)} missing")


def _model_type(name: str, raw: dict[str, Any]) -> str:
    model_type = raw.get("model_type") if isinstance(raw, dict) else None
    if model_type not in FAMILIES and raw and "auto_map" in raw:
        raise ModelError(
            f"{name} runs only with Python code of its own, which is never executed here; "
            f"use a model of type {', '.join(FAMILIES)}"
        )
    if not isinstance(model_type, str):
        raise ModelError(f"{name}: config.json names no model_type; is it a transformers model?")
    return model_type


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ModelError(f"no such device: {device!r}; use auto, cpu or cuda") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("there is no CUDA device here; use device auto or cpu")
    return chosen


def _dtype(dtype: str, device: torch.device) -> torch.dtype | str:
    if dtype not in DTYPES:
        raise ModelError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    return getattr(torch, dtype)


def _place(network: transformers.PreTrainedModel, device: torch.device) -> Any:
    try:
        return network.eval().requires_grad_(False).to(device)
    except torch.OutOfMemoryError:
        raise ModelError(
            f"the model does not fit into the memory of {device}; "
            "use a smaller one, or dtype bfloat16"
        ) from None


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Turn what transformers and the hub client raise into a `ModelError` of one line."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # many kinds: network, missing repository, damaged file
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"cannot load {name}: {reason}") from error
