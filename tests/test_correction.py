"""The smallest part whose hiding takes a word away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import RunError, TokenError
from explainer.evaluation.synthetic import synthetic_run
from explainer.probing.correction import correct, says
from explainer.probing.tiling import Tiling


@pytest.fixture
def tiling() -> Tiling:
    run = synthetic_run(np.random.default_rng(0), image_size=(40, 40), grids={1.0: (4, 4)})
    white = np.full((40, 40, 3), 255, np.uint8)
    return Tiling.of(replace(run, images=(white,)), 4, parts="cells")


ORDER = np.array([2, 0, 1, 3])


def word_of(tiling: Tiling) -> str:
    return tiling.run.answer.split()[0]


def test_parts_are_hidden_in_order_until_the_word_goes(tiling):
    word, asked = word_of(tiling), []

    def ask(pictures):
        asked.append((pictures[0] == 0).all(axis=2).mean())
        return "nothing" if len(asked) == 2 else f"A {word.upper()}."

    found = correct(tiling, ORDER, word, ask)
    assert asked == [0.25, 0.5]
    assert found.is_corrected
    assert found.regions.tolist() == [2, 0]
    assert found.share == found.amcr == 0.5
    assert (found.pictures[0][20:, :20] == 0).all()
    assert (found.pictures[0][20:, 20:] == 255).all()
    assert (found.before, found.after) == (tiling.run.answer, "nothing")


def test_a_word_that_stays_counts_as_the_whole_picture(tiling):
    word = word_of(tiling)
    found = correct(tiling, ORDER, word, lambda pictures: word, most=3)
    assert not found.is_corrected
    assert found.share == 0.75
    assert found.amcr == 1
    with pytest.raises(RunError, match="at least once"):
        correct(tiling, ORDER, word, lambda pictures: word, most=0)
    with pytest.raises(TokenError, match="does not say"):
        correct(tiling, ORDER, "zebrafish", lambda pictures: word)


@pytest.mark.parametrize(
    ("answer", "word", "expected"),
    [("A hot dog.", "hot dog", True), ("A doghouse", "dog", False), ("Yes.", "yes", True)],
)
def test_whole_words_in_whatever_case_are_said(answer, word, expected):
    assert says(answer, word) is expected
