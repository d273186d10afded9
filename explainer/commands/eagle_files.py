"""What the searches of `eagle` print and write."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from explainer.probing.eagle_search import Found, SearchProgress
from explainer.run.files import file_name, write_bytes


class ProgressLine:
    """Print how far a search is, and how long it takes at most, every few seconds."""

    def __init__(self) -> None:
        self._start = self._shown = time.perf_counter()

    def __call__(self, step: SearchProgress) -> None:
        at = time.perf_counter()
        if at - self._shown < 5 or not step.done:
            return
        self._shown = at
        left = (at - self._start) / step.done * (step.total - step.done)
        print(f"{step.done} of at most {step.total} masks; {left:.0f} s at most", flush=True)


def search_figures(found: Found, sizes: np.ndarray) -> dict[str, Any]:
    """Return the order, the curves and the figures of a search over parts of `sizes` (n,)."""
    curves = found.curves(sizes)
    return {
        "order": found.order.tolist(),
        "searched": found.searched,
        "insight": found.insertion.tolist(),
        "necessity": (1 - found.deletion).tolist(),
        "share": curves.share.tolist(),
        "reliance": curves.reliance,
        **curves.figures(),
    }


def save(folder: Path, stem: str, ending: str, data: bytes) -> None:
    """Write a file whole, and print its path."""
    path = folder / file_name(stem, ending)
    write_bytes(path, data)
    print(f"wrote {path}")
