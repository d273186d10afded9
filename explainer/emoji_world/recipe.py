"""What decides a training run of a bundled model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run. With `steps` it is a function of `seed` alone; with
    `minutes` the schedule follows the clock instead."""

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


# What differs where a trained model is trained further: nothing is new to it.
FURTHER: Mapping[str, float] = {"peak_lr": 1.5e-3, "decay_from": 0.3, "curriculum_from": 1.0}


def learning_rate(recipe: Recipe, step: int, progress: float) -> float:
    """Return the rate at this step: a short warm-up, a plateau, then a straight line down to 1%."""
    left = (1 - min(progress, 1.0)) / (1 - recipe.decay_from)
    return recipe.peak_lr * min(1.0, (step + 1) / recipe.warmup, 0.01 + 0.99 * left)
