"""Colour tables: which ones there are, what people call them, and the colours of map values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import matplotlib
import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]

# Colour tables by name, with the label for people. Except for turbo, equal steps look equal.
SEQUENTIAL: Mapping[str, str] = MappingProxyType(
    {
        "inferno": "Inferno",
        "magma": "Magma",
        "viridis": "Viridis",
        "cividis": "Cividis (colour-blind safe)",
        "turbo": "Turbo (rainbow: steps do not look equal)",
    }
)
DIVERGING: Mapping[str, str] = MappingProxyType(
    {"RdBu_r": "Blue to red through white", "PuOr_r": "Violet to orange through white"}
)


def colour_table(name: str) -> RGB:
    """Return (256, 3) uint8: the colours of a table in `SEQUENTIAL` or `DIVERGING`."""
    if name not in SEQUENTIAL and name not in DIVERGING:
        known = ", ".join([*SEQUENTIAL, *DIVERGING])
        raise ValueError(f"no colour table {name!r}; choose one of {known}")
    steps = matplotlib.colormaps[name](np.arange(256), bytes=True)
    return np.ascontiguousarray(steps[:, :3])
