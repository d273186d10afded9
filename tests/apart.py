"""Functions run in processes of their own, for tests that measure the memory of one.

The processes are forked from one that has imported torch, transformers and the page already.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.tiny", "explainer.ui.sections.recorded.opening"])


def run_apart(function: Callable[..., T], *args: object) -> T:
    """Return what a function of a module returns in a new process."""
    with ProcessPoolExecutor(1, mp_context=_CONTEXT) as pool:
        return pool.submit(function, *args).result()


def memory(name: str = "VmRSS") -> int:
    """Return the bytes of this process that are in memory; "VmHWM": that were at most."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(name + r":\s+(\d+)", status)[1])
