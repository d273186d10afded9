"""Maps in 256 steps, and where to cut one in two: Otsu's threshold.

Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 9(1), 1979.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

FAINT = 0.1  # of a map's full strength, 1.0


def levels(values: npt.NDArray[np.floating], signed: bool = False) -> npt.NDArray[np.uint8]:
    """Return which of 256 steps from 0 to 1, or from -1 to 1 if signed, each value is nearest to;
    what lies outside takes the first or last one, NaN that of 0."""
    low = -1 if signed else 0
    share = (np.clip(np.nan_to_num(values), low, 1) - low) / (1 - low)
    return np.round(share * 255).astype(np.uint8)


def otsu(levels: npt.NDArray[np.uint8]) -> int:
    """Return the threshold t that best parts levels <= t from levels > t, the least if several do.

    Otsu's criterion over 256 bins: the largest variance between the two classes. A constant map
    has t = 0, so that all of it lies above unless it is 0.
    """
    share = np.array(Image.fromarray(levels).histogram()) / levels.size
    below = np.cumsum(share)
    moment = np.cumsum(share * np.arange(256))
    both = below * (1.0 - below)
    parted = both > np.finfo(np.float32).eps
    variance = (moment[-1] * below - moment) ** 2 / np.where(parted, both, 1.0)
    return int(np.where(parted, variance, 0.0).argmax())


def is_faint(values: npt.NDArray[np.floating]) -> bool:
    """Return whether nothing stands out in a map: its peak is below `FAINT`.

    Otsu's threshold parts any map in two, so of a nearly dark one it outlines a third or more.
    """
    return not float(values.max()) >= FAINT


def stands_out(values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return where a map is above its threshold, in 256 steps from 0 to 1; what is below 0 counts
    as 0. Nowhere if the map is faint."""
    cells = levels(values)
    return (cells > otsu(cells)) & (not is_faint(values))
