"""The subtraction of Eq. 8 and 9 on numbers small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods.interference import best_beta, subtract, weighted_mean


def maps(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(len(rows), 4)


def test_beta_and_rest_by_hand():
    a, ahat = maps([4, 3, 0, 1]), maps([2, 2, 1, 1])
    beta = best_beta(a, ahat)
    assert beta[0] == pytest.approx(1.5)
    assert subtract(a, ahat, beta, beta).maps.ravel().tolist() == [1, 0, 0, 0]


def test_weighted_mean_by_hand():
    got = weighted_mean(np.array([[1.0, 3.0], [0.0, 0.0]]), maps([4, 0, 0, 8], [0, 4, 0, 0]))
    np.testing.assert_allclose(got.reshape(2, 4), [[1, 3, 0, 2], [0, 0, 0, 0]])


def test_rounding_noise_in_the_weights_is_no_weight():
    got = weighted_mean(np.array([[2e-16, 1e-16]]), maps([4, 0, 0, 8], [0, 4, 0, 0]))
    assert not got.any()


def test_no_map_at_all_gives_zeros():
    got = weighted_mean(np.zeros((2, 0)), np.zeros((0, 4), np.float32))
    assert got.shape == (2, 4)
    assert not got.any()


@pytest.mark.parametrize("interference", [[0, 0, 0, 0], [1e-9, 0, 0, 0]])
def test_no_interference_leaves_the_map(interference):
    a, b = maps([4, 3, 0, 1]), maps(interference)
    beta = best_beta(a, b)
    assert beta[0] == 0
    np.testing.assert_array_equal(subtract(a, b, beta, beta).maps, a)


def test_faint_interference_still_counts():
    a, b = maps([4, 3, 0, 1]), maps([4e-4, 0, 0, 0])
    assert best_beta(a, b)[0] == pytest.approx(1e4)


def test_an_empty_map_has_no_beta():
    assert best_beta(maps([0, 0, 0, 0]), maps([0, 0, 0, 0]))[0] == 0
    assert best_beta(maps([0, 0, 0, 0]), maps([1, 0, 0, 0]))[0] == 0


def test_beta_is_a_minimum():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1, 25)), rng.normal(size=(1, 25))
    beta = best_beta(a, b)[0]
    errors = [((a - x * b) ** 2).sum() for x in (beta - 1e-3, beta, beta + 1e-3)]
    assert errors[1] < errors[0]
    assert errors[1] < errors[2]


def test_a_given_beta_is_used_and_both_are_noted():
    a, ahat = maps([4, 3, 0, 1]), maps([2, 2, 1, 1])
    cleaned = subtract(a, ahat, 1.0, best_beta(a, ahat))
    assert cleaned.maps.ravel().tolist() == [2, 1, 0, 0]
    assert cleaned.notes(0) == {"beta": 1.0, "beta_auto": pytest.approx(1.5)}
