"""Sums of figures over the words or things of a sample, each with its count."""

from __future__ import annotations

from collections.abc import Iterable

Tally = dict[str, list[float]]  # name of a figure to [sum, count]


def make_tally(figures: Iterable[str]) -> Tally:
    """Return [0, 0] for each of these figures."""
    return {name: [0.0, 0] for name in figures}


def add_value(tally: Tally, name: str, value: float) -> None:
    """Add a value to the sum of a figure, and 1 to its count."""
    tally[name][0] += value
    tally[name][1] += 1


def round_tally(tally: Tally) -> Tally:
    """Round the sums to 6 digits, so that logs are short."""
    return {name: [round(total, 6), count] for name, (total, count) in tally.items()}
