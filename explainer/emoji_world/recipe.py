"""The settings of a training run of a bundled model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run.

    With `steps` the run is a function of `seed`; with `minutes` the schedule follows the clock.
    """

    seed: int = 0
    steps: int = 0
    minutes: float = 120.0
    peak_lr: float = 4e-3
    warmup: int = 40
    decay_from: float = 0.55
    weight_decay: float = 0.05
    clip: float = 1.0
    visual_tokens: int = 1600
    bag_weight: float = 0.8
    bag_cells: float = 3.0
    curriculum_from: float = 0.0


# Changes for training a trained model further.
FURTHER: Mapping[str, Any] = {"peak_lr": 1.5e-3, "decay_from": 0.3, "curriculum_from": 1.0}


def learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    """Return the learning rate of a step: a short warm-up, a plateau, then linear decay to 1%."""
    left = (1 - min(progress, 1.0)) / (1 - recipe.decay_from)
    return recipe.peak_lr * min(1.0, (step + 1) / recipe.warmup, 0.01 + 0.99 * left)
