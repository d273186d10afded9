"""Quantise maps to 256 levels and threshold them by Otsu's method.

Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 9(1), 1979.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

FAINT = 0.1  # of a map's full strength, 1.0


def levels(values: npt.NDArray[np.floating], signed: bool = False) -> npt.NDArray[np.uint8]:
    """Quantise values to 256 levels from 0 to 1, or from -1 to 1 if signed.

    Values outside of the range are clipped; NaN becomes the level of 0.
    """
    low = -1 if signed else 0
    share = (np.clip(np.nan_to_num(values), low, 1) - low) / (1 - low)
    return np.round(share * 255).astype(np.uint8)


def otsu(levels: npt.NDArray[np.uint8]) -> int:
    """Return the threshold t that best separates levels <= t from levels > t.

    Otsu's criterion over 256 bins: the largest variance between the two classes; of several such t
    the smallest. A constant map has t = 0, so that all of it lies above unless it is 0.
    """
    share = np.array(Image.fromarray(levels).histogram()) / levels.size
    below = np.cumsum(share)
    moment = np.cumsum(share * np.arange(256))
    both = below * (1.0 - below)
    parted = both > np.finfo(np.float32).eps
    variance = (moment[-1] * below - moment) ** 2 / np.where(parted, both, 1.0)
    return int(np.where(parted, variance, 0.0).argmax())


def is_faint(values: npt.NDArray[np.floating]) -> bool:
    """Return whether the peak of a map is below `FAINT`.

    Otsu's threshold divides any map in two, so in a nearly dark one it would mark a third or more.
    """
    return not float(values.max()) >= FAINT


def stands_out(values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return a mask of the cells above the map's Otsu threshold.

    The map is quantised to 256 levels from 0 to 1, with negative values as 0. The mask of a faint
    map is empty.
    """
    cells = levels(values)
    return (cells > otsu(cells)) & (not is_faint(values))
