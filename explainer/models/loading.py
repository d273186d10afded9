"""Loading a checkpoint from a folder or the hub: safetensors only, and never its own code."""

from __future__ import annotations

import importlib
import json
import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers import AutoConfig, AutoTokenizer

from explainer.errors import ModelError, SightlineError
from explainer.models import FAMILIES, adapter, family_class, fit, hub, placing, weights
from explainer.models.options import (
    DOWNLOADING,
    DTYPES,
    LOOKING_UP,
    WEIGHTS,
    LoadOptions,
    LoadStep,
    OnProgress,
)

if TYPE_CHECKING:
    from explainer.models.base import Family

__all__ = [
    "DOWNLOADING",
    "DTYPES",
    "LOOKING_UP",
    "WEIGHTS",
    "LoadOptions",
    "LoadStep",
    "load_family",
]

# Checkpoints in a layout of their own: modules with `load_parts(folder, name, **options)`, which
# returns network, tokenizer and image processor.
_OWN_LAYOUT: Mapping[str, str] = {"internvl_chat": "explainer.models.internvl_chat"}

_TELL_EVERY = 0.1  # seconds
_READING = Lock()  # transformers has one place for progress, shared by all threads


@dataclass(frozen=True, eq=False)
class _Checkpoint:
    """A checkpoint in a folder, its config.json read and its family known."""

    folder: Path
    name: str
    raw: Mapping[str, Any]
    family: type[Family]


def load_family(
    model: str | Path, options: LoadOptions | None = None, on_progress: OnProgress | None = None
) -> Family:
    """Return the model of a folder or hub id, ready to run.

    Args:
        model: a folder in the hub's layout, or a hub id.
        options: how to load it.
        on_progress: called with each `LoadStep`, in this thread; what it raises ends the load. The
            first step of `WEIGHTS` comes when all that can be checked was checked, and before
            memory is taken.

    Raises:
        ModelError: the checkpoint is missing, incomplete, unsupported, does not fit, or needs code
            of its own.
    """
    name, options = str(model), options or LoadOptions()
    tell = on_progress or (lambda step: None)
    device = placing.pick_device(options)
    chosen = placing.network_options(options, device)
    adapted = adapter.check_adapter(options.adapter) if options.adapter else None
    checkpoint = _open(name, options, device, tell)
    _check_options(checkpoint, options)
    size = _check_fit(checkpoint, options, device, weights.count(weights.stored(checkpoint.folder)))
    with _in_words(checkpoint.name):
        parts = _parts(checkpoint, chosen, lambda step: _tell(step, tell, size), on_progress)
        network, tokenizer, processor = parts
        network = network.eval().requires_grad_(False)
        if options.adapter:
            network = adapter.put_on(
                network, options.adapter, checkpoint.name, bool(options.quantize)
            ).eval()
            network.requires_grad_(False)
        if "device_map" not in chosen:
            network = network.to(device)
    _check_network(checkpoint.name, network)
    family = checkpoint.family(
        network,
        tokenizer,
        processor,
        checkpoint.name,
        options.revision,
        options=options.family_options,
    )
    family.origin = _origin(options, adapted)
    return family


def _origin(options: LoadOptions, adapted: str | None) -> dict[str, Any]:
    """Return what changes a model's states beside its name and revision."""
    said = {"adapter": adapted, "quantize": options.quantize, **options.family_options}
    return {name: value for name, value in said.items() if value is not None}


def _tell(fraction: float, tell: OnProgress, size: int) -> None:
    tell(LoadStep(WEIGHTS, round(fraction * size), size))


# From a name to a folder -------------------------------------------------------------------------


def _open(name: str, options: LoadOptions, device: torch.device, tell: OnProgress) -> _Checkpoint:
    """Return the checkpoint, downloaded if need be; it is refused before its weights are."""
    if _is_folder(name):
        folder = Path(name)
        checkpoint = _read_config(folder, folder.resolve().name, name)
        _check_files(folder)
        return checkpoint
    tell(LoadStep(LOOKING_UP))
    found = hub.look_up(name, options.revision)
    if isinstance(found, Path):
        checkpoint = _read_config(found, name, name)
        _check_files(found)
        return checkpoint
    if "config.json" not in found.sizes:
        raise ModelError(f"{name} is no model for transformers: it holds no config.json")
    folder = hub.fetch(found, found.words, tell)
    checkpoint = _read_config(folder, name, name)
    _check_files(folder, {*found.sizes})
    _check_options(checkpoint, options)
    _check_fit(checkpoint, options, device, _estimate(found.nbytes, checkpoint.raw))
    hub.fetch(found, [*found.words, *found.weights], tell)
    return checkpoint


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


