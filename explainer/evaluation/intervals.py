"""Ratios over samples, with bootstrap intervals: no figure is reported without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ratio:
    """A share with its 95% interval. `n` is the number of judged items, not samples."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"

    @property
    def short(self) -> str:
        """Return the share and its interval with two decimals."""
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio(
    hits: npt.ArrayLike, totals: npt.ArrayLike, seed: int = 0, resamples: int = 2000
) -> Ratio:
    """Return sum(hits) / sum(totals) with a percentile bootstrap interval over samples.

    Args:
        hits, totals: (S,) numbers for each sample; things within one sample are not independent,
            so whole samples are resampled.
        seed: seed of the bootstrap.

    A ratio over nothing is NaN with n = 0.
    """
    return Bootstrap(len(np.atleast_1d(hits)), seed, resamples).ratio(hits, totals)


class Bootstrap:
    """Bootstrap samples, with the same draws for every figure.

    So figures of several methods on the same samples can be compared draw by draw.
    """

    def __init__(self, samples: int, seed: int = 0, resamples: int = 2000) -> None:
        rng, rounds = np.random.default_rng(seed), resamples if samples else 0
        draws = rng.integers(max(samples, 1), size=(rounds, samples))
        counts = [np.bincount(draw, minlength=samples) for draw in draws]
        self._times = np.array(counts, np.float32).reshape(len(counts), samples)

    def ratio(self, hits: npt.ArrayLike, totals: npt.ArrayLike) -> Ratio:
        """Return sum(hits) / sum(totals) over samples (S,), NaN with n = 0 over nothing."""
        n = int(np.sum(totals))
        return _interval(*self._shares(hits, totals), n)

    def f1(self, first: npt.ArrayLike, second: npt.ArrayLike) -> Ratio:
        """Return the harmonic mean of two ratios, each given as (S, 2): hits and totals."""
        return _interval(*self._f1(first, second), int(np.sum(first, axis=0)[1]))

    def gain(self, one: npt.ArrayLike, other: npt.ArrayLike) -> Ratio:
        """Return the ratio of `one` minus that of `other`, each given as (S, 2)."""
        (a, drawn_a), (b, drawn_b) = (
            self._shares(*np.asarray(part, float).reshape(-1, 2).T) for part in (one, other)
        )
        return _interval(a - b, drawn_a - drawn_b, int(np.sum(one, axis=0)[1]))

    def f1_gain(self, one: Sequence[npt.ArrayLike], other: Sequence[npt.ArrayLike]) -> Ratio:
        """Return F1 of `one` minus F1 of `other`, each a pair as for `f1`."""
        (a, drawn_a), (b, drawn_b) = self._f1(*one), self._f1(*other)
        return _interval(a - b, drawn_a - drawn_b, int(np.sum(one[0], axis=0)[1]))

    def _f1(
        self, first: npt.ArrayLike, second: npt.ArrayLike
    ) -> tuple[float, npt.NDArray[np.floating]]:
        (o, drawn_o), (f, drawn_f) = (
            self._shares(*np.asarray(part, float).reshape(-1, 2).T) for part in (first, second)
        )
        drawn = 2 * drawn_o * drawn_f / np.where(drawn_o + drawn_f > 0, drawn_o + drawn_f, 1.0)
        return (2 * o * f / (o + f) if o + f else o + f), drawn

    def _shares(
        self, hits: npt.ArrayLike, totals: npt.ArrayLike
    ) -> tuple[float, npt.NDArray[np.floating]]:
        """Return the ratio, and that of each draw, NaN where nothing was judged."""
        both = np.stack([np.asarray(hits, float), np.asarray(totals, float)], axis=-1)
        drawn = self._times @ both
        found = drawn[:, 1] > 0
        shares = np.where(found, drawn[:, 0] / np.where(found, drawn[:, 1], 1.0), np.nan)
        total = both[:, 1].sum()
        return float(both[:, 0].sum() / total) if total else float("nan"), shares


def _interval(value: float, drawn: npt.NDArray[np.floating], n: int) -> Ratio:
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(drawn):
        return Ratio(float("nan"), float("nan"), float("nan"), n)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Ratio(float(value), float(low), float(high), n)
