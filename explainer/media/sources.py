"""Open a source of bytes: a path, a pipe, or the bytes themselves."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from explainer.errors import ImageError


class Kind(NamedTuple):
    """The expected content of a file, for messages; at most `most` bytes are read."""

    word: str
    error: type[ImageError]
    most: int


def open_source(source: object, kind: Kind) -> tuple[str, BinaryIO]:
    """Return the display name of a source, and a stream of its bytes.

    Raises:
        ImageError: of the class of the kind: the file does not exist, or is too large.
    """
    if isinstance(source, (bytes, bytearray)):
        _check_bytes(f"the {kind.word}", len(source), kind)
        return f"the {kind.word}", io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        also = ", a PIL image or an array" if kind.word == "picture" else " or its bytes"
        raise kind.error(f"a {kind.word} is a file{also}, got {type(source).__name__}")
    if str(source).startswith(("http://", "https://")):
        raise kind.error(f"addresses are not fetched; download the {kind.word} and pass the file")
    path = Path(source)
    try:
        return path.name, _opened(path, kind)
    except (FileNotFoundError, NotADirectoryError):
        raise kind.error(f"no such {kind.word}: {path}") from None
    except OSError as error:
        raise kind.error(f"{path.name} cannot be opened: {error.strerror}") from None


def _opened(path: Path, kind: Kind) -> BinaryIO:
    if "\0" in str(path):
        raise FileNotFoundError
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise kind.error(f"{path} is a folder; name a {kind.word} in it")
    if stat.S_ISFIFO(status.st_mode):
        with path.open("rb") as pipe:
            data = pipe.read(kind.most + 1)
        _check_bytes(path.name, len(data), kind)
        return io.BytesIO(data)
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError
    _check_bytes(path.name, status.st_size, kind)
    return path.open("rb")


def _check_bytes(name: str, size: int, kind: Kind) -> None:
    if size > kind.most:
        raise kind.error(
            f"{name} is too large ({size / 1e6:.0f} MB); save it smaller, below "
            f"{kind.most // 1_000_000} MB"
        )
