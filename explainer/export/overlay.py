"""A heatmap laid over its picture, pixel by pixel."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.export.colours import RGB
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.otsu import levels


def overlay(image: RGB, heat: Heatmap, table: RGB, opacity: float = 0.55, index: int = 0) -> RGB:
    """Return (H, W, 3) uint8: the image with the colours of its part of the heatmap laid over it.

    Each cell of the map covers its own share of the part's extent; between the centres of cells
    values are interpolated. Pixels outside the extent, which the model did not see, are
    hatched.

    Args:
        image: (H, W, 3) uint8, one of `Run.images`.
        table: (256, 3) uint8; its middle is 0 for a signed map, its start 0 for others.
        opacity: share of the colour in the mixture, 0 to 1.
        index: which of `Run.images` it is.
    """
    height, width = image.shape[:2]
    part = heat.parts[index]
    x0, y0, x1, y1 = part.extent
    rows, seen_y = _interpolate(height, y0, y1, part.values.shape[0])
    columns, seen_x = _interpolate(width, x0, x1, part.values.shape[1])
    values = rows @ part.values.astype(np.float64) @ columns.T
    colours = table[levels(values, heat.signed)]
    seen = (seen_y[:, None] & seen_x)[..., None]
    colours = np.where(seen, colours, hatching(height, width))
    return np.round((1 - opacity) * image + opacity * colours).astype(np.uint8)


def magnified(part: MapPart, side: int) -> npt.NDArray[np.float64]:
    """Return the values of a part interpolated as `overlay` does, `side` or more on the long side
    and a whole number of them for each cell."""
    height, width = part.values.shape
    factor = max(1, -(-side // max(height, width)))
    rows, _ = _interpolate(factor * height, 0, factor * height, height)
    columns, _ = _interpolate(factor * width, 0, factor * width, width)
    return rows @ part.values.astype(np.float64) @ columns.T


def hatching(height: int, width: int) -> RGB:
    """Return (height, width, 3) uint8: light diagonal strokes on dark, as the page draws them."""
    period = max(4, round(max(height, width) / 24))
    across = np.add.outer(np.arange(height), np.arange(width)) % period
    grey = np.where(across < period / 4, 128, 48).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def png(pixels: RGB) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _interpolate(
    pixels: int, start: float, stop: float, cells: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return (pixels, cells) bilinear weights of the pixels' centres, and which ones lie inside."""
    centres = np.arange(pixels) + 0.5
    at = np.clip((centres - start) / (stop - start) * cells - 0.5, 0, cells - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells)))
    return weights, (centres >= start) & (centres <= stop)
