"""How an answer is generated: settings, and the choice of each next token."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch

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


class Picker:
    """Choose the next token: the most probable one, or a sample at a temperature.

    The repetition penalty is applied first, as in transformers' `generate()`.
    """

    def __init__(self, decoding: Decoding, device: torch.device, prompt: Sequence[int]) -> None:
        """Start an answer after the ids of `prompt`, those of visual tokens included."""
        self._temperature = decoding.temperature
        self._penalty = decoding.repetition_penalty
        self._seen = set(prompt)
        self._generator = torch.Generator(device).manual_seed(int(decoding.seed))

    def __call__(self, logits: torch.Tensor) -> int:
        """Return the next id from the logits (V,) of the last state, which are not changed."""
        scores = penalise(logits.float(), self._seen, self._penalty)
        if self._temperature == 0:
            token = int(scores.argmax())
        else:
            probs = (scores / self._temperature).softmax(-1)
            token = int(torch.multinomial(probs, 1, generator=self._generator))
        self._seen.add(token)
        return token


def penalise(logits: torch.Tensor, seen: Collection[int], penalty: float) -> torch.Tensor:
    """Divide the logits (V,) of seen ids by the penalty; multiply them if negative.

    Source: Keskar et al. 2019, section 4.1, with the sign as in transformers.
    """
    if penalty == 1:
        return logits
    at = torch.tensor(sorted(seen), device=logits.device)
    values = logits[at]
    weakened = torch.where(values < 0, values * penalty, values / penalty)
    return logits.index_copy(0, at, weakened)


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
