"""Read the arrays of an untrusted `.npz` file within limits.

`numpy.load` trusts what a file declares: the number, sizes and types of its arrays. Here each of
these is checked before memory is allocated, and only arrays of plain numbers are read.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from explainer.errors import RunError

MOST_MEMBERS = 256
_DTYPES = frozenset(map(np.dtype, ("u1", "<i4", "<f2", "<f4", "<f8")))
_NAME = re.compile(r"[a-z0-9_]{1,40}\.npy")
_END = struct.Struct("<4s4H2LH")  # the end record of a zip: mark, ..., bytes of the list, ...
_PIECE = 1 << 20  # bytes that are unpacked at a time
_ENTRY = 46 + 64  # bytes that the list may spend on a member


@dataclass(frozen=True)
class Declared:
    """The header of an array in a file, read before its values.

    Attributes:
        name: name of the array.
        shape, dtype: as in numpy.
        by_column: whether the values are in Fortran order.
        offset: bytes before the values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    by_column: bool
    offset: int

    @property
    def nbytes(self) -> int:
        """Return the size of all values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(
    file: BinaryIO,
    max_bytes: int,
    check: Callable[[Mapping[str, Declared]], None] = lambda declared: None,
) -> dict[str, np.ndarray]:
    """Read the arrays of an `.npz` file; they are read-only.

    Args:
        file: the archive.
        max_bytes: limit on the unpacked size of all arrays together.
        check: called with all headers before any array is unpacked; may raise to refuse the file.

    Raises:
        RunError: there are too many arrays, they exceed `max_bytes`, or one does not hold numbers.
        Exception: the file is not a zip file, or is damaged; the readers raise various types.
    """
    _check_list(file)
    with ZipFile(file) as archive:
        members = archive.infolist()
        _check_members(members, max_bytes)
        declared = {member.filename: _read_declared(archive, member) for member in members}
        check({header.name: header for header in declared.values()})
        return {
            header.name: _read_array(archive, name, header) for name, header in declared.items()
        }


def _check_list(file: BinaryIO) -> None:
    """Raise `RunError` if the list of members is long: zipfile holds all of it in memory."""
    file.seek(-_END.size, io.SEEK_END)
    mark, *_, listed, _, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\5\6" or comment or listed > MOST_MEMBERS * _ENTRY:
        raise RunError(f"it is not an archive of at most {MOST_MEMBERS} arrays")


def _check_members(members: list[ZipInfo], max_bytes: int) -> None:
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS or len(set(names)) != len(names):
        raise RunError(f"it holds {len(names)} arrays, or one twice")
    for member in members:
        plain = member.compress_type in (ZIP_STORED, ZIP_DEFLATED) and not member.flag_bits & 1
        if not plain or not _NAME.fullmatch(member.filename):
            raise RunError(f"{member.filename[:60]!r} is no array that a run holds")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise RunError(
            f"it unpacks to {total / 1e6:,.0f} MB, and at most {max_bytes / 1e6:,.0f} MB are read"
        )


def _read_declared(archive: ZipFile, member: ZipInfo) -> Declared:
    """Read the header of an array, and check it against the size of the member."""
    with archive.open(member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise RunError(f"{member.filename} is of another format")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
        offset = stream.tell()
    left = member.file_size - offset
    if dtype not in _DTYPES or len(shape) > 4 or min(shape, default=0) < 0:
        raise RunError(f"{member.filename} holds {dtype} {shape}, which is no array of a run")
    header = Declared(member.filename.removesuffix(".npy"), shape, dtype, by_column, offset)
    if header.nbytes != left:
        raise RunError(f"{member.filename} says it holds {shape} and has {left} bytes")
    return header


def _read_array(archive: ZipFile, name: str, header: Declared) -> np.ndarray:
    """Read one array, unpacking it in chunks into its final memory."""
    flat = np.empty(math.prod(header.shape), header.dtype)
    view, at = flat.view(np.uint8).data, 0
    with archive.open(name) as stream:
        stream.read(header.offset)
        while at < len(view) and (piece := stream.read(_PIECE)):
            view[at : at + len(piece)] = piece
            at += len(piece)
        if at < len(view) or stream.read(1):  # reading to the end compares the checksum
            raise RunError(f"{name} is cut off")
    array = flat.reshape(header.shape, order="F" if header.by_column else "C")
    array.setflags(write=False)
    return array
