"""Maps must land where their tokens lie: pixel-exact cases, in every mode."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import RunError
from explainer.evaluation.synthetic import grid_rects
from explainer.run import View
from explainer.run.geometry import (
    MODES,
    Grid,
    Placement,
    Resampler,
    axis_weights,
    seen_grid,
    seen_maps,
    whole_edges,
)


def edges(n: int, start: float = 0.0, stop: float = 336.0) -> np.ndarray:
    return np.linspace(start, stop, n + 1)


def view(grid, box=(0, 0, 336, 336), seen=None) -> View:
    return View(0, grid, grid_rects(grid, box, seen))


def loops(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Transcribe the antialiased triangle on even axes of equal extent, cell by cell."""
    n, m = len(source) - 1, len(target) - 1
    ratio = n / m
    support = max(1.0, ratio)
    out = np.zeros((m, n))
    for i in range(m):
        centre = (i + 0.5) * ratio - 0.5
        for j in range(-3 * n - 3, 4 * n + 3):
            weight = max(0.0, 1 - abs(j - centre) / support)
            out[i, min(max(j, 0), n - 1)] += weight
        out[i] /= out[i].sum()
    return out


@pytest.mark.parametrize(
    ("n", "m"), [(11, 21), (21, 11), (16, 21), (5, 15), (7, 7), (1, 4), (4, 1)]
)
def test_bilinear_weights_follow_the_definition(n, m):
    np.testing.assert_allclose(
        axis_weights(edges(n), edges(m), "bilinear"), loops(edges(n), edges(m)), atol=1e-6
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("n", "m"), [(11, 21), (21, 11), (13, 13), (1, 5)])
def test_rows_of_weights_sum_to_one(mode, n, m):
    weights = axis_weights(edges(n, 3, 330), edges(m, -20, 350), mode)
    assert weights.shape == (m, n)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_same_grid_is_the_identity_exactly(mode):
    uneven = np.array([0.0, 7.0, 21.0, 35.0, 40.5])
    for axis in (edges(11), edges(21, 1.5, 334.2), uneven):
        np.testing.assert_array_equal(axis_weights(axis, axis, mode), np.eye(len(axis) - 1))


def test_half_pixel_centres_by_hand():
    # Two cells over 0..4 (centres 1, 3) read at four centres .5, 1.5, 2.5, 3.5.
    weights = axis_weights(np.array([0.0, 2, 4]), np.arange(5.0), "bilinear")
    np.testing.assert_allclose(weights, [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], atol=1e-7)


def test_shrinking_by_two_counts_every_cell_by_hand():
    # Four cells into two: triangle of half width 2 around .5 and 2.5, cell -1 repeats cell 0.
    weights = axis_weights(np.arange(5.0), np.array([0.0, 2, 4]), "bilinear")
    np.testing.assert_allclose(weights, [[0.5, 0.375, 0.125, 0], [0, 0.125, 0.375, 0.5]], atol=1e-7)


def test_cubic_by_hand():
    # Cell 7 of 16 stands at 3.25 among 8: Keys' kernel, a = -1/2, at distances 1.25 to 1.75.
    weights = axis_weights(edges(8, 0, 8), edges(16, 0, 8), "bicubic")
    want = [-0.0703125, 0.8671875, 0.2265625, -0.0234375]
    np.testing.assert_allclose(weights[7, 2:6], want, atol=1e-7)


