"""Measure how many answers a second one replica and two record: `python -m tests.recorder_speed`.

Needs Ray, see explainer/serving/requirements.txt, and two cores that nothing else uses. The page is
left out: jobs are sent as it sends them, and their runs are read as it reads them. Where the cores
are shared, the seconds of CPU tell more than the answers a second.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil

from explainer.media.images import open_image
from explainer.run import Run
from explainer.serving.jobs import RecordJob
from explainer.serving.recorder_client import RecorderClient
from tests.app_process import PICTURE, started_recorder

ANSWERS, CALLERS = 40, 6
WANTED = 1.6  # times as many
REPLICA, PROXY = "ServeReplica:recorder", "ProxyActor"  # in the names of Ray's processes


class Speed(NamedTuple):
    """Answers a second, and seconds of CPU that an answer takes: in the replicas, in Ray's HTTP
    server, and in the client."""

    answers: float
    replicas: float
    proxy: float
    client: float


def measure(replicas: int) -> Speed:
    """Return the speed of so many replicas, asked by `CALLERS` at once."""
    pixels = open_image(PICTURE).pixels
    with tempfile.TemporaryDirectory() as folder, started_recorder(Path(folder), replicas) as url:
        recorder = RecorderClient(url)

        def record(number: int) -> bool:
            job = RecordJob((pixels,), f"Describe image {number}.", (0.5, 0.75), {})
            *_, run = recorder.steps(job)
            return isinstance(run, Run)

        with ThreadPoolExecutor(CALLERS) as callers:
            assert all(callers.map(record, range(2 * CALLERS)))  # warms the replicas up
            start, before = time.perf_counter(), cpu_seconds()
            assert all(callers.map(record, range(ANSWERS)))
            seconds, after = time.perf_counter() - start, cpu_seconds()
    spent = ((b - a) / ANSWERS for a, b in zip(before, after, strict=True))
    return Speed(ANSWERS / seconds, *spent)


def cpu_seconds() -> tuple[float, float, float]:
    """Return the seconds of CPU of all replicas, of Ray's HTTP server, and of this process."""
    spent = {REPLICA: 0.0, PROXY: 0.0}
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        name = " ".join(process.info["cmdline"] or ())
        for wanted in spent:
            if wanted in name:
                spent[wanted] += sum(process.info["cpu_times"][:2])
    return spent[REPLICA], spent[PROXY], sum(psutil.Process().cpu_times()[:2])


def main() -> None:
    """Print the figures."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    one, two = measure(1), measure(2)
    for name, speed in (("one replica", one), ("two replicas", two)):
        print(
            f"{name:<13} {speed.answers:5.2f} answers/s; seconds of CPU an answer: "
            f"replicas {speed.replicas:.2f}, Ray's HTTP server {speed.proxy:.2f}, "
            f"client {speed.client:.2f}"
        )
    print(f"ratio {two.answers / one.answers:.2f} (wanted: at least {WANTED})")
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