def _read_config(folder: Path, model_id: str, name: str) -> _Checkpoint:
    file = folder / "config.json"
    if not file.is_file():
        missing = _missing({p.name for p in folder.iterdir()})
        raise ModelError(f"{name} is not a complete model: {', '.join(missing)} missing")
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{name}: config.json is damaged; download the model again") from None
    return _Checkpoint(folder, model_id, raw, family_class(_model_type(name, raw)))


def _model_type(name: str, raw: Any) -> str:
    model_type = raw.get("model_type") if isinstance(raw, dict) else None
    known = ", ".join(FAMILIES)
    if model_type in FAMILIES:
        return model_type
    if isinstance(raw, dict) and "auto_map" in raw:
        raise ModelError(
            f"{name} runs only with Python code of its own, which is never executed here; "
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


def _check_files(folder: Path, listed: set[str] | None = None) -> None:
    """Raise `ModelError` unless all files are in the folder, or are `listed` on the hub."""
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


# Whether it can be loaded ------------------------------------------------------------------------


def _check_options(checkpoint: _Checkpoint, options: LoadOptions) -> None:
    for given in options.family_options:
        if given not in checkpoint.family.OPTIONS:
            raise ModelError(f"{checkpoint.family.label} has no {given}; leave it out")
    if options.quantize and "quantization_config" in checkpoint.raw:
        raise ModelError(f"{checkpoint.name} is quantized already; leave out quantize")


def _check_fit(
    checkpoint: _Checkpoint, options: LoadOptions, device: torch.device, counts: weights.Counts
) -> int:
    """Return the bytes that the weights will take; `ModelError` if they are not free."""
    if "quantization_config" in checkpoint.raw:
        return counts.nbytes
    precision = fit.precision_of(
        options.dtype, options.quantize, device.type == "cpu", checkpoint.raw
    )
    spread = isinstance(options.device_map, str)
    return fit.check_fit(
        checkpoint.name,
        counts,
        precision,
        "all GPUs together" if spread and device.type == "cuda" else str(device),
        placing.offered(device),
        fit.free_on(str(device), spread, options.reclaimable),
    )


def _estimate(nbytes: int, raw: Mapping[str, Any]) -> weights.Counts:
    """Return the sizes of a model whose weights are still on the hub."""
    stored = fit.precision_of("auto", None, False, raw)
    parameters = round(nbytes * 8 / fit.BITS[stored])
    text = raw.get("text_config") or raw.get("llm_config") or raw
    matrix = int(text.get("vocab_size") or 0) * int(text.get("hidden_size") or 0)
    tied = raw.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
    return weights.Counts(parameters, min(parameters, matrix * (1 if tied else 2)), nbytes)


def _check_network(name: str, network: Any) -> None:
    """Raise `ModelError` unless the unembedding can be used as a matrix."""
    head = network.get_output_embeddings()
    if head is None or not head.weight.is_floating_point():
        raise ModelError(
            f"{name}: its unembedding is quantized, so that no lens can be read off it"
        )
    if any(p.is_meta for p in network.parameters()):
        raise ModelError(f"{name}: {placing.OFFLOADED}")


# Reading -----------------------------------------------------------------------------------------


def _parts(
    checkpoint: _Checkpoint, chosen: dict[str, Any], at: Any, on_progress: OnProgress | None
) -> tuple[Any, Any, Any]:
    """Return network, tokenizer and image processor; `at` is called with the fraction read."""
    folder = checkpoint.folder
    own = _OWN_LAYOUT.get(checkpoint.raw["model_type"])
    if own:
        at(0.0)
        with _READING, _reading(at if on_progress else None):
            return importlib.import_module(own).load_parts(folder, checkpoint.name, **chosen)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.chat_template = _processors_template(folder) or tokenizer.chat_template
    processor = checkpoint.family.load_processor(str(folder), None)
    at(0.0)
    with _READING, _reading(at if on_progress else None):
        network, found = getattr(transformers, checkpoint.family.model_class).from_pretrained(
            folder,
            config=config,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they can be named below
            **chosen,
        )
    _check_loaded(checkpoint.name, network, found)
    return network, tokenizer, processor


def _processors_template(folder: Path) -> str | None:
    """Return the chat template that is the processor's: it is the one with pictures in it.

    A `chat_template.jinja` needs nothing, as tokenizers read that one too.
    """
    for name in ("chat_template.json", "processor_config.json"):
        file = folder / name
        template = json.loads(file.read_text()).get("chat_template") if file.is_file() else None
        if template and not (folder / "chat_template.jinja").is_file():
            return template
    return None


def _check_loaded(name: str, network: Any, found: Mapping[str, Any]) -> None:
    """Raise `ModelError` if some weights came from nowhere, or came and found no place.

    transformers fills what is missing with random numbers and drops what is left over. What is
    left over counts if the model has tensors of this kind: config.json then names too few layers.
    """
    said = [f"{key} missing" for key in sorted(found["missing_keys"])]
    said += [
        f"{key} is {tuple(there)} in the file and {tuple(wanted)} by config.json"
        for key, there, wanted in sorted(found["mismatched_keys"])
    ]
    kinds = {_kind(key) for key in network.state_dict()}
    said += [
        f"{key} has no place" for key in sorted(found["unexpected_keys"]) if _kind(key) in kinds
    ]
    if said:
        more = f" and {len(said) - 3} more" if len(said) > 3 else ""
        raise ModelError(
            f"{name}: config.json and the weights disagree: {', '.join(said[:3])}{more}; use the "
            "config.json that belongs to these weights"
        )


def _kind(key: str) -> str:
    """Return the end of a tensor's name with its numbers left out: the same for all layers."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "*", key.removeprefix("model."))


@contextmanager
def _reading(at: Any) -> Iterator[None]:
    """Tell `at` the fraction of weights that was read, and keep transformers' own report quiet."""
    logger, report = logging.getLogger("transformers.modeling_utils"), _NoReport()
    logger.addFilter(report)
    try:
        with _counting(at) if at else nullcontext():
            yield
    finally:
        logger.removeFilter(report)


class _NoReport(logging.Filter):
    """Drops the table of tensors that do not fit: `_check_loaded` says it in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()


@contextmanager
def _counting(at: Any) -> Iterator[None]:
    """Have transformers count through `at` in place of its progress bar, in this thread."""
    thread = get_ident()

    def hook(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if get_ident() == thread and kwargs.get("desc") == "Loading weights":
            return _counted(list(args[0]), at)
        return previous(factory, args, kwargs) if previous else factory(*args, **kwargs)

    previous = transformers.utils.logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        transformers.utils.logging.set_tqdm_hook(previous)


def _counted(items: list[Any], at: Any) -> Iterable[Any]:
    told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if done == len(items) or time.monotonic() - told > _TELL_EVERY:
            told = time.monotonic()
            at(done / len(items))


@contextmanager
def _in_words(name: str) -> Iterator[None]:
    """Turn what transformers, torch and peft raise into a `ModelError` of one line."""
    try:
        yield
    except SightlineError:
        raise
    except torch.OutOfMemoryError:
        raise ModelError(_TOO_LARGE.format(name=name)) from None
    except Exception as error:  # many kinds: damaged files, configs that mean nothing
        first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        reason = f"{first} {rest[0]}" if first.endswith(":") and rest else first
        reason = reason or type(error).__name__
        if "allocate memory" in reason:
            raise ModelError(_TOO_LARGE.format(name=name)) from None
        if "offload" in reason:
            raise ModelError(f"{name}: {placing.OFFLOADED}") from error
        raise ModelError(f"cannot load {name}: {reason}") from error


_TOO_LARGE = (
    "the memory ended while {name} was loaded; use dtype bfloat16, quantize 4bit or a smaller model"
)
