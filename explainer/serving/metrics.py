"""Counts and durations of one server's work, in the text format of Prometheus and in its log.

No prompt, picture, answer, name of a visitor or address is counted or logged.

Source of the format: https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from explainer.errors import SightlineError
from explainer.serving.lanes import Stopped

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # seconds

Labels = tuple[tuple[str, str], ...]  # names and values


@dataclass
class Histogram:
    """Durations, counted by the first of `BOUNDS` that is not below them; the last is infinity."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class Metrics:
    """Count what a server does. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._jobs: Counter[tuple[str, str]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._durations: dict[str, Histogram] = {}

    @contextmanager
    def measure_job(self, job: str) -> Iterator[None]:
        """Count a job of this kind and its seconds, those spent waiting for turns included.

        Its outcome is `done`, `refused` (a `SightlineError`), `stopped` or `failed`.
        """
        start, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "done"
        except SightlineError:
            outcome = "refused"
            raise
        except (Stopped, GeneratorExit):
            outcome = "stopped"
            raise
        finally:
            self._add_job(job, outcome, time.monotonic() - start)

    def _add_job(self, job: str, outcome: str, seconds: float) -> None:
        with self._lock:
            self._jobs[job, outcome] += 1
            if outcome == "done":
                self._durations.setdefault(job, Histogram()).add(seconds)
        fields = {"job": job, "outcome": outcome, "seconds": round(seconds, 3)}
        log.info("job ended", extra={"fields": fields})

    def count_refusal(self, reason: str) -> None:
        """Count a call that was refused: `busy`, `input` or `request`."""
        with self._lock:
            self._refusals[reason] += 1

    def format(self) -> str:
        """Return the counters and histograms as text, one sample a line."""
        with self._lock:
            jobs = {(("job", j), ("outcome", o)): float(n) for (j, o), n in self._jobs.items()}
            refusals = {(("reason", r),): float(n) for r, n in self._refusals.items()}
            durations = "".join(_format_histogram(j, h) for j, h in sorted(self._durations.items()))
        return (
            format_metric("jobs_total", "counter", "Jobs at the model by outcome.", jobs)
            + format_metric("refusals_total", "counter", "Refused calls by reason.", refusals)
            + _format_head("job_seconds", "histogram", "Seconds of jobs that were done.")
            + durations
        )


def format_metric(name: str, kind: str, about: str, samples: Mapping[Any, float]) -> str:
    """Return one metric with all its samples, by their `Labels`, as text; `about` is one line."""
    lines = [_format_sample(name, labels, value) for labels, value in sorted(samples.items())]
    return _format_head(name, kind, about) + "".join(lines)


def _format_histogram(job: str, found: Histogram) -> str:
    labels, total, lines = (("job", job),), 0, []
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], found.counts, strict=True):
        total += count
        lines.append(_format_sample("job_seconds_bucket", (*labels, ("le", bound)), total))
    lines.append(_format_sample("job_seconds_sum", labels, found.seconds))
    lines.append(_format_sample("job_seconds_count", labels, total))
    return "".join(lines)


def _format_head(name: str, kind: str, about: str) -> str:
    return f"# HELP sightline_{name} {about}\n# TYPE sightline_{name} {kind}\n"


def _format_sample(name: str, labels: Labels, value: float) -> str:
    listed = ",".join(f'{label}="{text}"' for label, text in labels)
    return f"sightline_{name}{f'{{{listed}}}' if listed else ''} {value:.10g}\n"
