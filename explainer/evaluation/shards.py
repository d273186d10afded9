"""Divide samples over processes and machines that share a folder; each writes its own file.

Processes take their rank from the variables of `accelerate launch` and `torchrun`, and do not
communicate. Process 0 reads all files at the end. A killed process loses one sample, and the same
command, with any number of processes, measures the missing ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explainer.errors import SightlineError
from explainer.evaluation.report import SampleLog, read_log


@dataclass(frozen=True)
class ShardPlace:
    """The rank of this process, among all and on its machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> ShardPlace:
        """Read the rank from RANK, WORLD_SIZE and LOCAL_RANK; without them there is one process."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        try:
            rank, world, local = (
                int(environment.get(name, default))
                for name, default in zip(names, "010", strict=True)
            )
        except ValueError:
            variables = ", ".join(f"{n}={environment[n]}" for n in names if n in environment)
            raise SightlineError(f"{variables}: these are whole numbers") from None
        if not 0 <= rank < world:
            raise SightlineError(f"RANK={rank} must be at least 0 and below WORLD_SIZE={world}")
        return cls(rank, world, local)

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def file(self, folder: Path) -> Path:
        """Return the file to which this process writes its samples."""
        alone = self.world == 1
        return folder / ("samples.jsonl" if alone else f"samples-{self.rank}-of-{self.world}.jsonl")


def read_all_samples(folder: Path, made_with: Mapping[str, Any]) -> dict[str, dict]:
    """Return all samples in a folder by key, of all processes."""
    samples: dict[str, dict] = {}
    for file in sorted(folder.glob("samples*.jsonl")):
        samples |= {sample["key"]: sample for sample in read_log(file, made_with)[0]}
    return samples


def select_share(keys: Sequence[str], place: ShardPlace, done: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the samples that this process has to measure.

    Samples are divided by number, whether measured or not, so that processes need not agree on what
    is missing.
    """
    return [i for i in range(place.rank, len(keys), place.world) if keys[i] not in done]


def open_log(folder: Path, place: ShardPlace, made_with: Mapping[str, Any]) -> SampleLog:
    """Open the file of this process; raise `SightlineError` if it belongs to another plan."""
    folder.mkdir(parents=True, exist_ok=True)
    return SampleLog(place.file(folder), made_with)


def wait_for_others(
    folder: Path,
    made_with: Mapping[str, Any],
    keys: Sequence[str],
    patience: float,
    on_progress: Callable[[int], None] = lambda done: None,
    pause: float = 2.0,
) -> dict[str, dict]:
    """Wait until all of `keys` are measured, and return all samples.

    Gives up `patience` seconds after the last sample came, and returns those that exist.
    """
    most, since = -1, time.monotonic()
    while True:
        samples = read_all_samples(folder, made_with)
        done = sum(key in samples for key in keys)
        on_progress(done)
        if done > most:
            most, since = done, time.monotonic()
        if done == len(keys) or time.monotonic() - since >= patience:
            return samples
        time.sleep(pause)
