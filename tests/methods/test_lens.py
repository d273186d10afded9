"""Which tokens stand before which, which say the same, and how words score at states."""

from __future__ import annotations

import numpy as np

from explainer.methods.lens import earlier, lens_maps, repeated, text_scores
from tests.methods import slow
from tests.methods.small import small_run, with_texts

# 0-2 template, 3-6 prompt, 7-9 template, 10-16 answer with ids 20, 21, 20, 33, 21, 47, 20
RUN = small_run()


def named(mask: np.ndarray) -> list[int]:
    assert mask.shape == (1, 17)
    return np.flatnonzero(mask[0]).tolist()


def test_earlier_tokens_by_kind():
    assert named(earlier(RUN, [12])) == [3, 4, 5, 6, 10, 11]
    assert named(earlier(RUN, [12], "answer")) == [10, 11]
    assert named(earlier(RUN, [12], "all")) == list(range(1, 12))  # nothing predicts token 0
    assert named(earlier(RUN, [5])) == [3, 4]
    assert named(earlier(RUN, [3])) == []


def test_repeats_by_id():
    assert named(repeated(RUN, [12])) == [10, 12, 16]
    assert named(repeated(RUN, [12], "keep")) == []


def test_repeats_by_word():
    run = with_texts(RUN, {10: " Cat", 13: "cat", 15: "cat ", 11: "cats"})
    assert named(repeated(run, [13], "drop")) == [13]
    assert named(repeated(run, [13], "drop_word")) == [10, 13, 15]
    assert named(repeated(run, [10], "drop_word")) == [10, 12, 13, 15, 16]  # same id, same word


def test_tokens_without_text_of_their_own_are_no_word():
    run = with_texts(RUN, {11: "", 13: "", 15: " "})
    assert named(repeated(run, [13], "drop_word")) == [13]


def test_scores_are_read_where_each_token_is_predicted():
    got = text_scores(RUN, [20, 33])
    want = [[slow.score(RUN, k, j) for j in range(17)] for k in (20, 33)]
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert (got >= 0).all()


def test_maps_are_the_signed_logits():
    cells, layout = lens_maps(RUN, [20, 33], 0.5)
    (maps,) = layout.split(cells)
    assert maps.shape == (2, 3, 4)
    np.testing.assert_allclose(maps, [slow.lens(RUN, k, 0.5) for k in (20, 33)], atol=1e-4)
    assert maps.min() < 0
