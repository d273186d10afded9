"""Estimate the seconds of an answer from the size of a model and the speed of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch

from explainer.models.loading.memory import weight_bytes
from explainer.models.threads import running_on, usable_cores

ANSWER = 16  # tokens of the answer that is estimated
_SIDE, _LONG, _TURNS = 512, 4096, 3
# What a network reaches of the speed of one large product, and of one large read.
_OF_PRODUCTS, _OF_READS = 0.4, 0.6


@dataclass(frozen=True)
class Speed:
    """The speed of a device: operations per second of a large product, bytes per second read."""

    operations: float
    nbytes: float


@cache
def measure_speed(device: str, precision: str) -> Speed:
    """Measure a device in a fraction of a second; `precision` is a key of `memory.BITS`."""
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    wide = torch.full((_SIDE, _LONG), 0.5, dtype=dtype, device=device)
    large = torch.full((_LONG, _LONG), 0.5, dtype=dtype, device=device)
    with running_on(usable_cores()), torch.inference_mode():
        product = _shortest(lambda: (wide @ large)[0, 0].item())
        read = _shortest(lambda: (large @ wide[0])[0].item())
    return Speed(2 * _SIDE * _LONG * _LONG / product, large.nbytes / read)


class Size(Protocol):
    """Numbers of parameters, as in `weights.Counts` and in an entry of the catalogue."""

    @property
    def parameters(self) -> int: ...
    @property
    def embeddings(self) -> int: ...
    @property
    def tower(self) -> int: ...


def estimate_seconds(size: Size, tokens: int, patches: int, precision: str, speed: Speed) -> float:
    """Return the seconds in which a model reads a photograph and answers with `ANSWER` tokens.

    Args:
        size: of the model; embeddings of words are looked up, and not multiplied by anything.
        tokens: number of visual tokens, at all scales together.
        patches: number of patches that the vision tower reads for a visual token.
        precision: a key of `memory.BITS`.
        speed: of the device.
    """
    parameters = size.parameters - size.embeddings
    operations = 2 * tokens * (patches * size.tower + parameters - size.tower)
    reading = operations / (_OF_PRODUCTS * speed.operations)
    once = weight_bytes(parameters, 0, precision) / (_OF_READS * speed.nbytes)
    return reading + ANSWER * once


def _shortest(run: Callable[[], float]) -> float:
    """Return the seconds of the fastest of a few turns after one to warm up."""
    run()
    seconds = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
