"""Convert grey values of more than 8 bits, and arrays of all types, to 0..255.

A 16-bit file often holds 10, 12 or 14 bits, and one of depths or temperatures any range. Files do
not declare the range, so grey values are stretched between the smallest and largest finite one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import ImageError

_STRIP = 1 << 18  # pixels that are looked at together
_NO_RANGE = 1e-30
# Tags of a TIFF. Pillow takes 32 bits for signed, and more than 8 bits to count from black.
_BITS, _PHOTOMETRIC, _SIGNS = 258, 262, 339
_FROM_WHITE, _UNSIGNED = 0, (None, (1,), 1)


def is_deep(image: Image.Image) -> bool:
    """Return whether the pixels of an image are numbers of more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def shrink_grey(image: Image.Image, factor: int, notes: list[str]) -> Image.Image:
    """Stretch a deep grey image to 8 bits, with means of `factor` x `factor` pixels.

    In a TIFF, 0 may mean white. Pixels that are NaN or infinite are left out of the range and the
    means; blocks of nothing else become black.
    """
    low, high, bad = _finite_range(image)
    notes.append(_grey_note(low, high))
    if bad:
        notes.append(f"{bad} of its pixels are not finite numbers and are shown black.")
    low, high = _scale_of(low, high, image.mode)
    rows = [_to_8_bit(_means(strip, factor), low, high) for strip in _strips(image, factor)]
    grey = np.concatenate(rows)
    from_white = _tag(image, _PHOTOMETRIC) == _FROM_WHITE
    return Image.fromarray(255 - grey if from_white else grey)


def _strips(image: Image.Image, factor: int = 1) -> Iterator[npt.NDArray]:
    """Yield an image in strips of whole blocks of `factor` rows."""
    rows = max(1, _STRIP // image.width // factor) * factor
    unsigned = (
        image.mode == "I" and _tag(image, _BITS) == (32,) and _tag(image, _SIGNS) in _UNSIGNED
    )
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(image.height, top + rows))
        strip = np.asarray(image.crop(box))
        yield strip.view(np.uint32) if unsigned else strip


def _tag(image: Image.Image, number: int) -> object:
    """Return a tag of a TIFF; None for other files."""
    return getattr(image, "tag_v2", {}).get(number)


def _finite_range(image: Image.Image) -> tuple[float, float, int]:
    """Return the smallest and largest finite value and how many are not finite; 0, 0 if all are."""
    low, high, bad = np.inf, -np.inf, 0
    for strip in _strips(image):
        finite = strip if strip.dtype.kind in "iu" else strip[np.isfinite(strip)]
        bad += strip.size - finite.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high, bad) if low <= high else (0.0, 0.0, bad)


def _scale_of(low: float, high: float, mode: str) -> tuple[float, float]:
    """Return the values of black and white: the extremes or, for a constant, the type's range."""
    if high - low > _NO_RANGE:
        return low, high
    full = 1.0 if mode == "F" else 65535.0
    return (0.0, full) if 0 <= low <= full else (min(low, 0.0) * 1.1, max(low, 1.0) * 1.1)


def _means(strip: npt.NDArray, factor: int) -> npt.NDArray[np.float64]:
    """Return the mean of the finite values of each block; NaN where a block has none."""
    if factor == 1:
        values = strip.astype(np.float64)
        return np.where(np.isfinite(values), values, np.nan)
    finite = np.isfinite(strip)
    values = strip if finite.all() else np.where(finite, strip, 0)
    count = _block_sums(finite, factor)
    return np.where(count, _block_sums(values, factor) / np.maximum(count, 1), np.nan)


def _block_sums(values: npt.NDArray, factor: int) -> npt.NDArray[np.float64]:
    """Return the sums of blocks of `factor` x `factor` values; those at the edge may be smaller."""
    rows = np.add.reduceat(values, range(0, values.shape[0], factor), 0, np.float64)
    return np.add.reduceat(rows, range(0, values.shape[1], factor), 1)


def _to_8_bit(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.uint8]:
    scaled = (values - low) / (high - low)
    return np.round(np.nan_to_num(scaled).clip(0, 1) * 255).astype(np.uint8)


def _grey_note(low: float, high: float) -> str:
    return f"Its grey values from {low:g} to {high:g} were stretched to 8 bits (0 to 255)."


def checked_array(array: npt.NDArray) -> npt.NDArray:
    """Return an array as uint8, or as uint16 if it is grey.

    Raises:
        ImageError: its type or its values are not those of a picture.
    """
    if array.dtype == np.uint8 or (array.dtype == np.uint16 and array.ndim == 2):
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return np.round(array / 257).astype(np.uint8)
    if array.dtype.kind == "f" and np.all((array >= 0) & (array <= 1)):
        return np.round(array * 255).astype(np.uint8)
    raise ImageError(
        f"an array must be uint8, uint16, bool or float in [0, 1], got {array.dtype} "
        f"from {array.min()} to {array.max()}"
    )
