"""Load a checkpoint from a folder or the hub: safetensors only, and never its own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from explainer.errors import ModelError, SightlineError
from explainer.models.loading import adapter, fit, hub, placing, weights
from explainer.models.loading.checkpoint import Checkpoint, check_files, is_folder, read_config
from explainer.models.loading.options import LOOKING_UP, WEIGHTS, LoadOptions, LoadStep, OnProgress
from explainer.models.loading.precision import auto_dtype
from explainer.models.loading.reading import read_parts

if TYPE_CHECKING:
    from explainer.models.base import Family


def load_family(
    model: str | Path, options: LoadOptions | None = None, on_progress: OnProgress | None = None
) -> Family:
    """Load the model of a folder or hub id, ready to run.

    Args:
        model: a folder in the hub's layout, or a hub id.
        options: how to load it.
        on_progress: called with each `LoadStep`, in this thread; an exception from it ends the
        load.
            The first step of `WEIGHTS` comes after all checks, and before memory is allocated.

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
    counts = weights.count(weights.stored(checkpoint.folder))
    options = _with_dtype(options, checkpoint, device, counts)
    chosen["dtype"] = placing.network_dtype(options, device)
    size = _check_fit(checkpoint, options, device, counts)
    with _describe_errors(checkpoint.name):
        network, tokenizer, processor = read_parts(
            checkpoint, chosen, lambda read: tell(LoadStep(WEIGHTS, round(read * size), size))
        )
        network = network.eval().requires_grad_(False)
        if options.adapter:
            network = adapter.apply_adapter(
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
    family.origin = _collect_origin(options, adapted)
    return family


def _collect_origin(options: LoadOptions, adapted: str | None) -> dict[str, Any]:
    """Return what the states depend on besides model and revision."""
    said = {"adapter": adapted, "quantize": options.quantize, **options.family_options}
    return {name: value for name, value in said.items() if value is not None}


def _open(name: str, options: LoadOptions, device: torch.device, tell: OnProgress) -> Checkpoint:
    """Return the checkpoint, downloaded if needed; unsupported ones are refused before weights."""
    if not options.for_visitor and is_folder(name):
        folder = Path(name)
        checkpoint = read_config(folder, folder.resolve().name, name)
        check_files(folder)
        return checkpoint
    tell(LoadStep(LOOKING_UP))
    token = False if options.for_visitor else None
    found = hub.look_up(name, options.revision, token)
    if isinstance(found, Path):
        checkpoint = read_config(found, name, name)
        check_files(found)
        return checkpoint
    if "config.json" not in found.sizes:
        raise ModelError(f"{name} is no model for transformers: it holds no config.json")
    if options.for_visitor:
        hub.check_disk(found)
    folder = hub.fetch(found, found.words, tell)
    checkpoint = read_config(folder, name, name)
    check_files(folder, {*found.sizes})
    _check_options(checkpoint, options)
    counts = _estimate(found.nbytes, checkpoint.raw)
    _check_fit(checkpoint, _with_dtype(options, checkpoint, device, counts), device, counts)
    hub.fetch(found, [*found.words, *found.weights], tell)
    return checkpoint


# Whether it can be loaded ------------------------------------------------------------------------


def _check_options(checkpoint: Checkpoint, options: LoadOptions) -> None:
    for given in options.family_options:
        if given not in checkpoint.family.OPTIONS:
            raise ModelError(f"{checkpoint.family.label} has no {given}; leave it out")
    if options.quantize and "quantization_config" in checkpoint.raw:
        raise ModelError(f"{checkpoint.name} is quantized already; leave out quantize")


def _with_dtype(
    options: LoadOptions, checkpoint: Checkpoint, device: torch.device, counts: weights.Counts
) -> LoadOptions:
    """Replace dtype "auto" for a model on the CPU."""
    quantized = options.quantize or "quantization_config" in checkpoint.raw
    if device.type != "cpu" or options.dtype != "auto" or quantized:
        return options
    return replace(options, dtype=auto_dtype(counts.parameters))


def _check_fit(
    checkpoint: Checkpoint, options: LoadOptions, device: torch.device, counts: weights.Counts
) -> int:
    """Return the bytes of the weights; raise `ModelError` if they are not free."""
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
    """Estimate the sizes of a model whose weights are still on the hub."""
    stored = fit.precision_of("auto", None, False, raw)
    parameters = round(nbytes * 8 / fit.BITS[stored])
    text = raw.get("text_config") or raw.get("llm_config") or raw
    matrix = int(text.get("vocab_size") or 0) * int(text.get("hidden_size") or 0)
    tied = raw.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
    return weights.Counts(parameters, min(parameters, matrix * (1 if tied else 2)), nbytes)


def _check_network(name: str, network: Any) -> None:
    """Raise `ModelError` unless the unembedding is a plain matrix."""
    head = network.get_output_embeddings()
    if head is None or not head.weight.is_floating_point():
        raise ModelError(
            f"{name}: its unembedding is quantized, so the logit lens cannot be computed"
        )
    if any(p.is_meta for p in network.parameters()):
        raise ModelError(f"{name}: {placing.OFFLOADED}")


# What goes wrong ---------------------------------------------------------------------------------


@contextmanager
def _describe_errors(name: str) -> Iterator[None]:
    """Turn errors of transformers, torch and peft into a `ModelError` of one line."""
    try:
        yield
    except SightlineError:
        raise
    except torch.OutOfMemoryError:
        raise ModelError(_TOO_LARGE.format(name=name)) from None
    except Exception as error:  # of many types: damaged files, invalid configs
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
