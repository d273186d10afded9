"""Read PPM and PGM files that Pillow reads slowly: other depths than 8 bits, and text.

Pillow decodes these pixel by pixel in Python: a million pixels take 3 to 5 seconds.
"""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

_HEADER = re.compile(rb"P([2356])\s(?:\s*#[^\n]*\n)*\s*(\d{1,9})\s+(?:#[^\n]*\n\s*)*(\d{1,9})"
                     rb"\s+(?:#[^\n]*\n\s*)*(\d{1,5})\s")  # fmt: skip
_MAX_PIXELS = 16_000_000
_MAX_TEXT_PIXELS = 8_000_000
_STRIP = 1 << 20  # samples converted together


def read(stream: BinaryIO, start: bytes) -> Image.Image | None:
    """Return the image, or None for what Pillow reads fast, or refuses.

    Raises:
        ValueError: it is cut off, or too large.
    """
    header = _HEADER.match(start)
    if header is None:
        return None
    kind, width, height, white = (int(group) for group in header.groups())
    if kind > 3 and (white == 255 or (kind == 5 and white == 65535)):
        return None
    bands = 3 if kind in (3, 6) else 1
    if not 0 < white < 65536 or not 0 < width * height <= _most(kind):
        raise ValueError("a PPM of more pixels than are read")
    stream.seek(header.end())
    values = _values(stream, kind, width * height * bands, white)
    values = values.reshape((height, width, 3) if bands == 3 else (height, width))
    if bands == 1 and white > 255:
        return Image.fromarray(values.astype(np.uint16))  # stretched as all deep grey values are
    return Image.fromarray(_to_8_bit(values, white))


def _most(kind: int) -> int:
    return _MAX_PIXELS if kind > 3 else _MAX_TEXT_PIXELS


def _values(stream: BinaryIO, kind: int, count: int, white: int) -> npt.NDArray:
    """Return the samples of a file, as text or as one or two bytes each."""
    if kind > 3:
        sample = np.dtype(np.uint8 if white < 256 else ">u2")
        values = np.frombuffer(stream.read(count * sample.itemsize), sample)
    else:
        text = re.sub(rb"#[^\n]*", b"", stream.read(7 * count))
        values = np.fromstring(text.decode("ascii"), np.int32, sep=" ")[:count]
    if len(values) < count:
        raise ValueError("a PPM that is cut off")
    return values.clip(0, white)


def _to_8_bit(values: npt.NDArray, white: int) -> npt.NDArray[np.uint8]:
    result = np.empty(values.shape, np.uint8)
    rows = max(1, _STRIP // values[0].size)
    for top in range(0, len(values), rows):
        result[top : top + rows] = np.round(values[top : top + rows] * (255 / white))
    return result
