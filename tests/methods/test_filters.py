"""The rank Gaussian filter against hand-computed windows and its definition."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods.filters import BORDERS, rank_gaussian, zero_deviation
from tests.methods import slow


def centre(values: list[float]) -> float:
    return float(rank_gaussian(np.array(values, np.float32).reshape(1, 3, 3))[0, 1, 1])


def test_a_lone_spike_is_pressed_down():
    # cv = sqrt(8) = 2.8284271
    assert centre([0, 0, 0, 0, 1, 0, 0, 0, 0]) == pytest.approx(0.05828484, abs=1e-6)


def test_one_to_nine_gives_its_middle():
    # cv = 0.5163978, symmetric weights about the fifth value
    assert centre([9, 2, 7, 4, 5, 6, 3, 8, 1]) == pytest.approx(5.0, abs=1e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_a_constant_stays(border):
    maps = np.full((2, 4, 5), 0.5, np.float32)
    np.testing.assert_allclose(rank_gaussian(maps, border=border), 0.5, atol=1e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_zero_stays_zero(border):
    assert not rank_gaussian(np.zeros((1, 4, 5), np.float32), border=border).any()


@pytest.mark.parametrize("border", BORDERS)
def test_agrees_with_the_definition(border):
    rng = np.random.default_rng(0)
    maps = np.maximum(0, rng.normal(size=(4, 7, 6))).astype(np.float32)
    maps[1, :4, :4] = 0.25
    maps[2] = 0
    got = rank_gaussian(maps, border=border)
    want = [slow.rank_gaussian(m.astype(float), border=border) for m in maps]
    np.testing.assert_allclose(got, want, atol=1e-5)


def spike(row: int, column: int) -> np.ndarray:
    maps = np.zeros((1, 6, 7), np.float32)
    maps[0, row, column] = 1
    return maps


def test_a_mirrored_border_pulls_a_spike_onto_it():
    got = rank_gaussian(spike(1, 1))[0]
    assert got[1, 1] == pytest.approx(0.0582848, abs=1e-6)
    assert got[0, 0] == pytest.approx(0.322, abs=1e-3) == got.max()


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize("column", range(7))
def test_a_repeated_edge_keeps_a_spike_in_its_place(row, column):
    maps = spike(row, column)
    got = rank_gaussian(maps, border="edge")
    assert got.max() == pytest.approx(got[0, row, column], rel=1e-6)


def test_a_window_in_the_corner_by_hand():
    # Of 0, 0, 0, 1 inside: mean 1/4, deviation sqrt(3)/4, ranks -3/2 to 3/2, cv^2 = 3.
    end, middle = np.exp(-(1.5**2) / 6), np.exp(-(0.5**2) / 6)
    got = rank_gaussian(spike(1, 1), border="inside")[0]
    assert got[0, 0] == pytest.approx(end / (2 * end + 2 * middle), abs=1e-6)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("window", [3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (9, 3)])
def test_any_shape_stays_finite_and_within_its_values(window, shape, border):
    maps = np.random.default_rng(1).random((3, *shape)).astype(np.float32)
    with np.errstate(all="raise", under="ignore"):
        got = rank_gaussian(maps, window, border)
    assert got.shape == maps.shape
    assert np.isfinite(got).all()
    assert got.min() >= maps.min() - 1e-6
    assert got.max() <= maps.max() + 1e-6


def test_a_wider_window_smooths_more():
    maps = np.zeros((1, 9, 9), np.float32)
    maps[0, 3:6, 3:6] = 1.0
    assert rank_gaussian(maps, 5)[0, 4, 4] < rank_gaussian(maps, 3)[0, 4, 4] == 1.0


def test_a_window_of_one_is_off():
    maps = np.random.default_rng(2).random((1, 4, 4)).astype(np.float32)
    np.testing.assert_array_equal(rank_gaussian(maps, 1), maps)


def test_scaling_commutes():
    maps = np.random.default_rng(3).random((1, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(rank_gaussian(maps * 8), rank_gaussian(maps) * 8, rtol=1e-5)


def test_windows_without_deviation_are_found():
    maps = np.ones((1, 4, 4), np.float32)
    maps[0, 0, 0] = 2
    want = np.ones((4, 4), bool)
    want[:2, :2] = False
    np.testing.assert_array_equal(zero_deviation(maps)[0], want)


@pytest.mark.parametrize("window", [3, 5])
def test_deviations_round_as_those_of_one_window_after_another(window):
    # Of constant 3 x 3 windows one in ten keeps a rounding error for a deviation, as 0.9 does.
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    maps = np.broadcast_to(values[:, None, None], (1001, 2, 3)).copy()
    want = [np.full(window**2, value, np.float32).std() == 0 for value in values]
    np.testing.assert_array_equal(zero_deviation(maps, window)[:, 1, 2], want)
    assert 0.5 < np.mean(want) < 0.95
    assert np.full(9, 0.9, np.float32).std() > 0


@pytest.mark.parametrize("window", [0, 2, 4])
def test_even_windows_are_refused(window):
    with pytest.raises(ValueError, match="odd"):
        rank_gaussian(np.ones((1, 4, 4), np.float32), window)
