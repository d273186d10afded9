"""Normalisation by hand, and the order of normalisation and filter."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods.display import Finishing, finish, joint_range, needed, stretch
from explainer.methods.filters import rank_gaussian
from explainer.methods.lens import earlier, text_scores
from explainer.run import ANSWER
from explainer.run.geometry import Layout, join
from tests.methods.small import small_run

RUN = small_run()
LAYOUT = Layout.of(RUN)


def maps(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(len(rows), 4)


def test_joint_range_by_hand():
    scores = np.array([[5.0, 9.0], [5.0, 9.0], [0.5, 9.0]], np.float32)
    counts = np.array([[True, False], [False, False], [True, True]])
    low, high = joint_range(maps([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]), scores, counts)
    assert low.tolist() == [1, 1, 0.5]
    assert high.tolist() == [5, 4, 9]


def test_stretch_by_hand():
    got = stretch(maps([1, 2, 3, 5], [7, 7, 7, 7]), np.array([1, 7]), np.array([5, 7]))
    assert got.reshape(2, 4).tolist() == [[0, 0.25, 0.5, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("normalisation", ["joint", "token", "answer"])
def test_joint_filters_last_and_the_others_first(normalisation):
    tokens = needed(RUN, [12], normalisation)
    raw = (np.random.default_rng(0).random((len(tokens), 6, 7)) + 3).astype(np.float32)
    got = finish(RUN, tokens, join([raw]), LAYOUT, Finishing(normalisation, 3, "mirror"))[
        0
    ].reshape(6, 7)
    filtered = rank_gaussian(raw)
    if normalisation == "joint":
        scores = text_scores(RUN, RUN.tokens.ids[[12]])[earlier(RUN, [12])]
        low, high = min(raw.min(), scores.min()), max(raw.max(), scores.max())
        want = rank_gaussian((raw - low) / (high - low))[0]
    elif normalisation == "token":
        want = (filtered[0] - filtered[0].min()) / np.ptp(filtered[0])
        assert (got.min(), got.max()) == (0, 1)
    else:
        want = filtered[0] / filtered.max()
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_joint_moves_zero_to_the_least_value_before_the_filter():
    # At the first prompt token no text counts, so the map alone sets the range.
    raw = (np.random.default_rng(1).random((1, 6, 7)) + 3).astype(np.float32)
    got = finish(RUN, [3], join([raw]), LAYOUT, Finishing("joint", 3, "mirror")).reshape(1, 6, 7)
    np.testing.assert_allclose(got, rank_gaussian((raw - raw.min()) / np.ptp(raw)), atol=1e-6)


def test_needed_lists_the_asked_first():
    assert needed(RUN, [12, 4], "joint") == [12, 4]
    listed = needed(RUN, [12, 4], "answer")
    assert listed[:2] == [12, 4]
    assert sorted(listed) == sorted({4, *RUN.indices(ANSWER)})
