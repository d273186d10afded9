"""The most memory that this process has held."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from explainer.heap import trim_heap


def peak_bytes() -> dict[str, int]:
    """Return the most bytes that this process has held, in memory and on each GPU."""
    import torch

    peaks = {}
    if os.name == "posix":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        peaks["process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    for i in range(torch.cuda.device_count()):
        peaks[f"cuda:{i}"] = torch.cuda.max_memory_allocated(i)
    return peaks


def restart_peak() -> None:
    """Count the process's peak from now on, after giving freed memory back. Linux only."""
    trim_heap()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
