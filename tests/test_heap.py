"""Freed memory goes back to the system, and threads share arenas."""

from __future__ import annotations

import ctypes
import platform
import tempfile
from pathlib import Path
from threading import Barrier, Thread

import pytest

from explainer.heap import share_arenas, trim_heap
from tests.apart import memory, run_apart

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's heap")

THREADS, PIECE, PIECES = 6, 100_000, 400  # 40 MB in pieces that an arena holds


def _trimmed() -> tuple[int, int]:
    """Return how many bytes a heap with gaps takes, above what it took before and after."""
    before = memory()
    pieces = [bytearray(PIECE) for _ in range(PIECES)]
    kept, pieces = pieces[::20], []
    full = memory()
    trim_heap()
    assert len(kept) == PIECES / 20
    return full - before, full - memory()


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


def test_freed_memory_between_kept_pieces_is_given_back():
    held, given_back = run_apart(_trimmed)
    assert held > 0.9 * PIECE * PIECES
    assert given_back > 0.8 * PIECE * PIECES


def test_threads_share_an_arena_unless_the_user_chose():
    few = run_apart(_arenas, {})
    assert few <= 2
    assert run_apart(_arenas, {"MALLOC_ARENA_MAX": "8"}) > few
