"""Superpixels: SLICO against a slow transcription, and what parts have to be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from explainer.probing import superpixels as slico
from explainer.probing.superpixels import clusters, connected, grid_of, superpixels


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return soft blobs of colour with noise upon them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noisy = smooth.astype(int) + rng.integers(-20, 21, smooth.shape)
    return noisy.clip(0, 255).astype(np.uint8)


def slow_clusters(lab: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Cluster pixel by pixel, as scikit-image's `_slic_cython` with `slic_zero` does."""
    height, width = lab.shape[:2]
    spacing = max(height / rows, width / columns)
    means = [
        [(i + 0.5) * height / rows, (j + 0.5) * width / columns, 0.0, 0.0, 0.0]
        for i in range(rows)
        for j in range(columns)
    ]
    most = [1.0] * len(means)
    labels = np.zeros((height, width), int)
    for _ in range(slico.ROUNDS):
        for y in range(height):
            for x in range(width):
                best = np.inf
                for k, (cy, cx, *colour) in enumerate(means):
                    if max(abs(y - int(cy)), abs(x - int(cx))) > 2 * np.ceil(spacing):
                        continue
                    far = ((y - cy) / spacing) ** 2 + ((x - cx) / spacing) ** 2
                    far += (
                        sum((a - b) ** 2 for a, b in zip(lab[y, x], colour, strict=True)) / most[k]
                    )
                    if far < best:
                        best, labels[y, x] = far, k
        for k in range(len(means)):
            own = np.argwhere(labels == k)
            if len(own):
                colours = np.array([lab[y, x] for y, x in own])
                means[k] = [*own.mean(axis=0), *colours.mean(axis=0)]
                gone = ((colours - means[k][2:]) ** 2).sum(axis=1).max()
                most[k] = max(most[k], gone)
    return labels


@pytest.mark.parametrize(("size", "grid"), [((24, 24), (2, 2)), ((18, 30), (2, 3))])
def test_clusters_are_those_of_a_slow_transcription(size, grid):
    image = scene(*size)
    lab = slico._lab(image) / slico.COMPACTNESS
    np.testing.assert_array_equal(clusters(image, *grid), slow_clusters(lab, *grid))


def test_colours_are_cielab_under_d65():
    """From tables of CIELAB for sRGB: white, red, green, blue."""
    named = np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    wanted = [[100, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    np.testing.assert_allclose(slico._lab(named)[0], wanted, atol=0.03)


@pytest.mark.parametrize("parts", [8, 36, 128])
@pytest.mark.parametrize("size", [(120, 180), (300, 90), (40, 40)])
def test_parts_are_connected_and_about_as_many_as_asked_for(size, parts):
    labels = superpixels(scene(*size), parts)
    assert labels.shape == size
    found = labels.max() + 1
    assert np.array_equal(np.unique(labels), np.arange(found))
    assert 0.75 * parts <= found <= 1.25 * parts
    if max(size) <= slico.MAX_SIDE:
        assert all(ndimage.label(labels == k)[1] == 1 for k in range(found))


def test_parts_follow_an_edge():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 37:] = (255, 200, 0)
    labels = superpixels(image, 9)
    assert not np.isin(labels[:, :37], labels[:, 37:]).any()


def test_small_pieces_are_joined_to_the_part_of_the_longest_border():
    labels = np.array([[0, 0, 0, 1], [0, 2, 1, 1], [0, 0, 1, 1], [1, 0, 1, 1]])
    joined = connected(labels, least=3)
    assert joined.max() == 1
    assert joined[1, 1] == joined[0, 0], "three sides of four"
    assert joined[3, 0] == joined[0, 0], "a piece of the other label that lies apart"
    assert joined[0, 3] == joined[3, 3]
    alone = connected(np.arange(16).reshape(4, 4), least=8)
    assert not alone.all(), "where every piece is small, the largest stay"


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (3, 500)])
def test_pictures_of_few_pixels_have_fewer_parts(size):
    labels = superpixels(np.zeros((*size, 3), np.uint8), 128)
    assert labels.shape == size
    assert labels.max() < size[0] * size[1]


def test_noise_and_large_pictures_are_cut_too():
    rng = np.random.default_rng(0)
    assert superpixels(rng.integers(0, 256, (90, 90, 3), dtype=np.uint8), 16).max() >= 8
    assert superpixels(scene(50, 1000), 20).shape == (50, 1000)


def test_rows_and_columns_are_as_square_as_can_be():
    assert grid_of((336, 336), 36) == (6, 6)
    assert grid_of((200, 600), 36) == (3, 12)
    assert grid_of((1, 5), 36) == (1, 5)
