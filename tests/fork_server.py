"""The process that those of `tests/forked.py` are forked from.

    python -m tests.fork_server LISTENER [PATH ...]

It imports torch, transformers and the page, and collects the tests below the paths as pytest does.
Then it forks a process for each client of a listening socket (the number of its file), until its
standard input ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib.util
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from types import ModuleType

import pytest

PRELOADED = ["tests.tiny"]
if importlib.util.find_spec("gradio"):  # package_ages may install none
    PRELOADED.append("explainer.ui.sections.recorded.opening")


@dataclass(frozen=True)
class Job:
    """What a client wants to run; `files` are its standard input, output and error."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    files: list[int]

    @classmethod
    def receive(cls, client: socket.socket) -> Job:
        """Read what `tests/forked.py` sends."""
        size, files, _, _ = socket.recv_fds(client, 4, 3)
        with client.makefile("rb") as stream:
            return cls(**json.loads(stream.read(int.from_bytes(size, "big"))), files=files)


class ForkServer:
    """Forks a process for each client of a listening socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._processes: dict[int, socket.socket] = {}  # clients, by the id of their process
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def serve(self) -> Job | None:
        """Return a job in each forked process, and None in the server itself at its end."""
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the processes get their own
        with selectors.DefaultSelector() as events:
            for source in (self._listener, self._woken, 0):
                events.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in events.select():
                    if key.fileobj is self._listener:
                        client, _ = self._listener.accept()
                        job = Job.receive(client)
                        pid = os.fork()
                        if pid == 0:
                            self._leave(client)
                            return job
                        self._processes[pid] = client
                        events.register(client, selectors.EVENT_READ, pid)
                        for file in job.files:
                            os.close(file)
                    elif key.fileobj == self._woken:
                        os.read(self._woken, 4096)
                        self._reap(events)
                    elif key.fileobj == 0:
                        for pid in self._processes:
                            os.kill(pid, signal.SIGKILL)
                        return None
                    elif key.data in self._processes:
                        self._pass_on(key.fileobj, key.data, events)

    def _reap(self, events: selectors.BaseSelector) -> None:
        """Tell clients how their processes ended."""
        while self._processes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            client = self._processes.pop(pid)
            with contextlib.suppress(KeyError):
                events.unregister(client)
            with client, contextlib.suppress(OSError):  # it was killed
                client.sendall(os.waitstatus_to_exitcode(status).to_bytes(2, "big", signed=True))

    def _pass_on(self, client: socket.socket, pid: int, events: selectors.BaseSelector) -> None:
        """Give a process the signals that its client got, or kill it as its client was."""
        try:
            numbers = client.recv(64)
        except OSError:
            numbers = b""
        if not numbers:
            events.unregister(client)
        for number in numbers or [signal.SIGKILL]:
            os.kill(pid, number)

    def _leave(self, client: socket.socket) -> None:
        """Close, in a forked process, what belongs to the server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in (client, self._listener, *self._processes.values()):
            end.close()
        for end in (self._woken, self._wake):
            os.close(end)


def become(job: Job) -> Sequence[str]:
    """Take on the files, folder and environment of a job; return its arguments without options."""
    for target, file in enumerate(job.files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(job.cwd)
    os.environ.clear()
    os.environ.update(job.env)
    argv = job.argv
    unbuffered = argv[0] == "-u"
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.__stdout__ = _stream(1, "strict", unbuffered)
    sys.stderr = sys.__stderr__ = _stream(2, "backslashreplace", True)
    return argv[1:] if unbuffered else argv


def _stream(file: int, errors: str, at_once: bool) -> TextIOWrapper:
    buffer = os.fdopen(file, "wb", 0 if at_once else -1, closefd=False)
    return TextIOWrapper(buffer, "utf-8", errors, write_through=at_once)


def run(argv: Sequence[str]) -> None:
    """Do what `python` does with these arguments: `-c CODE`, `-m MODULE` or a file, and more."""
    first, *rest = argv
    if first == "-c":
        code, *sys.argv[1:] = rest
        sys.argv[0] = first
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(main))
    elif first == "-m":
        name, *sys.argv[1:] = rest
        sys.path.insert(0, os.getcwd())
        package = hasattr(sys.modules.get(name), "__path__")
        sys.modules.pop(f"{name}.__main__" if package else name, None)  # it runs anew
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    else:
        sys.argv = list(argv)
        sys.path.insert(0, os.path.dirname(os.path.abspath(first)))
        runpy.run_path(first, run_name="__main__")


def finish(argv: Sequence[str]) -> None:
    """Run a job, and end the process as Python ends one, but without taking modules apart."""
    code: object = None
    try:
        run(argv)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    os._exit(int(code or 0) & 0xFF)


def preload(paths: Sequence[str]) -> None:
    """Import what tests need: the modules of the tests below the paths, and the packages.

    The former first: pytest changes the assertions of its plugins only where it imports them.
    """
    if paths:
        collect = ["--collect-only", "-qq", "-s", "-n0", "-p", "no:cacheprovider"]
        pytest.main([*collect, *paths])
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection need not look at what all processes share


def main(listener: str, *paths: str) -> None:
    with socket.socket(fileno=int(listener)) as clients:
        preload(paths)
        job = ForkServer(clients).serve()
    if job is not None:
        finish(become(job))


if __name__ == "__main__":
    main(*sys.argv[1:])
