"""Colour tables for maps: names, labels, and RGB values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import matplotlib
import numpy as np
import numpy.typing as npt

RGB = npt.NDArray[np.uint8]

# Colour tables by name, with their labels. All but turbo are perceptually uniform.
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

OPACITY = 0.75  # see docs/guide.md; `--sl-heat` in page.css is the same
COVERS = ("value", "all")  # what the colours of a map cover, see `add_cover`
LIGHT, DARK = 240, 32  # grey values that stand for a picture below the colours of a bar


def colour_table(name: str) -> RGB:
    """Return the RGB values (256, 3) uint8 of a table in `SEQUENTIAL` or `DIVERGING`."""
    if name not in SEQUENTIAL and name not in DIVERGING:
        known = ", ".join([*SEQUENTIAL, *DIVERGING])
        raise ValueError(f"no colour table {name!r}; choose one of {known}")
    steps = matplotlib.colormaps[name](np.arange(256), bytes=True)
    return np.ascontiguousarray(steps[:, :3])


def add_cover(table: RGB, signed: bool, cover: str) -> npt.NDArray[np.uint8]:
    """Return the RGBA values (256, 4) uint8 of a table; A is a share of the map's own opacity.

    Args:
        table: (256, 3) uint8.
        signed: whether the value 0 is in the middle of the table, not at its start.
        cover: `value`, where A grows in proportion to the absolute value, and is full from half of
            the full value on; or `all`, where it is full for every value.
    """
    steps = np.arange(256)
    doubled = 2 * np.abs(2 * steps - 255) if signed else 2 * steps
    alpha = np.minimum(255, doubled) if cover == "value" else np.full(256, 255)
    return np.column_stack([table, alpha]).astype(np.uint8)


def draw_bar(table: npt.NDArray[np.uint8], opacity: float) -> RGB:
    """Return the colour bar (8, 256, 3) uint8 of a table, as its colours look over a picture.

    The upper half lies over a light picture, the lower half over a dark one.

    Args:
        table: (256, 4) uint8, see `add_cover`.
        opacity: share of the colour where A is full, 0 to 1.
    """
    share = opacity * table[:, 3:] / 255
    rows = [(1 - share) * below + share * table[:, :3] for below in (LIGHT, DARK)]
    return np.round(np.repeat(rows, 4, axis=0)).astype(np.uint8)
