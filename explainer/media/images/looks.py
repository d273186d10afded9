"""Warn about pictures that show nothing to a person or a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_DARK = 32  # of 255
_MOSTLY = 99.5  # percent of the pixels
_FLAT = 3  # levels of 255
_LEAST = 64  # pixels, below which a picture is too small to judge


def warnings(pixels: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    """Return a sentence if a picture is of one colour, or nearly black."""
    if pixels.shape[0] * pixels.shape[1] < _LEAST:
        return ()
    span = pixels.max((0, 1)).astype(int) - pixels.min((0, 1))
    if span.max() <= _FLAT:
        return ("All of it has nearly the same colour, so there is little to see.",)
    if np.percentile(pixels.max(-1), _MOSTLY) < _DARK:
        return ("It is nearly black; brighten it if that is not meant.",)
    return ()
