"""Resize 8-bit maps exactly as `cv2.resize` does, which TAM's evaluation uses.

Source: OpenCV 4 and 5, INTER_LINEAR on 8-bit images: linear interpolation in integers. Weights have
11 bits; sums along x are truncated to 4 bits below a level, those along y to 2 bits for each of
both rows, and only the last step rounds. Other resizers differ by a level in one pixel of eight,
which moves Otsu's threshold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]

ONE = 1 << 11  # a weight of 1


def resize(cells: Cells, shape: tuple[int, int]) -> Cells:
    """Resize a map (h, w) uint8 to (H, W) uint8, without averaging when it shrinks.

    Except at exactly half of both sides, where OpenCV takes the mean of four, as does this.
    """
    if (2 * shape[0], 2 * shape[1]) == cells.shape:
        fours = cells.reshape(shape[0], 2, shape[1], 2).sum(axis=(1, 3), dtype=np.int64)
        return ((fours + 2) >> 2).astype(np.uint8)
    left, right, at_left, at_right = _columns(cells.shape[1], shape[1])
    levels = cells.astype(np.int64)
    lines = (levels[:, left] * at_left + levels[:, right] * at_right) >> 4
    above, below, at_above, at_below = _rows(cells.shape[0], shape[0])
    upper = (at_above[:, None] * lines[above]) >> 16
    lower = (at_below[:, None] * lines[below]) >> 16
    return ((upper + lower + 2) >> 2).astype(np.uint8)


def _columns(n: int, m: int) -> tuple[Whole, Whole, Whole, Whole]:
    """Return two of n columns for each of m, with weights; beyond an edge, its own column."""
    first, part = _locate_pixels(n, m)
    inside = (first >= 0) & (first < n - 1)
    return _taps(n, first, np.where(inside, part, np.float32(0)))


def _rows(n: int, m: int) -> tuple[Whole, Whole, Whole, Whole]:
    """Return two of n rows for each of m, with weights; beyond an edge, its row twice.

    Both are truncated, which loses a level in places.
    """
    return _taps(n, *_locate_pixels(n, m))


def _locate_pixels(n: int, m: int) -> tuple[Whole, npt.NDArray[np.float32]]:
    """Return the cell before the centre of each of m pixels, and the distance from its centre."""
    at = ((np.arange(m) + 0.5) * (1.0 / (m / n)) - 0.5).astype(np.float32)
    first = np.floor(at)
    return first.astype(np.int64), at - first


def _taps(n: int, first: Whole, part: npt.NDArray[np.float32]) -> tuple[Whole, Whole, Whole, Whole]:
    weights = (np.rint(w * np.float32(ONE)).astype(np.int64) for w in (np.float32(1) - part, part))
    return np.clip(first, 0, n - 1), np.clip(first + 1, 0, n - 1), *weights
