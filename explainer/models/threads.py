"""How many threads a model runs on: one for a small model, and one core left to the page."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

SMALL = 50_000_000  # parameters; products of smaller models are too short to be shared
_SET_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_MOST = torch.get_num_threads()  # torch's own choice, or the user's, before a model has run
_CGROUP = Path("/sys/fs/cgroup")


def choose_threads(
    parameters: int, cores: int, environ: Mapping[str, str] = os.environ
) -> int | None:
    """Return how many threads a model on the CPU runs on; None if the user has said it.

    A large model takes all cores but one, on which the page answers. On a machine of two cores it
    takes both, as it would be twice as slow otherwise; its threads sleep while they wait
    (`explainer.waiting`), so the page is not held up for long.

    Args:
        parameters: of the whole model.
        cores: that this process may use.
    """
    if any(name in environ for name in _SET_BY_USER):
        return None
    if parameters < SMALL:
        return 1
    return max(1, min(_MOST, cores, max(2, cores - 1)))


def choose_sharers(threads: int | None, cores: int) -> int:
    """Return on how many cores at once parts of a batch are read, each on one thread.

    Only by a small model, whose single products are too short to be shared. A batch takes its time,
    so that it takes all cores but one, and of two cores both.

    Args:
        threads: as `choose_threads` returns it.
        cores: that this process may use.
    """
    return max(min(cores, 2), cores - 1) if threads == 1 else 1


def usable_cores(cgroup: Path = _CGROUP) -> int:
    """Return how many cores this process may use, by its affinity and its container's quota.

    torch counts the cores of the machine, of which a container may have a few only.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cores = os.cpu_count() or 1
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group of version 2, or its quota is "max"
        return cores


@contextmanager
def running_on(threads: int | None) -> Iterator[None]:
    """Run torch on so many threads, and on as many as before afterwards; None changes nothing."""
    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
