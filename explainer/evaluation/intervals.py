"""Ratios over samples, with bootstrap intervals: no figure is reported without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Ratio:
    """A share with its 95% interval. `n` counts what was judged, not samples."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


def ratio(
    hits: npt.ArrayLike, totals: npt.ArrayLike, seed: int = 0, resamples: int = 2000
) -> Ratio:
    """Return sum(hits) / sum(totals) with a percentile bootstrap interval over samples.

    Args:
        hits, totals: (S,) numbers for each sample; things within one sample are not independent,
            so whole samples are drawn again.
        seed: of the bootstrap.

    A ratio over nothing is NaN with n = 0.
    """
    hits, totals = np.asarray(hits, float), np.asarray(totals, float)
    n = int(totals.sum())
    if n == 0:
        return Ratio(float("nan"), float("nan"), float("nan"), 0)
    draws = np.random.default_rng(seed).integers(len(hits), size=(resamples, len(hits)))
    drawn = totals[draws].sum(1)
    shares = hits[draws].sum(1)[drawn > 0] / drawn[drawn > 0]
    low, high = np.percentile(shares, [2.5, 97.5])
    return Ratio(float(hits.sum() / n), float(low), float(high), n)
