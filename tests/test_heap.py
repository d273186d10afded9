"""Freed memory goes back to the system, and threads share arenas."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Barrier, Thread

import pytest

from explainer.heap import share_arenas, trim_heap
from tests.apart import memory

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's heap")

THREADS, PIECE, PIECES = 6, 100_000, 400  # 40 MB in pieces that an arena holds


def _arenas(environ: dict[str, str]) -> int:
    """Return how many arenas there are when threads have taken memory at the same time."""
    share_arenas(environ)
    together = Barrier(THREADS)

    def take() -> None:
        together.wait()
        bytearray(PIECE)
        together.wait()

    threads = [Thread(target=take) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    libc = ctypes.CDLL("libc.so.6")
    libc.fopen.restype = ctypes.c_void_p
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "heap.xml")
        file = ctypes.c_void_p(libc.fopen(bytes(path), b"w"))
        libc.malloc_info(0, file)
        libc.fclose(file)
        return path.read_text().count("<heap ")


def _arenas_of_a_process(environ: dict[str, str]) -> int:
    code = f"from tests.test_heap import _arenas; print(_arenas({environ}))"
    command = [sys.executable, "-c", code]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_between_kept_pieces_is_given_back():
    trim_heap()  # so that the pieces do not lie in free pages that are counted already
    before = memory()
    pieces = [bytearray(PIECE) for _ in range(PIECES)]
    kept, pieces = pieces[::20], []
    full = memory()
    trim_heap()
    assert full - before > 0.9 * PIECE * PIECES
    assert full - memory() > 0.8 * PIECE * PIECES
    assert len(kept) == PIECES / 20


def test_threads_share_an_arena_unless_the_user_chose():
    few = _arenas_of_a_process({})
    assert few <= 2
    assert _arenas_of_a_process({"MALLOC_ARENA_MAX": "8"}) > few
