"""The rank Gaussian filter: a smoother that removes lone spikes and keeps broad peaks.

Source: the reference implementation of TAM, arXiv 2506.23270, also used by MSEA + ARC,
arXiv 2509.22415, Eq. 9.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.float32]

FLOOR = 1e-6  # of the coefficient of variation: a flat window keeps its value


def rank_gaussian(maps: Maps, window: int = 3) -> Maps:
    """Return (M, h, w) float32: each cell replaced by a weighted mean of its ranked window.

    `maps` is (M, h, w), not negative; `window` is odd, and 1 leaves the maps as they are. With the
    window's values sorted, v_0 <= ... <= v_(n-1), mean mu and population deviation sd:

        cv = sd / mu,  g_m = exp(-(m - (n-1)/2)^2 / (2 cv^2)),  out = sum g_m v_m / sum g_m

    An even window goes to its median, an uneven one towards its mean; mu <= 0 gives 0. Borders are
    mirrored without repeating the edge. Departure: the reference divides by zero where a window is
    constant; here cv is at least 1e-6, which gives the constant.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window: got {window}, expected an odd number")
    if window == 1:
        return maps
    values = np.sort(_windows(maps, window), axis=0)  # (n, M, h, w)
    mu = values.mean(axis=0)
    positive = mu > 0
    cv = np.maximum(values.std(axis=0) / np.where(positive, mu, 1.0), FLOOR)
    rank = np.arange(len(values), dtype=np.float32) - len(values) // 2
    gauss = np.exp(-(rank[:, None, None, None] ** 2) / (2.0 * cv**2))
    mean = (gauss * values).sum(axis=0) / gauss.sum(axis=0)
    return np.where(positive, mean, 0.0).astype(np.float32)


def zero_deviation(maps: Maps, window: int = 3) -> npt.NDArray[np.bool_]:
    """Return (M, h, w) bool: where `np.std` of the window, as float32 computes it, is exactly 0.

    Not the same as a constant window: nine times 0.9 sums to a value whose ninth is not 0.9, which
    leaves a deviation of a rounding error. The values are laid out one window after another, as the
    reference code has them, because numpy adds them in another order along other axes.
    """
    ranked = np.sort(_windows(maps, window), axis=0)
    return np.ascontiguousarray(np.moveaxis(ranked, 0, -1)).std(axis=-1) == 0


def _windows(maps: Maps, window: int) -> Maps:
    """Return (window^2, M, h, w): every neighbour of every cell."""
    h, w = maps.shape[1:]
    r = window // 2
    padded = np.pad(maps, ((0, 0), (r, r), (r, r)), mode="reflect")
    steps = range(window)
    return np.stack([padded[:, i : i + h, j : j + w] for i in steps for j in steps])
