"""Subtract from a map what the maps of earlier tokens explain of it.

Shared by TAM (arXiv 2506.23270) and ARC (arXiv 2509.22415, Eq. 8-9); they differ in the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]

NOTHING = 1e-9  # a sum of weights, each in [0, 1], that is rounding noise
FAINT = 1e-12  # squared size of interference, relative to the map's, that is rounding noise


@dataclass(frozen=True, eq=False)
class Cleaned:
    """M maps after the subtraction.

    Attributes:
        maps: (M, G) float32, >= 0, over the cells of all images.
        beta: (M,) float64, the factor used.
        beta_auto: (M,) float64, the factor that Eq. 9 gives.
    """

    maps: Maps
    beta: npt.NDArray[np.float64]
    beta_auto: npt.NDArray[np.float64]

    def notes(self, i: int) -> dict[str, float]:
        return {"beta": float(self.beta[i]), "beta_auto": float(self.beta_auto[i])}


def weighted_mean(weights: Floats, maps: Maps) -> npt.NDArray[np.float64]:
    """Return (M, G): the mean of J maps (J, G) under each row of weights (M, J) >= 0 (Eq. 8).

    A row without weight gives a map of zeros.
    """
    total = weights.sum(axis=1, keepdims=True)
    share = np.where(total > NOTHING, weights / np.maximum(total, NOTHING), 0.0)
    return share @ maps.astype(np.float64)


def best_beta(maps: Maps, interference: Floats) -> npt.NDArray[np.float64]:
    """Return (M,) float64: argmin over b of ||A - b Ahat||^2 = <A, Ahat> / <Ahat, Ahat> (Eq. 9).

    0 where there is no interference, judged relative to the map, so that the unit of the logits
    plays no part.
    """
    a, b = maps.astype(np.float64), interference.astype(np.float64)
    own, square = (a * a).sum(axis=1), (b * b).sum(axis=1)
    present = square > FAINT * own
    return np.where(present, (a * b).sum(axis=1) / np.where(present, square, 1.0), 0.0)


def subtract(
    maps: Maps, interference: Floats, beta: npt.ArrayLike, auto: npt.NDArray[np.float64]
) -> Cleaned:
    """Return max(0, A - beta Ahat) for M maps (M, G); `beta` is one number or (M,) (Eq. 9)."""
    used = np.broadcast_to(np.asarray(beta, np.float64), auto.shape)
    rest = np.maximum(0.0, maps - used[:, None] * interference)
    return Cleaned(rest.astype(np.float32), used, auto)