def test_nearest_takes_the_cell_that_holds_the_centre():
    weights = axis_weights(edges(3, 0, 30), edges(5, 0, 30), "nearest")
    assert weights.argmax(axis=1).tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize(("n", "m"), [(11, 21), (21, 11), (9, 31)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_a_ramp_stays_a_ramp(n, m, mode):
    source, target = edges(n), edges(m)
    got = axis_weights(source, target, mode) @ ((source[:-1] + source[1:]) / 2)
    centres = (target[:-1] + target[1:]) / 2
    margin = 2.1 * max(336 / n, 336 / m)  # the kernel must not reach past the edge
    inner = (centres > margin) & (centres < 336 - margin)
    assert inner.sum() >= 3
    # Sampled at a ratio that is not whole, a widened kernel is a little off, as in PIL.
    cell = 336 / n
    np.testing.assert_allclose(got[inner], centres[inner], atol=(1e-4 if m > n else 0.05) * cell)


def test_a_ramp_over_uneven_cells_stays_a_ramp():
    source = np.array([0.0, 5, 19, 33, 47, 50])  # cut off at both ends, as by a centre crop
    target = edges(25, 0, 50)
    middle = np.array([-2.0, 12, 26, 40, 54])  # of whole cells
    centres = (target[:-1] + target[1:]) / 2
    got = axis_weights(source, target, "bilinear") @ middle
    np.testing.assert_allclose(got, np.clip(centres, middle[0], middle[-1]), atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_constant_stays_constant_over_odd_sizes(mode):
    source = Grid(slice(0, 9), slice(0, 7), edges(9, 0, 100), edges(7, 0, 61))
    target = Grid(slice(0, 13), slice(0, 5), edges(13, 0, 100), edges(5, 0, 61))
    maps = np.full((2, 9, 7), 0.7, np.float32)
    got = Resampler.between(source, target, mode)(maps)
    assert got.shape == (2, 13, 5)
    np.testing.assert_allclose(got, 0.7, atol=1e-6)


def test_one_bright_object_stays_where_it_is():
    # 336 x 252 picture (x, y); the object covers x 168..336, y 84..168 at both scales.
    small, large = view((6, 8), (0, 0, 336, 252)), view((9, 12), (0, 0, 336, 252))
    maps = np.zeros((1, 6, 8), np.float32)
    maps[0, 2:4, 4:8] = 1.0
    got = Resampler.between(seen_grid(small), seen_grid(large), "bilinear")(maps)[0]
    want_y = np.interp((np.arange(9) + 0.5) * 28, (np.arange(6) + 0.5) * 42, [0, 0, 1, 1, 0, 0])
    want_x = np.interp((np.arange(12) + 0.5) * 28, (np.arange(8) + 0.5) * 42, [0] * 4 + [1] * 4)
    np.testing.assert_allclose(got, np.outer(want_y, want_x), atol=1e-5)
    assert (got > 0.5).sum() == 3 * 6  # cells whose centre lies on the object


def test_padding_of_a_canvas_does_not_leak():
    # A 24 x 24 canvas at 0.5: the picture lies in the 12 x 12 tokens in the middle.
    canvas, full = view((24, 24), seen=(6, 18, 6, 18)), view((24, 24))
    values = np.full((24, 24), 1e6, np.float32)
    values[6:18, 6:18] = 0.0
    values[6, 17] = 1.0  # top right corner of the picture
    grid = seen_grid(canvas)
    assert grid.shape == (12, 12)
    assert grid.extent == (0, 0, 336, 336)
    maps = seen_maps(canvas, grid, values.reshape(1, -1))
    got = Resampler.between(grid, seen_grid(full), "bilinear")(maps)[0]
    assert got.max() == 1.0
    assert got[0, 23] == 1.0
    assert got[:, :20].max() == 0.0
    assert got[4:].max() == 0.0


def test_a_centre_crop_is_placed_by_its_pixels():
    # The model saw x 84..252 of the picture only; a map over it must not be stretched.
    cropped = view((4, 4), (84, 0, 252, 168))
    assert seen_grid(cropped).extent == (84, 0, 252, 168)
    wide = Grid(slice(0, 4), slice(0, 8), edges(4, 0, 168), edges(8, 0, 336))
    maps = np.zeros((1, 4, 4), np.float32)
    maps[..., 0] = 1.0
    got = Resampler.between(seen_grid(cropped), wide, "nearest")(maps)[0, 0]
    assert got.tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_a_divided_grid_keeps_its_extent():
    grid = seen_grid(view((3, 5), (0, 0, 50, 30))).divided(2)
    assert grid.shape == (6, 10)
    assert grid.extent == (0, 0, 50, 30)
    np.testing.assert_allclose(np.diff(grid.x), 5)


def test_shifted_rectangles_are_refused():
    bad = view((4, 4))
    rects = bad.rects.copy()
    rects[5] += 9
    with pytest.raises(RunError, match="not form a grid"):
        seen_grid(View(0, (4, 4), rects))


def test_tiles_that_jump_back_are_refused():
    rects = np.concatenate(
        [grid_rects((2, 2), (0, 0, 50, 50)), grid_rects((2, 2), (50, 0, 99, 50))]
    )
    with pytest.raises(RunError, match="not form a grid"):
        seen_grid(View(0, (4, 2), rects))


def test_a_hole_in_the_seen_part_is_refused():
    rects = grid_rects((4, 4), (0, 0, 9, 9))
    rects[5] = np.nan
    with pytest.raises(RunError, match="not form a rectangle"):
        seen_grid(View(0, (4, 4), rects))


def test_a_view_that_saw_nothing_is_refused():
    rects = np.full((4, 4), np.nan, np.float32)
    with pytest.raises(RunError, match="covers any of"):
        seen_grid(View(0, (2, 2), rects))


# Where cells lie that are cut down to the picture ------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ([0, 0.7, 27.4, 54.1, 80], [-26, 0.7, 27.4, 54.1, 80.8]),
        ([0, 10, 20, 30], [0, 10, 20, 30]),
        ([0, 4, 14], [-6, 4, 14]),
        ([0, 5, 10], [0, 5, 10]),
        ([3, 8], [3, 8]),
        ([0, 10.1, 20.1, 30.1], [0.1, 10.1, 20.1, 30.1]),  # took up a sliver
    ],
)
def test_whole_cells_are_as_large_as_those_that_are_not_at_the_border(cut, whole):
    np.testing.assert_allclose(whole_edges(np.array(cut, float)), whole, atol=1e-9)


def test_even_cells_stay_exactly_as_they_are():
    axis = edges(13, 0, 427).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(whole_edges(axis), axis)
    grid = Grid(slice(0, 13), slice(0, 13), axis, axis)
    assert grid.placement == Placement.even((0, 0, 427, 427))


CUT = Grid(slice(0, 5), slice(0, 3), np.array([0, 0.7, 27.4, 54.1, 80]), np.array([0, 9.0, 29, 44]))


def test_edges_and_areas_are_those_of_the_cut_cells():
    y, x = CUT.placement.edges(CUT.shape)
    np.testing.assert_allclose(y, CUT.y)
    np.testing.assert_allclose(x, CUT.x)
    areas = CUT.placement.areas(CUT.shape)
    np.testing.assert_allclose(areas, np.outer(np.diff(CUT.y), np.diff(CUT.x)) / (80 * 44))
    assert areas.sum() == pytest.approx(1)
    half = CUT.placement.shares((160, 88))
    np.testing.assert_allclose(half.edges(CUT.shape)[0], CUT.y / 160)
    np.testing.assert_allclose(half.sized((160, 88)).frame, CUT.placement.frame)


def test_a_cut_grid_is_divided_into_equal_cells():
    """Half of the first row, and half of the first column, hold nothing of the picture."""
    fine = CUT.divided(2)
    assert fine.extent == CUT.extent
    np.testing.assert_allclose(fine.y, [0, 0.7, 14.05, 27.4, 40.75, 54.1, 67.45, 80])
    np.testing.assert_allclose(fine.x, [0, 9, 19, 29, 39, 44])
    np.testing.assert_allclose(np.diff(whole_edges(fine.y)), 13.35)
    assert CUT.divided(1) is CUT


def test_an_impulse_stays_in_place_beside_a_sliver():
    """One cell of a coarse grid, read on a fine one: the middle of what it becomes is its own."""
    coarse = np.array([0, 0.7, 27.4, 54.1, 80.8, 107.5, 134.2, 134.9])
    fine = coarse[0] + np.array([0, 6.0, 22.4, 38.8, 55.2, 71.6, 88, 104.4, 120.8, 134.9])
    weights = axis_weights(coarse, fine, "bilinear")
    whole = whole_edges(fine)
    centres = (whole[:-1] + whole[1:]) / 2
    for cell in (2, 3, 4):
        middle = (weights[:, cell] * centres).sum() / weights[:, cell].sum()
        assert middle == pytest.approx((coarse[cell] + coarse[cell + 1]) / 2, abs=0.05 * 26.7)


def test_cells_of_different_sizes_are_refused():
    rects = grid_rects((1, 4), (0, 0, 80, 20))
    rects[1, 2] = rects[2, 0] = 30
    with pytest.raises(RunError, match="differ in size"):
        seen_grid(View(0, (1, 4), rects))
    rects = grid_rects((1, 4), (0, 0, 80, 20))
    rects[0, 0] = -9
    with pytest.raises(RunError, match="differ in size"):
        seen_grid(View(0, (1, 4), rects))
