"""Texts that commands read from a terminal and print to it, whatever its encoding."""

from __future__ import annotations

import io
import sys


def escape_unprintable() -> None:
    """Let characters that the terminal's encoding lacks be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def typed(text: str) -> str:
    """Return an argument as it was typed, also where Python takes the terminal for ASCII.

    Bytes that the locale cannot decode arrive as surrogates; most of them are UTF-8.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text
