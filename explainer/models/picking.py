"""The choice of each next token of an answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from explainer.models.decoding import Decoding


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
