"""JPEG 2000 files: decoded at a half, a quarter or less of their size where that is enough."""

from __future__ import annotations

from PIL import Jpeg2KImagePlugin

_BAND_BYTES = 6.6  # measured for each decoded pixel and band, where a file is not cut in tiles
_HEADER = 1 << 20  # bytes in which the coding style stands, behind a colour profile
_START, _CODING_STYLE, _LEVELS_AT = b"\xff\x4f\xff\x51", b"\xff\x52", 9


def prepare(image: Jpeg2KImagePlugin.Jpeg2KImageFile, side: int) -> float:
    """Leave out the finest levels of an opened file, as long as it stays large enough.

    Returns:
        The bytes that decoding takes at most.
    """
    halvings = (max(image.size) // side).bit_length() - 1
    levels = min(halvings, _levels(image))
    if levels > 0:
        image.reduce = levels
    pixels = image.size[0] * image.size[1] / 4 ** max(0, levels)
    return _BAND_BYTES * len(image.getbands()) * pixels


def _levels(image: Jpeg2KImagePlugin.Jpeg2KImageFile) -> int:
    """Return how many levels of detail a file has; 0 if it does not say where it should."""
    stream = image.fp
    if stream is None:
        return 0
    before = stream.tell()
    stream.seek(0)
    start = stream.read(_HEADER)
    stream.seek(before)
    at = start.find(_CODING_STYLE, max(0, start.find(_START)))
    return start[at + _LEVELS_AT] if 0 <= at < len(start) - _LEVELS_AT else 0
