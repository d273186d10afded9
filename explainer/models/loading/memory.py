"""Free memory of a device, and the bytes that a model takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Beside the weights: a twentieth of them, at most 1.5 GB, for states and cache; and what reading
# and packing take for each visual token of a photograph.
_SHARE, _MOST_SHARE, _TOKEN = 20, 1_500_000_000, 150_000
MOST_READINGS, FEW_READINGS = 64, 4  # sequences in a batch
PHOTO_TOKENS = 770  # of a picture of 640 x 480 px at three scales, where the family is not known
# Bits per weight. Loading in 4 bits takes 4.5: each 64 weights share a scale of 32 bits.
BITS = {"float32": 32.0, "bfloat16": 16.0, "float16": 16.0, "8bit": 8.0, "4bit": 4.5}


def weight_bytes(parameters: int, embeddings: int, precision: str) -> int:
    """Return the bytes of weights: parameters times the bits of the precision, over 8.

    Args:
        parameters: number of parameters of the whole model.
        embeddings: those in the word embedding and the unembedding, which 8- and 4-bit loading
        keeps
            in 16 bits.
        precision: a key of `BITS`.
    """
    bits = BITS[precision]
    kept = embeddings * max(bits, 16.0)
    return round(((parameters - embeddings) * bits + kept) / 8)


def with_room(weights: int, tokens: int = PHOTO_TOKENS) -> int:
    """Return the bytes needed to load a model and to record a picture of so many visual tokens.

    The process that runs it, with torch and transformers, takes its own memory beside these;
    `python -m explainer rehearse` measures both.
    """
    return weights + min(weights // _SHARE, _MOST_SHARE) + tokens * _TOKEN


def largest_weights(free: int) -> float:
    """Return the bytes of the largest weights that `with_room` lets fit into `free` bytes."""
    room = max(0, free - PHOTO_TOKENS * _TOKEN)
    return max(room / (1 + 1 / _SHARE), room - _MOST_SHARE)


def most_readings(tokens: int, free: int | None) -> int:
    """Return how many sequences of so many tokens may be read at once, 1 to `MOST_READINGS`.

    They take at most half of the `free` bytes; `FEW_READINGS` if these are unknown.
    """
    if free is None:
        return FEW_READINGS
    return max(1, min(MOST_READINGS, free // 2 // (tokens * _TOKEN)))


def free_memory(device: str = "cpu") -> int | None:
    """Return the free bytes of a device, or None if unknown.

    For the CPU: the available memory of the kernel, or the limit of the container if smaller.
    """
    if device.startswith("cuda") and (cuda := _cuda()):
        held = cuda.memory_reserved(device) - cuda.memory_allocated(device)
        return cuda.mem_get_info(device)[0] + held
    if device.startswith(("cpu", "mps")):
        known = [n for n in (_available(), _left_to_container()) if n is not None]
        return min(known) if known else None
    return None


def _cuda() -> Any:
    """Return torch's module of CUDA, or None without a device.

    Torch is imported here, so that a page without a model does not need it.
    """
    import torch

    return torch.cuda if torch.cuda.is_available() else None


def _available() -> int | None:
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:  # not Linux: total memory, as free memory is unknown
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _left_to_container() -> int | None:
    """Return the free bytes within the control group's limit, not counting its file cache."""
    folder = Path("/sys/fs/cgroup")
    try:
        bound = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    if bound == "max":
        return None
    return max(0, int(bound) - used + int(stat.get("inactive_file", 0)))
