"""Write output files: valid names, complete contents, clear errors.

A folder is tested before a model runs, a file is written completely or not at all, and an error is
one sentence with the path and what to do.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from explainer.errors import OutputError

LONGEST_NAME = 255  # bytes of a name, on most file systems


# Folders and names -------------------------------------------------------------------------------


def check_folder(folder: Path) -> None:
    """Create a folder if needed, and test that files can be written to it.

    Raises `OutputError` if not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"?" * 4096)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{folder} is a file, or lies in one; name a folder with --out") from None
    except (OSError, UnicodeError) as error:
        raise _unwritable(folder, error) from None


def free_stem(folder: Path, stem: str, ending: str, own: Path | None = None) -> str:
    """Return the stem, with a number appended if a file of this name and ending exists.

    Args:
        own: a file that may be overwritten.
    """
    for number in range(1, 10_000):
        tried = stem if number == 1 else f"{stem}-{number}"
        path = folder / file_name(tried, ending)
        if not path.exists() or (own is not None and path.resolve() == own.resolve()):
            return tried
    raise OutputError(f"{folder} holds too many files of the name {stem}; name another --out")


def file_name(stem: str, ending: str) -> str:
    """Return a valid file name of at most `LONGEST_NAME` bytes.

    A longer one is cut, and ends in a digest of the whole.
    """
    try:
        data = os.fsencode(stem)
    except UnicodeEncodeError:
        data = stem.encode("ascii", "backslashreplace").replace(b"\\", b"-")
    room = LONGEST_NAME - len(ending) - 1
    if len(data) > room:
        digest = hashlib.sha256(data).hexdigest()[:8].encode()
        data = _whole_letters(data[: room - 9]) + b"-" + digest
    return f"{os.fsdecode(data)}.{ending}"


def _whole_letters(data: bytes) -> bytes:
    """Return the bytes without the rest of a letter that was cut."""
    return data.decode("utf-8", "ignore").encode() if not data.isascii() else data


# Files -------------------------------------------------------------------------------------------


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file in one go, see `write_whole`."""
    write_whole(path, lambda file: file.write(data))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file completely or not at all; raise `OutputError` if it cannot be written.

    Args:
        write: writes into an open file.
    """
    handle = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        with open(handle, "wb") as file:
            write(file)
        os.chmod(name, 0o666 & ~_mask())
        os.replace(name, path)
    except BaseException as error:
        if handle is not None:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from None
        raise


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: Exception) -> OutputError:
    why = getattr(error, "strerror", None) or str(error)
    return OutputError(f"{path} cannot be written: {why}; free space, or name another --out")
