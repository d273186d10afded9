"""Measure how many answers a second one replica and two record: `python -m tests.recorder_speed`.

Needs Ray, see explainer/serving/requirements.txt, and two cores that nothing else uses. The page is
left out: jobs are sent as it sends them, and their runs are read as it reads them.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from explainer.media.images import open_image
from explainer.run import Run
from explainer.serving.jobs import RecordJob
from explainer.serving.recorder_client import RecorderClient
from tests.app_process import PICTURE, started_recorder

ANSWERS, CALLERS = 60, 6
WANTED = 1.6  # times as many


def measure(replicas: int) -> float:
    """Return the answers a second of so many replicas, asked by `CALLERS` at once."""
    pixels = open_image(PICTURE).pixels
    with tempfile.TemporaryDirectory() as folder, started_recorder(Path(folder), replicas) as url:
        recorder = RecorderClient(url)

        def record(number: int) -> bool:
            job = RecordJob((pixels,), f"Describe image {number}.", (0.5, 0.75), {})
            *_, run = recorder.steps(job)
            return isinstance(run, Run)

        with ThreadPoolExecutor(CALLERS) as callers:
            assert all(callers.map(record, range(2 * CALLERS)))  # warms the replicas up
            start = time.perf_counter()
            assert all(callers.map(record, range(ANSWERS)))
            return ANSWERS / (time.perf_counter() - start)


def main() -> None:
    """Print the figures."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {load:.1f} of them busy before")
    one, two = measure(1), measure(2)
    print(f"one replica    {one:6.2f} answers/s")
    print(f"two replicas   {two:6.2f} answers/s")
    print(f"ratio          {two / one:6.2f} (wanted: at least {WANTED})")


if __name__ == "__main__":
    main()
