"""Strip PNG metadata that would make Pillow refuse a picture."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_KEPT = {
    b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT"
}  # fmt: skip
_MAX_CHUNKS = 200_000
_MAX_EXIF = 1_000_000  # bytes
_MAX_PROFILE = 8_000_000  # bytes, unpacked


def pixels_only(stream: BinaryIO) -> tuple[BinaryIO, bytes | None]:
    """Return a PNG file without texts and similar chunks, and its colour profile if valid.

    Texts and profiles that unpack to more than a megabyte are legal, and browsers show such files.
    """
    kept, profile, start = [], None, len(SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        stream.seek(start)
        head = stream.read(8)
        if len(head) < 8:
            break
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"iCCP" and size <= _MAX_PROFILE:
            profile = _profile(stream.read(size))
        elif kind in _KEPT and not (kind == b"eXIf" and size > _MAX_EXIF):
            kept.append((start, size + 12))
        start += size + 12
        if kind == b"IEND":
            break
    stream.seek(0)
    if sum(size for _, size in kept) + len(SIGNATURE) == start:
        return stream, profile  # nothing to leave out
    return io.BytesIO(SIGNATURE + b"".join(_part(stream, *piece) for piece in kept)), profile


def _part(stream: BinaryIO, start: int, size: int) -> bytes:
    stream.seek(start)
    return stream.read(size)


def _profile(chunk: bytes) -> bytes | None:
    """Return the unpacked profile of an iCCP chunk: a name, two zero bytes, and zlib data."""
    _, _, packed = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE)
    except zlib.error:
        return None
