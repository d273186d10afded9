"""Run an evaluation: resumable, and divided over processes."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from explainer.errors import SightlineError
from explainer.evaluation import tables
from explainer.evaluation.datasets import Dataset
from explainer.evaluation.measure import MeasurePlan, make_empty_sample, measure
from explainer.evaluation.report import SampleLog
from explainer.evaluation.shards import (
    ShardPlace,
    open_log,
    read_all_samples,
    select_share,
    wait_for_others,
)
from explainer.evaluation.tables import Summary

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer


Judge = Callable[["Explainer", int], dict[str, Any]]


@dataclass(frozen=True)
class Campaign:
    """Which samples to judge, and where to keep what was found.

    Attributes:
        keys: names of the samples, in their order.
        made_with: JSON values that determine the figures of a sample.
        out: folder of the samples; None to keep nothing.
        patience: seconds that process 0 waits after the last sample of other processes.
    """

    keys: Sequence[str]
    made_with: Mapping[str, Any]
    out: Path | None
    place: ShardPlace = field(default_factory=ShardPlace)
    patience: float = 600.0

    def run(self, load: Callable[[], Explainer], judge: Judge) -> list[dict] | None:
        """Return all samples in the order of their keys, or None in all but the first process.

        Args:
            load: loads the model; called only if samples are missing.
            judge: returns what is kept of the sample with a number, as JSON values.
        """
        log = open_log(self.out, self.place, self.made_with) if self.out else None
        done = read_all_samples(self.out, self.made_with) if self.out else {}
        left = select_share(self.keys, self.place, done)
        share = len(range(self.place.rank, len(self.keys), self.place.world))
        kept, started = len(done), time.monotonic()
        if left:
            try:
                explainer = load()
                started = time.monotonic()
                done |= self._judge(explainer, judge, left, share, log)
            except KeyboardInterrupt:
                if self.out:
                    print(f"\nsamples are kept in {self.out}; the same command goes on from there")
                raise
        if not self.place.is_first:
            return None
        if self.out and self.place.world > 1:
            done = self._wait_for_others()
        if made := len(done) - kept:
            print(_rate(made, time.monotonic() - started, self.place.world))
        return [done[key] for key in self.keys if key in done]

    def _judge(
        self,
        explainer: Explainer,
        judge: Judge,
        left: Sequence[int],
        share: int,
        log: SampleLog | None,
    ) -> dict[str, dict]:
        made = {}
        hidden = not self.place.is_first
        with tqdm(total=share, initial=share - len(left), unit="sample", disable=hidden) as bar:
            for number in left:
                sample = {"key": self.keys[number]} | judge(explainer, number)
                if log:
                    log.add(sample)
                made[sample["key"]] = sample
                bar.update()
        return made

    def _wait_for_others(self) -> dict[str, dict]:
        assert self.out is not None
        keys = self.keys
        with tqdm(total=len(keys), unit="sample", desc="all processes") as bar:

            def show(done: int) -> None:
                bar.n = done
                bar.refresh()

            done = wait_for_others(self.out, self.made_with, keys, self.patience, show)
        missing = sum(key not in done for key in keys)
        if missing:
            print(
                f"{missing} samples of other processes are missing; the same command measures them",
                file=sys.stderr,
            )
        return done


def judge_maps(
    dataset: Dataset, plan: MeasurePlan, n: int, with_curves: int
) -> tuple[list[str], Judge]:
    """Return the keys of the first n samples of a data set, and how they are measured.

    Args:
        n: number of samples; fewer if the data set holds fewer.
        with_curves: number of samples with insertion and deletion curves.
    """

    def judge(explainer: Explainer, number: int) -> dict[str, Any]:
        try:
            sample = dataset.sample(number)
        except SightlineError as error:  # of its files; other samples are not affected
            return make_empty_sample(dataset.key(number), str(error))
        return measure(explainer, sample, plan, curves=number < with_curves)

    return [dataset.key(i) for i in range(min(n, len(dataset)))], judge


def _rate(made: int, seconds: float, processes: int) -> str:
    rate = f"{made} samples in {seconds:.1f} s, {made / seconds:.1f} a second"
    return rate if processes == 1 else f"{rate}, by {processes} processes"


def speed(samples: Sequence[Mapping[str, Any]]) -> str:
    """Describe how long a sample took."""
    timed = [sample["seconds"] for sample in samples if "seconds" in sample]
    if not timed:
        return "nothing was measured"
    record, maps = (statistics.median(t[part] for t in timed) for part in ("record", "maps"))
    return f"median {record:.3f} s to record, {maps:.3f} s for all maps and their figures"


def summary_of(
    samples: Sequence[Mapping[str, Any]], plan: MeasurePlan, against: str = ""
) -> Summary:
    """Summarise all methods of the plan, compared with `against` or else with the first."""
    return tables.summarise(samples, [candidate.name for candidate in plan.candidates], against)
