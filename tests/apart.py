"""Processes forked from one that has imported torch, transformers and the page already.

They are for tests of what a process does once it runs: its memory, its output, how it ends. What is
shown of the start itself, or of what is imported, needs `sys.executable`.
"""

from __future__ import annotations

import atexit
import os
import pickle
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
ADDRESS = "SIGHTLINE_FORK_SERVER"  # of a running server, for all processes of the tests
# Answers `run_apart` over its standard input and output.
_ANSWER = "from tests.apart import _answer; _answer()"


def start_fork_server(paths: Sequence[str] = ()) -> None:
    """Start the server of this process and of those that it starts, if there is none yet.

    It collects the tests below the paths first, for workers that are forked from it.
    """
    if ADDRESS in os.environ:
        return
    folder = tempfile.TemporaryDirectory(prefix="sightline-forks-")
    address = os.path.join(folder.name, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(listener.fileno()), *paths],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # it ends with this process
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
    os.environ[ADDRESS] = address
    atexit.register(folder.cleanup)
    atexit.register(server.communicate)


def forked_python() -> list[str]:
    """Return how a command line begins that runs Python in a forked process.

    `-c CODE`, `-m MODULE` or a file follow, as with `sys.executable`.
    """
    start_fork_server()
    return [sys.executable, "-IS", str(ROOT / "tests" / "forked.py")]


def forked_executable(folder: Path) -> Path:
    """Write a program to stand for `sys.executable`, and return it."""
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(forked_python())} "$@"\n')
    program.chmod(0o755)
    return program


def run_apart(function: Callable[..., T], *args: object) -> T:
    """Return what a function of a module returns in a new process."""
    done = subprocess.run(
        [*forked_python(), "-c", _ANSWER],
        cwd=ROOT,
        input=pickle.dumps((function, args)),
        stdout=subprocess.PIPE,
        check=True,
    )
    return pickle.loads(done.stdout)


def _answer() -> None:
    function, args = pickle.load(sys.stdin.buffer)
    answer = os.dup(1)
    os.dup2(2, 1)  # what the function prints is no answer
    with open(answer, "wb") as file:
        pickle.dump(function(*args), file)


def memory(name: str = "VmRSS") -> int:
    """Return the bytes of this process that are in memory; "VmHWM": that were at most."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(name + r":\s+(\d+)", status)[1])
