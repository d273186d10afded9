"""Read and print text on a terminal of any encoding."""

from __future__ import annotations

import io
import sys


def escape_unprintable() -> None:
    """Print characters that the terminal's encoding lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def decode_argument(text: str) -> str:
    """Decode an argument as UTF-8, also where Python assumes ASCII.

    Bytes that the locale cannot decode arrive as surrogates; most of them are UTF-8.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text
