"""Cut a picture into parts that follow its edges: superpixels by SLIC-zero (SLICO).

Source: Achanta et al., SLIC Superpixels, TPAMI 2012, doi 10.1109/TPAMI.2012.120, and the
adaptive variant that scikit-image has as `slic(slic_zero=True)`. Pixels are clustered by colour and
place around a grid of centres. The distance of a pixel at place x with colour c to cluster k is

    |x - x_k|^2 / S^2  +  |c - c_k|^2 / m_k

with S the spacing of the grid and m_k the largest squared difference of colour that a pixel has
had to the cluster that it was put in, so that flat and textured places get parts of one kind.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Labels = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

MAX_SIDE = 256  # pixels of the longer side while pixels are clustered
ROUNDS = 10
COMPACTNESS = 10.0  # colours are divided by it; it decides the first round only
_LEAST = 0.5  # of the mean size of a part; smaller pieces are joined to a neighbour

# Rows give X, Y and Z of linear sRGB, each divided by that of the white point D65.
_XYZ = np.array(
    [
        [0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047],
        [0.212671, 0.715160, 0.072169],
        [0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883],
    ]
)


def superpixels(image: Pixels, parts: int) -> Labels:
    """Return (H, W) numbers from 0 of about `parts` connected parts that follow the picture.

    Clusters are found at no more than `MAX_SIDE` pixels a side. Pieces of less than half the mean
    size are joined to a neighbour, so there may be somewhat fewer parts, and a large cluster in two
    pieces makes two.

    Args:
        image: (H, W, 3) uint8, sRGB.
        parts: how many, at least 1.
    """
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    rows, columns = grid_of(small.shape[:2], parts)
    least = _LEAST * small.shape[0] * small.shape[1] / (rows * columns)
    found = connected(clusters(small, rows, columns), least)
    y = ((np.arange(height) + 0.5) * size[1] / height).astype(int)
    x = ((np.arange(width) + 0.5) * size[0] / width).astype(int)
    return np.unique(found[np.ix_(y, x)], return_inverse=True)[1].reshape(height, width)


def grid_of(shape: tuple[int, int], parts: float) -> tuple[int, int]:
    """Return rows and columns of about so many parts of a picture (H, W), as square as can be."""
    height, width = shape
    rows = int(np.clip(round(np.sqrt(parts * height / width)), 1, height))
    return rows, int(np.clip(round(parts / rows), 1, width))


def clusters(image: Pixels, rows: int, columns: int) -> Labels:
    """Return (H, W) numbers of the clusters that pixels belong to after `ROUNDS` rounds.

    The first round goes by place alone. A cluster may be in several pieces, or without a pixel.
    """
    height, width = image.shape[:2]
    lab = np.ascontiguousarray(np.moveaxis(_lab(image) / COMPACTNESS, 2, 0))
    planes = np.concatenate([np.mgrid[:height, :width], lab])
    y, x = ((np.arange(n) + 0.5) * side / n for n, side in ((rows, height), (columns, width)))
    means = np.zeros((rows * columns, 5))  # y, x and the three colours of each cluster
    means[:, :2] = np.stack(np.meshgrid(y, x, indexing="ij"), 2).reshape(-1, 2)
    largest = np.ones(len(means))
    spacing = max(height / rows, width / columns)
    labels = np.zeros((height, width), np.intp)
    for _ in range(ROUNDS):
        before, labels = labels, _nearest(lab, means, largest, spacing)
        if np.array_equal(before, labels):
            break
        flat, held = labels.ravel(), np.bincount(labels.ravel(), minlength=len(means))
        for i, plane in enumerate(planes):
            total = np.bincount(flat, plane.ravel(), len(means))
            np.divide(total, held, out=means[:, i], where=held > 0)
        away = sum((lab[c] - means[labels, 2 + c]) ** 2 for c in range(3))
        np.maximum.at(largest, flat, np.ravel(away))
    return labels


def _nearest(lab: Floats, means: Floats, largest: Floats, spacing: float) -> Labels:
    """Return (H, W): the nearest cluster, among those whose centre is within two spacings."""
    height, width = lab.shape[1:]
    labels, least = np.zeros((height, width), np.intp), np.full((height, width), np.inf)
    reach = 2 * int(np.ceil(spacing))
    for k, (y, x, *colour) in enumerate(means):
        rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
        columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
        dy, dx = (((np.arange(n) - at) / spacing) ** 2 for n, at in ((height, y), (width, x)))
        distance = np.add.outer(dy[rows], dx[columns])
        for plane, value in zip(lab[:, rows, columns], colour, strict=True):
            distance += (plane - value) ** 2 / largest[k]
        nearer = distance < least[rows, columns]
        labels[rows, columns][nearer] = k
        np.minimum(distance, least[rows, columns], out=least[rows, columns])
    return labels


def connected(labels: Labels, least: float) -> Labels:
    """Return (H, W) numbers from 0 of connected parts, from labels that may be in pieces.

    A piece of fewer than `least` pixels is joined to the part with which it shares the longest
    border; of the others each is a part.
    """
    from scipy import ndimage  # takes a part of the second in which the page starts

    pieces = np.zeros(labels.shape, np.intp)
    for number, window in enumerate(ndimage.find_objects(labels + 1)):
        if window is not None:
            found, _ = ndimage.label(labels[window] == number)
            pieces[window][found > 0] = found[found > 0] + pieces.max()
    sizes = np.bincount(pieces.ravel())
    kept = sizes >= min(least, sizes.max())
    down, right = (pieces[:-1], pieces[1:]), (pieces[:, :-1], pieces[:, 1:])
    a, b = (np.concatenate([d.ravel(), r.ravel()]) for d, r in zip(down, right, strict=True))
    pairs, border = np.unique(np.stack([[*a, *b], [*b, *a]]), axis=1, return_counts=True)
    part = np.where(kept, np.arange(len(sizes)), -1)
    while (part[1:] < 0).any():  # those beside a part first, then those beside them
        at = np.flatnonzero((part[pairs[0]] < 0) & (part[pairs[1]] >= 0))
        at = at[np.argsort(border[at], kind="stable")]
        part[pairs[0, at]] = part[pairs[1, at]]
    return np.unique(part[pieces], return_inverse=True)[1].reshape(labels.shape)


def _lab(image: Pixels) -> Floats:
    """Return (H, W, 3) CIELAB under D65 of sRGB bytes."""
    share = image / 255
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    xyz = linear @ _XYZ.T
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)
