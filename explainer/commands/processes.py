"""Run one command in several processes of this machine, like `accelerate launch` on several.

A small model leaves most of a processor idle, because its matrix products are too short to be
divided among cores. Two processes of one core each measure nearly twice as many samples as one
process of two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from explainer.errors import SightlineError

MOST = 256
_PAUSE = 0.1  # seconds between checks


def divide(words: Sequence[str], processes: int) -> int:
    """Run `python -m explainer WORDS` in several processes and return the exit code.

    Each process gets its place by the variables that `evaluation.shards.ShardPlace` reads, and its
    share of the cores. When one fails the others are stopped, and its exit code is returned.

    Raises `SightlineError` for fewer than 1 or more than `MOST` processes.
    """
    if not 1 <= processes <= MOST:
        raise SightlineError(f"--processes must lie in 1..{MOST}, got {processes}")
    started = [_start(words, rank, processes) for rank in range(processes)]
    try:
        return _first_failure(started)
    finally:
        for process in started:
            process.send_signal(signal.SIGINT)  # no effect on processes that have ended
        for process in started:
            process.wait()


def _start(words: Sequence[str], rank: int, processes: int) -> subprocess.Popen:
    cores = max(1, (os.cpu_count() or 1) // processes)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "OMP_NUM_THREADS": cores}
    return subprocess.Popen(
        [sys.executable, "-m", "explainer", *words],
        env=os.environ | {name: str(value) for name, value in place.items()},
    )


def _first_failure(started: Sequence[subprocess.Popen]) -> int:
    """Return the exit code of the first process that fails, or 0 once all have ended well."""
    while True:
        codes = [process.poll() for process in started]
        if failed := [code for code in codes if code]:
            return failed[0]
        if None not in codes:
            return 0
        time.sleep(_PAUSE)
