"""The input of models of one fixed size: which part of the picture lies where on it.

Pictures are resized, padded and cropped here rather than by the checkpoint's image processor, step
for step as it does it, so that the place of each token in the picture is known and not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.run.geometry import SLIVER

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image on its way to the vision tower.

    Attributes:
        image: what the tower is to see, RGB.
        content: (x0, y0, x1, y1) where on it the picture lies, in its own pixels.
        seen: (x0, y0, x1, y1) the part of the picture that lies there, in pixels of the picture.
    """

    image: Image.Image
    content: Box
    seen: Box

    @classmethod
    def of(cls, pixels: npt.NDArray[np.uint8]) -> Canvas:
        """Return the picture itself, (H, W, 3) uint8."""
        whole = (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))
        return cls(Image.fromarray(pixels), whole, whole)

    def resized(self, width: int, height: int, resample: int) -> Canvas:
        """Return it stretched to width x height."""
        x, y = width / self.image.width, height / self.image.height
        x0, y0, x1, y1 = self.content
        image = self.image.resize((width, height), resample)
        return Canvas(image, (x0 * x, y0 * y, x1 * x, y1 * y), self.seen)

    def placed(
        self, width: int, height: int, left: int, top: int, colour: tuple[int, ...] = (0, 0, 0)
    ) -> Canvas:
        """Return width x height pixels of `colour` with this pasted at (left, top).

        What sticks out is cut off: a negative corner crops.
        """
        image = Image.new("RGB", (width, height), colour)
        image.paste(self.image, (left, top))
        x0, x1, u0, u1 = _cut(self.content[0] + left, self.content[2] + left, width, self.seen[::2])
        y0, y1, v0, v1 = _cut(self.content[1] + top, self.content[3] + top, height, self.seen[1::2])
        return Canvas(image, (x0, y0, x1, y1), (u0, v0, u1, v1))

    def centred(self, width: int, height: int, colour: tuple[int, ...] = (0, 0, 0)) -> Canvas:
        """Return it in the middle of width x height pixels, cropped where it is larger.

        An odd pixel more is left over, or cut off, at the end: hence the rounding towards zero.
        """
        left, top = int((width - self.image.width) / 2), int((height - self.image.height) / 2)
        return self.placed(width, height, left, top, colour)

    def shrunk(self, alpha: float, resample: int, colour: tuple[int, ...]) -> Canvas:
        """Return a canvas of the same size that holds this one, `alpha` times as large."""
        if alpha == 1:
            return self
        width, height = self.image.size
        narrow, low = (max(1, round(alpha * side)) for side in (width, height))
        return self.resized(narrow, low, resample).centred(width, height, colour)

    def rects(self, grid: tuple[int, int], cell: int) -> npt.NDArray[np.float32]:
        """Return (N, 4) float32: what each token of `cell` pixels sees, in pixels of the picture.

        Row-major; NaN for a token on padding. A token on the border is cut down to the picture, so
        that the rectangles tile the seen part.
        """
        return self.rects_within((0.0, 0.0, float(grid[1] * cell), float(grid[0] * cell)), grid)

    def rects_within(self, box: Box, grid: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return (N, 4) float32: what the cells of a grid over `box` see, as `rects` does.

        `box` is a part of this canvas, in its pixels.
        """
        x, y = (self._spans_within(box, axis, n) for n, axis in ((grid[1], 0), (grid[0], 1)))
        rects = np.empty((*grid, 4))
        rects[..., ::2], rects[..., 1::2] = x, y[:, None]
        rects[np.isnan(rects).any(axis=-1)] = np.nan
        return rects.reshape(-1, 4).astype(np.float32)

    def _spans_within(self, box: Box, axis: int, n: int) -> npt.NDArray[np.float64]:
        """Return what each of n cells along an axis of a box sees, see `_spans`."""
        start, stop = box[axis], box[axis + 2]
        content = (self.content[axis] - start, self.content[axis + 2] - start)
        seen = (self.seen[axis], self.seen[axis + 2])
        return _spans(n, (stop - start) / n, content, seen)


def mean_colour(processor: Any) -> tuple[int, ...]:
    """Return the mean RGB colour of an image processor, 0 to 255, cut to whole numbers."""
    return tuple(int(255 * mean) for mean in processor.image_mean)


def tiles_of(image: Image.Image, side: int) -> list[Image.Image]:
    """Return the squares of this side that an image consists of, row-major."""
    return [
        image.crop((x, y, x + side, y + side))
        for y in range(0, image.height, side)
        for x in range(0, image.width, side)
    ]


def tiles_row_major(rows: int, columns: int, n: int) -> npt.NDArray[np.intp]:
    """Return the place of each token, row-major over all tiles, where tile follows tile.

    Args:
        rows, columns: of tiles, each of n x n tokens.
    """
    read = np.arange(rows * columns * n * n).reshape(rows, columns, n, n)
    return read.transpose(0, 2, 1, 3).ravel()


def _cut(
    start: float, stop: float, side: float, seen: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return where content lies within 0..side, and the part of the picture left of `seen`."""
    scale = (seen[1] - seen[0]) / (stop - start)
    low, high = max(start, 0.0), min(stop, side)
    u0 = seen[0] + (low - start) * scale if low > start else seen[0]
    u1 = seen[1] - (stop - high) * scale if high < stop else seen[1]
    return low, high, u0, u1


def _spans(
    n: int, cell: float, content: tuple[float, float], seen: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Return (n, 2): the stretch of the picture in each of n cells along one axis, or NaN."""
    low, high, first, last = _cut(*content, n * cell, seen)
    edges = np.clip(np.arange(n + 1) * cell, low, high)
    held = np.flatnonzero(np.diff(edges) > SLIVER * cell)
    if not held.size:  # content thinner than a sliver
        held = np.array([np.diff(edges).argmax()])
    at = first + (edges - low) * (last - first) / (high - low)
    at[: held[0] + 1], at[held[-1] + 1 :] = first, last
    spans = np.full((n, 2), np.nan)
    spans[held] = np.stack([at[held], at[held + 1]], axis=1)
    return spans
