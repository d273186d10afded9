"""JPEG files: scaled while they are decoded, and the memory that their decoder takes."""

from __future__ import annotations

import re
from typing import IO

from PIL import JpegImagePlugin

from explainer.errors import ImageError

_GAP = 2  # decoded at least so many times as large as needed
_MAX_SCANS = 100  # usual files have up to 12; each passes over the whole picture
# Within a scan 0xFF is followed by 0 or by one of eight marks to restart at.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_START_OF_SCAN, _END = 0xDA, 0xD9


def prepare(name: str, image: JpegImagePlugin.JpegImageFile, side: int) -> float:
    """Have an opened JPEG decoded at 1/2, 1/4 or 1/8 where that is large enough.

    Returns:
        The bytes that decoding takes. A picture of one scan passes through the decoder; one of
        several, as progressive ones are, is kept at full size as coefficients of 2 bytes.
    """
    width, height = image.size
    scans = _count_scans(image.fp)
    if scans > _MAX_SCANS:
        raise ImageError(f"{name} is built in a way that takes long to read; save it again")
    samples = [across * down for _, across, down, _ in image.layer]
    densest = max([1, *samples])  # the decoder refuses a picture without samples
    kept = 2 * sum(samples) / densest * width * height if scans > 1 else 0
    factor = _GAP * side / max(width, height)
    if factor < 1:
        image.draft(None, (max(1, round(width * factor)), max(1, round(height * factor))))
    return kept + (1 if image.mode == "L" else 4) * image.size[0] * image.size[1]


def _count_scans(stream: IO[bytes] | None) -> int:
    """Count the scans of the first picture in a file; its preview and others behind it don't count.

    The stream stays where it is. A file that is closed has none.
    """
    if stream is None:
        return 0
    before = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(before)
    at, scans = 2, 0
    while scans <= _MAX_SCANS and (found := _MARKER.search(data, at)):
        marker, at = found[1][0], found.end()
        if marker == _END:
            break
        scans += marker == _START_OF_SCAN
        at += int.from_bytes(data[at : at + 2], "big")
    return scans
