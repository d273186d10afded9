"""Rank-biased overlap against numbers worked out by hand and against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods.rbo import VARIANTS, depth_weights, rbo
from tests.methods import slow


def codes(text: str) -> np.ndarray:
    return np.array([[ord(c) for c in text]])


@pytest.mark.parametrize(
    ("variant", "want"),
    [
        ("truncated", 0.278163),
        ("normalised", 0.6792581),
        ("extrapolated", 0.750555),
        ("average", 0.71),
    ],
)
def test_two_lists_of_five_by_hand(variant, want):
    # agreements 0, 1, 1, 3/4, 4/5
    assert rbo(codes("abcde"), codes("bacxe"), 0.9, variant)[0, 0] == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize(
    ("variant", "want"),
    [("truncated", 0.8948462), ("normalised", 0.8994820), ("extrapolated", 0.9), ("average", 0.98)],
)
def test_top_two_swapped_of_fifty(variant, want):
    first = np.arange(50)[None]
    second = first.copy()
    second[0, :2] = 1, 0
    assert rbo(first, second, 0.9, variant)[0, 0] == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("variant", ["normalised", "extrapolated", "average"])
@pytest.mark.parametrize("k", [1, 7, 200])
def test_identical_lists_give_one_and_disjoint_lists_zero(variant, k):
    lists = np.stack([np.arange(k), np.arange(k) + 1000])
    np.testing.assert_allclose(rbo(lists, lists, 0.95, variant), np.eye(2), atol=1e-12)


def test_rounding_never_lifts_identical_lists_above_one():
    for k in range(1, 201):
        same = np.arange(k)[None]
        for variant in VARIANTS:
            assert rbo(same, same, 0.9, variant)[0, 0] <= 1.0


def test_truncated_stays_below_one():
    same = np.arange(50)[None]
    assert rbo(same, same, 0.9, "truncated")[0, 0] == pytest.approx(1 - 0.9**50)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("k", "p"), [(1, 0.9), (2, 0.5), (20, 0.98), (60, 0.9)])
def test_agrees_with_the_definition(variant, k, p):
    rng = np.random.default_rng(k)
    lists = np.stack([rng.permutation(80)[:k] * 7 for _ in range(9)])
    got = rbo(lists[:3], lists, p, variant)
    want = [[slow.overlap(list(a), list(b), p, variant) for b in lists] for a in lists[:3]]
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_order_of_arguments_and_names_of_ids_play_no_part():
    rng = np.random.default_rng(5)
    lists = np.stack([rng.permutation(40)[:30] for _ in range(6)])
    renamed = rng.permutation(500)[:40][lists]
    np.testing.assert_allclose(rbo(lists, lists), rbo(lists, lists).T, atol=1e-12)
    np.testing.assert_allclose(rbo(lists, lists), rbo(renamed, renamed), atol=1e-12)


def test_the_first_ten_ranks_carry_the_stated_share():
    # Share of the weight at ranks 1..10 of 50, where X_d = d.
    for p, share in [(0.9, 0.65), (0.95, 0.43), (0.98, 0.29)]:
        weights = depth_weights(50, p, "normalised") * np.arange(1, 51)
        assert weights[:10].sum() == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize("bad", [{"variant": "rough"}, {"p": 0.0}, {"p": 1.0}])
def test_wrong_settings_are_refused(bad):
    with pytest.raises(ValueError, match="expected one of"):
        rbo(codes("ab"), codes("ab"), **{"p": 0.9, "variant": "normalised"} | bad)


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="lists of 3"):
        rbo(codes("ab"), codes("abc"))
