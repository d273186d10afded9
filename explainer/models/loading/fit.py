"""Check whether a model fits into the free memory, and suggest what would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explainer.errors import ModelError
from explainer.models.loading.memory import (
    BITS,
    PHOTO_TOKENS,
    free_memory,
    largest_weights,
    weight_bytes,
    with_room,
)
from explainer.models.loading.weights import Counts


def precision_of(dtype: str, quantize: str | None, on_cpu: bool, raw: Mapping[str, Any]) -> str:
    """Return the precision of the weights, a key of `memory.BITS`; `raw` is config.json."""
    if quantize:
        return quantize
    if dtype != "auto":
        return dtype
    if on_cpu:
        return "float32"
    text = raw.get("text_config") or raw.get("llm_config") or {}
    named = (source.get(key) for source in (raw, text) for key in ("dtype", "torch_dtype"))
    return next((name for name in named if name in BITS), "float32")


def needed(counts: Counts, precision: str, tokens: int = PHOTO_TOKENS) -> int:
    """Return the bytes needed to load a model and to read a photograph of so many visual tokens."""
    return with_room(weight_bytes(counts.parameters, counts.embeddings, precision), tokens)


def check_fit(
    name: str,
    counts: Counts,
    precision: str,
    device: str,
    offered: Sequence[str],
    free: int | None,
) -> int:
    """Return the bytes of the weights; raise `ModelError` with suggestions if they do not fit.

    Args:
        device: description of the device.
        offered: the quantizations that can be used there.
        free: free bytes there; None if unknown, which skips the check.
    """
    if free is None or needed(counts, precision) <= free:
        return weight_bytes(counts.parameters, counts.embeddings, precision)
    choices = [p for p in ("bfloat16", *offered) if BITS[p] < BITS[precision]]
    fitting = [
        f"{'dtype' if p == 'bfloat16' else 'quantize'} {p} (about {_gb(needed(counts, p))})"
        for p in choices
        if needed(counts, p) <= free
    ]
    largest = largest_weights(free) / (BITS["bfloat16"] / 8) / 1e9
    smaller = f"a smaller model (in bfloat16 up to about {largest:.2g} billion parameters fit)"
    ways = f"{', '.join(fitting)}, or {smaller}" if fitting else smaller
    raise ModelError(
        f"{name} does not fit: it needs about {_gb(needed(counts, precision))} in {precision}, and "
        f"{_gb(free)} are free on {device}. Use {ways}"
    )


def free_on(device: str, spread: bool, reclaimable: int) -> int | None:
    """Return the free bytes of a device or, with `spread`, of all GPUs together."""
    if spread and device.startswith("cuda"):
        import torch

        each = [free_memory(f"cuda:{i}") for i in range(torch.cuda.device_count())]
        return sum(n or 0 for n in each) + reclaimable
    free = free_memory(device)
    return None if free is None else free + reclaimable


def _gb(nbytes: float) -> str:
    return f"{nbytes / 1e9:.1f} GB"
