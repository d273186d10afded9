"""Lay a heatmap over its picture."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.export.colours import COVERS, OPACITY, RGB, add_cover
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.otsu import levels
from explainer.run.geometry import Extent


def overlay(
    image: RGB,
    heat: Heatmap,
    table: RGB,
    opacity: float = OPACITY,
    index: int = 0,
    cover: str = COVERS[0],
) -> RGB:
    """Return (H, W, 3) uint8: the image with the colours of its part of the heatmap laid over it.

    A cell of the map has its value at its centre, see `MapPart`; between the centres values are
    interpolated. Pixels outside the extent, which the model did not see, are hatched.

    Args:
        image: (H, W, 3) uint8, one of `Run.images`.
        table: (256, 3) uint8; its middle is 0 for a signed map, its start 0 for others.
        opacity: share of the colour in the mixture, 0 to 1.
        index: which of `Run.images` it is.
        cover: one of `COVERS`: by `value` the picture stays as it is where the map is 0, see
            `add_cover`.
    """
    height, width = image.shape[:2]
    part = heat.parts[index]
    values, seen = interpolate(part, (0, 0, width, height), (height, width))
    colours = add_cover(table, heat.signed, cover).astype(float)
    shares = opacity * (colours[:, 3] / 255)  # by level, as the colours are
    ink, level = shares[:, None] * colours[:, :3], levels(values, heat.signed)
    mixed = (1 - shares)[level][..., None] * image
    mixed += ink[level]
    if not seen.all():
        hatched = (1 - opacity) * image + opacity * draw_hatching(height, width)
        mixed = np.where(seen[..., None], mixed, hatched)
    return np.round(mixed, out=mixed).astype(np.uint8)


def outlined(image: RGB, labels: npt.NDArray[np.intp]) -> RGB:
    """Return (H, W, 3) uint8: the image with white lines on the borders of regions, dark beside.

    Args:
        labels: (H, W), a number for the pixels of each region, such as one of `Tiling.labels`; what
            is below 0 belongs to none and is hatched.
    """
    line = np.zeros(labels.shape, bool)
    line[1:] |= labels[1:] != labels[:-1]
    line[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    wide = line.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            wide |= np.roll(line, step, axis)
    out = np.where((labels < 0)[..., None], draw_hatching(*labels.shape), image)
    out = np.where(wide[..., None], out // 3, out)
    return np.where(line[..., None], np.uint8(255), out).astype(np.uint8)


def magnify(part: MapPart, side: int) -> npt.NDArray[np.float64]:
    """Return the interpolated values of a part over its extent, at least `side` pixels long.

    Each whole cell has a whole number of pixels.
    """
    height, width = part.values.shape
    factor = max(1, -(-side // max(height, width)))
    x0, y0, x1, y1 = part.placement.within(part.extent, part.values.shape)
    size = max(1, round(factor * (y1 - y0))), max(1, round(factor * (x1 - x0)))
    return interpolate(part, part.extent, size)[0]


def interpolate(
    part: MapPart, window: Extent, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Interpolate a part at the centres of H x W pixels that divide a window of the picture.

    Returns the values (H, W), and a mask of the pixels that the model saw.
    """
    rows, seen_y = _weights(part, window, 1, size[0])
    columns, seen_x = _weights(part, window, 0, size[1])
    return rows @ part.values.astype(np.float64) @ columns.T, seen_y[:, None] & seen_x


def _weights(
    part: MapPart, window: Extent, axis: int, pixels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return bilinear weights (pixels, cells) along an axis of a window, and which pixels count."""
    start, stop = window[axis], window[axis + 2]
    centres = start + (np.arange(pixels) + 0.5) * ((stop - start) / pixels)
    return part.placement.interpolate(centres, axis, part.values.shape[1 - axis])


def draw_hatching(height: int, width: int) -> RGB:
    """Return (height, width, 3) uint8: light diagonal strokes on dark, as the page draws them."""
    period = max(4, round(max(height, width) / 24))
    across = np.add.outer(np.arange(height), np.arange(width)) % period
    grey = np.where(across < period / 4, 128, 48).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def png(pixels: RGB) -> bytes:
    """Return the bytes of a PNG file.

    Of a figure at level 4: in a third of the time of zlib's default 6, and 2 % larger.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
