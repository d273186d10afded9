"""Prepare the start of the page: address, port, proxies, and temporary folder."""

from __future__ import annotations

import argparse
import os
import stat
import tempfile
from collections.abc import MutableMapping
from importlib.util import find_spec
from pathlib import Path

LOG_FORMATS = ("text", "json")
LONGEST_END = 3600  # seconds
LOCAL = ("localhost", "127.0.0.1", "::1", "[::1]")
_PROXIES = ("all_proxy", "http_proxy", "https_proxy")


def read_port(text: str) -> int:
    """Parse a port, 1 to 65535; raise `ArgumentTypeError` for anything else."""
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r:.40}")
    return port


def read_host(text: str) -> str:
    """Return the address to listen on in the form of a URL: IPv6 within brackets."""
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


def is_on(switch: object) -> bool:
    """Return whether a switch is on, given as a flag or as the text of a variable."""
    return switch not in (None, False, "", "0")


def read_seconds(text: str) -> float:
    """Return a time that a flag or variable spells; `ArgumentTypeError` if it is none."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_END:
        raise argparse.ArgumentTypeError(
            f"a time is a number of seconds from 0 to {LONGEST_END}, got {text!r:.40}"
        )
    return seconds


def read_log_format(text: str) -> str:
    """Return `text` or `json`; `ArgumentTypeError` for anything else."""
    if text not in LOG_FORMATS:
        raise argparse.ArgumentTypeError(f"the log is {' or '.join(LOG_FORMATS)}, got {text!r:.40}")
    return text


def exempt_localhost(environment: MutableMapping[str, str]) -> list[str]:
    """Exempt localhost from proxies, remove unusable proxies, and return notes for the user.

    Gradio requests its own page before it prints the address, and fails where a proxy answers.
    """
    for name in ("no_proxy", "NO_PROXY"):
        known = [part for part in environment.get(name, "").split(",") if part.strip()]
        environment[name] = ",".join(dict.fromkeys([*known, *LOCAL[:3]]))
    notes = []
    for name in [n for n in environment if n.lower() in _PROXIES]:
        kind = environment[name].partition("://")[0].lower()
        if kind.startswith("socks") and find_spec("socksio") is None:
            notes.append(
                f"{name} names a SOCKS proxy, which is not used: it needs "
                "pip install 'httpx[socks]'"
            )
            del environment[name]
    return notes


def own_temporary_folder(environment: MutableMapping[str, str], name: str) -> None:
    """Set a variable to a private temporary folder, unless it is set.

    The shared default folder may belong to another user of the machine.
    """
    if environment.get(name):
        return
    user = os.getuid() if hasattr(os, "getuid") else "own"
    folder = Path(tempfile.gettempdir()) / f"sightline-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or (user != "own" and status.st_uid != user):
            raise PermissionError
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="sightline-"))
    environment[name] = str(folder)
