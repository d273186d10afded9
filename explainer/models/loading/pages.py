"""Give back the memory in which weight files are mapped while a model is read from them.

transformers maps all files of a checkpoint and keeps them mapped until the last tensor is read, so
that a model which is converted takes the weights and the files beside them: 8.8 + 4.4 GB for a
2B model in float32. Pages that were read can go at once: whoever needs one gets it from the file.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

from explainer.models.loading.weights import weight_files

_DONTNEED = 4  # of Linux's madvise
_SMAPS = Path("/proc/self/smaps")
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ +(/.*)$")


def release_file_pages(folder: Path) -> None:
    """Drop the pages of this folder's safetensors files from memory, and with glibc freed memory
    too; does nothing but on Linux.

    What a mapping holds besides the file, because somebody wrote into it, would be lost: such
    mappings are left alone.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        files = {str(file.resolve()) for file in weight_files(folder)}  # links in the hub's cache
        for start, end in list(_unchanged_mappings(files)):
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONTNEED)
        libc.malloc_trim(0)  # what tensors were made from leaves gaps; glibc keeps them otherwise


def _unchanged_mappings(files: Set[str]) -> Iterator[tuple[int, int]]:
    """Yield start and end of each mapping of these files that was only read."""
    mapping = None
    for line in _SMAPS.read_text(errors="replace").splitlines():
        if found := _MAPPING.match(line):
            mapping = (int(found[1], 16), int(found[2], 16)) if found[3] in files else None
        elif mapping and line.startswith("Anonymous:") and line.split()[1] == "0":
            yield mapping
