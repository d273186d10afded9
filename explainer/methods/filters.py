"""The rank Gaussian filter: it removes isolated spikes and keeps broad peaks.

Source: the reference implementation of TAM, arXiv 2506.23270, also used by MSEA + ARC,
arXiv 2509.22415, Eq. 9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

FLOOR = 1e-6  # of the coefficient of variation: a flat window keeps its value

MOST_CELLS = 1 << 18  # filtered at once

# What a window holds outside the picture, in np.pad's words; None: nothing.
BORDERS = {"mirror": "reflect", "edge": "edge", "inside": None}


def rank_gaussian(maps: Maps, window: int = 3, border: str = "mirror") -> Maps:
    """Return (M, h, w) float32: each cell replaced by a weighted mean of its ranked window.

    `maps` is (M, h, w), not negative; `window` is odd, and 1 leaves the maps as they are. With the
    window's values sorted, v_0 <= ... <= v_(n-1), mean mu and population deviation sd:

        cv = sd / mu,  g_m = exp(-(m - (n-1)/2)^2 / (2 cv^2)),  out = sum g_m v_m / sum g_m

    An even window goes to its median, an uneven one towards its mean; mu <= 0 gives 0. Departure:
    the reference divides by zero where a window is constant; here cv is at least 1e-6, which gives
    the constant.

    `border` is one of `BORDERS`. "mirror" is the reference: what lies outside mirrors the picture
    without repeating its edge, so that a cell one step from the edge counts twice or four times in
    the windows of the edge, and its peak moves there. "edge" repeats the edge: every cell counts at
    least as much in its own window as in another. "inside" ranks only the n cells inside.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window: got {window}, expected an odd number")
    if window == 1:
        return maps
    if len(maps) > 1 and maps.size > MOST_CELLS:  # for maps at pixel size, to bound the memory
        return np.concatenate([rank_gaussian(one[None], window, border) for one in maps])
    values, counts = _ranked(maps, window, border)
    n = counts.sum(axis=0, dtype=np.float32)
    mu = values.sum(axis=0, where=counts) / n
    positive = mu > 0
    sd = np.sqrt(np.square(values - mu).sum(axis=0, where=counts) / n)
    cv = np.maximum(sd / np.where(positive, mu, 1.0), FLOOR)
    rank = np.arange(len(values), dtype=np.float32)[:, None, None, None] - (n - 1) / 2
    nearest = np.where(
        n % 2, np.float32(0), np.float32(0.25)
    )  # squared rank of the middle, so that its g is 1
    gauss = np.where(counts, np.exp((nearest - rank**2) / (2.0 * cv**2)), 0.0)
    mean = (gauss * values).sum(axis=0) / gauss.sum(axis=0)
    return np.where(positive, mean, 0.0).astype(np.float32)


def zero_deviation(maps: Maps, window: int = 3) -> Mask:
    """Return (M, h, w) bool: where `np.std` of the window, as float32 computes it, is exactly 0.

    Not the same as a constant window: nine times 0.9 sums to a value whose ninth is not 0.9, which
    leaves a deviation of a rounding error. The values are laid out one window after another, as the
    reference code has them, because numpy adds them in another order along other axes. Borders are
    mirrored.
    """
    ranked, _ = _ranked(maps, window, "mirror")
    return np.ascontiguousarray(np.moveaxis(ranked, 0, -1)).std(axis=-1) == 0


def _ranked(maps: Maps, window: int, border: str) -> tuple[Maps, Mask]:
    """Return the sorted neighbours of every cell, (window^2, M, h, w), and which of them count.

    The mask is (window^2, 1, h, w). Neighbours that do not count are 0 and come last.
    """
    inside = np.ones((1, *maps.shape[1:]), bool)
    if BORDERS[border]:
        values = np.sort(_windows(maps, window, mode=BORDERS[border]), axis=0)
        return values, np.broadcast_to(inside, (len(values), *inside.shape))
    values = np.sort(_windows(maps, window, mode="constant", constant_values=np.inf), axis=0)
    n = _windows(inside, window, mode="constant").sum(axis=0)
    counts = np.arange(window**2)[:, None, None, None] < n
    return np.where(counts, values, 0.0).astype(np.float32), counts


def _windows(maps: npt.NDArray[Any], window: int, **padding: Any) -> npt.NDArray[Any]:
    """Return (window^2, M, h, w): every neighbour of every cell, `padding` as np.pad takes it."""
    h, w = maps.shape[1:]
    r = window // 2
    padded = np.pad(maps, ((0, 0), (r, r), (r, r)), **padding)
    steps = range(window)
    return np.stack([padded[:, i : i + h, j : j + w] for i in steps for j in steps])
