"""What can keep the page from starting: addresses, ports, proxies, and folders of other users."""

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
    """Return the port that a flag or variable spells; `ArgumentTypeError` if it is none."""
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r:.40}")
    return port


def read_host(text: str) -> str:
    """Return the address to listen on as addresses of pages have it: IPv6 within brackets."""
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
    """Let requests to this machine pass proxies by, and return what has to be said.

    The page asks itself whether it is there before it tells its address. Proxies of a kind that
    cannot be used here are left out.
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
    """Set a variable to a temporary folder of this user alone, unless it names one.

    Another user of the machine may have made the folder that everybody would use.
    """
    if environment.get(name):
        return
    user = os.getuid() if hasattr(os, "getuid") else "own"
    folder = Path(tempfile.gettempdir()) / f"sightline-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        told = folder.lstat()
        if not stat.S_ISDIR(told.st_mode) or (user != "own" and told.st_uid != user):
            raise PermissionError
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="sightline-"))
    environment[name] = str(folder)
