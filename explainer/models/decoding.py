"""The settings by which an answer is generated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from explainer.errors import PromptError

LARGEST_SEED, COLDEST = 2**31 - 1, 1e-4
LOWEST_PENALTY, HIGHEST_PENALTY = 0.1, 10.0


@dataclass(frozen=True)
class Decoding:
    """Settings of generation; raises `PromptError` for invalid values.

    Attributes:
        max_new_tokens: length of the longest answer, at least 1.
        temperature: 0 for greedy decoding, above 0 for sampling; at most 10. Values below `COLDEST`
            become 0: logits divided by less would overflow float32, and sampling would choose the
            most probable token anyway.
        seed: seed of the sampling, 0 to `LARGEST_SEED`, as on the page and in the API.
        repetition_penalty: factor that weakens the logits of tokens in the prompt or the answer so
            far; 1 has no effect, below 1 favours repetition.
    """

    max_new_tokens: int
    temperature: float
    seed: int
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "seed"):
            value = getattr(self, name)
            if not is_whole(value):
                raise PromptError(f"{name} must be a whole number, got {value!r}")
        if self.max_new_tokens < 1:
            raise PromptError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise PromptError(f"seed must lie in 0..{LARGEST_SEED}, got {self.seed}")
        if not is_number(self.temperature) or not 0 <= self.temperature <= 10:
            raise PromptError(f"temperature must lie in 0..10, got {self.temperature!r}")
        if self.temperature < COLDEST:
            object.__setattr__(self, "temperature", 0.0)
        if not is_penalty(self.repetition_penalty):
            raise PromptError(
                f"repetition_penalty must lie in {LOWEST_PENALTY:g}..{HIGHEST_PENALTY:g}, got "
                f"{self.repetition_penalty!r}"
            )


def is_penalty(value: object) -> bool:
    """Return whether a value can be a repetition penalty."""
    return is_number(value) and LOWEST_PENALTY <= value <= HIGHEST_PENALTY


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is an integer, and not a bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a finite number, and not a bool."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        return False
    return math.isfinite(value)
