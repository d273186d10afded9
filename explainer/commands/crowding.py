"""Measure how a recording slows down on a machine whose cores are all busy."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from explainer.commands.figure import Figure
from explainer.models.threads import usable_cores

BAR = 3.0  # 2.0 is a fair share: one other process per core
_BUSY = "import time\nend = time.time() + 300\nwhile time.time() < end: pass"  # ends by itself
_SETTLE = 0.2  # seconds until the processes run


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen]]:
    """Keep `count` processes busy within the context, each in a loop that fills a core."""
    processes: list[subprocess.Popen] = []
    try:
        for _ in range(count):
            processes.append(subprocess.Popen([sys.executable, "-c", _BUSY]))
        time.sleep(_SETTLE)
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_crowded(record: Callable[[], float], repeat: int) -> Figure:
    """Return the time of a recording beside as many busy processes as cores, relative to idle.

    Idle and crowded recordings alternate, so that changes of the machine affect both.

    Args:
        record: makes a recording and returns the seconds that it took.
        repeat: number of pairs.
    """
    cores = usable_cores()
    shares = []
    for _ in range(repeat):
        idle = record()
        with busy_processes(cores):
            shares.append(record() / idle)
    name = f"recording beside {cores} busy processes / idle, {cores} cores"
    return Figure(name, statistics.median(shares), "x", BAR)
