"""Rank-biased overlap of two ranked lists cut off at the same depth.

Source: W. Webber, A. Moffat, J. Zobel, "A similarity measure for indefinite rankings", ACM TOIS
28(4), 2010.

With X_d the number of items that the first d entries of both lists share, and Ag_d = X_d / d:

    truncated     (1 - p) * sum over d = 1..k of p^(d-1) Ag_d,      at most 1 - p^k
    normalised    truncated / (1 - p^k),                            identical lists give 1
    extrapolated  truncated + Ag_k p^k,                             identical lists give 1
    average       mean of Ag_d over d = 1..k (average overlap; p plays no part)

Each is a sum over depths c_d X_d, and an item at ranks a and b is in X_d from d = max(a, b) on. So
an item that both lists hold adds the sum of c_d over d >= max(a, b), whatever the other items are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

VARIANTS = ("normalised", "extrapolated", "truncated", "average")

Floats = npt.NDArray[np.float64]
Lists = npt.NDArray[np.integer]


def depth_weights(k: int, p: float, variant: str) -> Floats:
    """Return (k,) float64: c_d for d = 1..k, the weight of the overlap X_d."""
    if variant not in VARIANTS or k < 1 or not 0.0 < p < 1.0:
        raise ValueError(
            f"got variant {variant!r}, k {k}, p {p}; expected one of {', '.join(VARIANTS)}, "
            f"k of at least 1 and p between 0 and 1"
        )
    d = np.arange(1, k + 1)
    if variant == "average":
        return 1.0 / (k * d)
    weights = (1.0 - p) * p ** (d - 1.0) / d
    if variant == "normalised":
        return weights / (1.0 - p**k)
    if variant == "extrapolated":
        weights[-1] += p**k / k
    return weights


def gains(k: int, p: float, variant: str) -> Floats:
    """Return the gain (k + 1,) float64 of a shared item whose lower rank is m = 0..k-1, then 0."""
    return np.append(np.cumsum(depth_weights(k, p, variant)[::-1])[::-1], 0.0)


def rbo(targets: Lists, lists: Lists, p: float = 0.9, variant: str = "normalised") -> Floats:
    """Return (m, n) float64 in [0, 1]: the overlap of m target lists with n other lists.

    `targets` is (m, k) and `lists` (n, k), ids best first, no id twice in one list.
    """
    k = targets.shape[1]
    if lists.shape[1] != k:
        raise ValueError(f"lists of {lists.shape[1]} cannot be compared with lists of {k}")
    known, dense = np.unique(np.concatenate([targets, lists]), return_inverse=True)
    dense = dense.reshape(-1, k)
    own, others = dense[: len(targets)], dense[len(targets) :]
    gain = gains(k, p, variant)
    place, out = np.arange(k), np.empty((len(targets), len(lists)))
    for i, ids in enumerate(own):
        rank = np.full(len(known), k)  # an id that is not in the target list has gain 0
        rank[ids] = place
        out[i] = gain[np.maximum(rank[others], place)].sum(axis=1)
    return np.clip(out, 0.0, 1.0)
