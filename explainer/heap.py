"""Give freed memory back to the system, which glibc keeps. No effect with other C libraries.

Each thread takes memory from one of up to eight arenas a core, and an arena gives back only what
is free at its end. An answer leaves small arrays between freed tensors, in the arena of whichever
thread recorded it, so that the memory of a crowd stays with a server for good.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress

_ARENAS = 2  # the first one, and one for all further threads
_ARENA_MAX = -8  # M_ARENA_MAX of mallopt


def trim_heap() -> None:
    """Give all free pages of all arenas back."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def share_arenas(environ: Mapping[str, str] = os.environ) -> None:
    """Let the threads that start from now on share one arena, unless the user set how many."""
    if "MALLOC_ARENA_MAX" not in environ and "GLIBC_TUNABLES" not in environ:
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, _ARENAS)
