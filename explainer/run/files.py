"""Files that are written: names that file systems take, and contents that are whole or not there.

A folder is tried before a model is asked, a file is whole or not there, and what goes wrong is one
sentence with the path and what to do.
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
    """Make a folder if there is none, and write a file into it to see whether that goes.

    Raises `OutputError` if it cannot be written to.
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
    """Return the stem, with a number if another file of this ending has it already.

    Args:
        own: a file that may be replaced.
    """
    for number in range(1, 10_000):
        tried = stem if number == 1 else f"{stem}-{number}"
        path = folder / file_name(tried, ending)
        if not path.exists() or (own is not None and path.resolve() == own.resolve()):
            return tried
    raise OutputError(f"{folder} holds too many files of the name {stem}; name another --out")


def file_name(stem: str, ending: str) -> str:
    """Return a name that file systems take: of at most `LONGEST_NAME` bytes, and in their encoding.

    What is too long is cut, and ends in a digest of the whole.
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


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that it is whole or not there; `OutputError` if that is not possible.

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
