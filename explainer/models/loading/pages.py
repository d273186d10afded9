"""Free the memory of mapped weight files while a model is read from them.

transformers maps all files of a checkpoint and keeps them mapped until the last tensor is read, so
that a model with conversion takes the weights and the files: 8.8 + 4.4 GB for a 2B model in
float32. Pages that were read can be released at once; they are read from the file again if needed.
"""

from __future__ import annotations

import ctypes
import mmap
import re
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

import numpy as np

from explainer.heap import trim_heap
from explainer.models.loading.weights import weight_files

_DONTNEED = 4  # of Linux's madvise
_MAPS, _PAGEMAP = Path("/proc/self/maps"), Path("/proc/self/pagemap")
_IN_USE, _OF_FILE = np.uint64(0b11 << 62), np.uint64(1 << 61)  # bits of a page in _PAGEMAP
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ +(/.*)$")


def find_mappings(folder: Path) -> frozenset[tuple[int, int]]:
    """Return start and end of each mapping of this folder's weight files; empty outside Linux."""
    with suppress(OSError):
        return frozenset(_mappings(folder))
    return frozenset()


def release_file_pages(folder: Path, kept: Set[tuple[int, int]]) -> None:
    """Release the pages of this folder's safetensors files, and freed memory of glibc.

    Linux only. Mappings that were written to are left alone, as their changes would be lost, and
    so are those in `kept`: of models that were loaded before, into which adapters may be merged.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for start, end in set(_mappings(folder)) - kept:
            if _is_unchanged(start, end):
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)
    trim_heap()  # temporary tensors leave gaps


def _mappings(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield start and end of each mapping of these files."""
    files = {str(file.resolve()) for file in weight_files(folder)}  # links in the hub's cache
    for line in _MAPS.read_text(errors="replace").splitlines():
        if (found := _MAPPING.match(line)) and found[3] in files:
            yield int(found[1], 16), int(found[2], 16)


def _is_unchanged(start: int, end: int) -> bool:
    """Return whether a mapping was only read: all its pages in memory are still the file's."""
    with _PAGEMAP.open("rb", buffering=0) as file:
        file.seek(start // mmap.PAGESIZE * 8)
        pages = np.frombuffer(file.read((end - start) // mmap.PAGESIZE * 8), np.uint64)
    return not ((pages & _IN_USE != 0) & (pages & _OF_FILE == 0)).any()
