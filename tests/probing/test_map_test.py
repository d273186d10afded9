"""Whether a word follows a map: random orders, and what curves say, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import TokenError
from explainer.methods.controls import CONTROLS
from explainer.probing.curves import CurvePlan, Curves
from explainer.probing.map_test import CLEAR, RANDOM, MapTest, check_word, prove, random_maps
from explainer.run import ANSWER
from tests.probing.test_curves import Pixels, flipped, quarter

SHARE = np.linspace(0, 1, 6)


def curves(back: float = 0.5, gone: float = 0.5, whole: float = 1.0, empty: float = 0.0) -> Curves:
    """Return curves that step up once this share is shown, and down once it is taken away."""
    shown = np.where(back > SHARE, empty, whole)
    taken = np.where(gone > SHARE, whole, empty)
    shown[[0, -1]], taken[[0, -1]] = [empty, whole], [whole, empty]
    return Curves(SHARE, shown, taken)


def proof(back: float, gone: float, **ends: float) -> MapTest:
    """Return the curves of a map against random orders that differ from one another."""
    random = [curves(at, at, **ends) for at in (0.4, 0.6, 0.6, 0.6)]
    return MapTest({"tam": curves(back, gone, **ends)}, tuple(random))


@pytest.mark.parametrize(
    ("back", "gone", "said"),
    [
        (0.2, 0.2, "follows"),
        (0.2, 0.8, "back"),
        (0.8, 0.2, "gone"),
        (0.8, 0.8, "chance"),
        (0.4, 0.4, "chance"),  # as one of the random orders
    ],
)
def test_a_map_is_held_against_every_random_order(back, gone, said):
    assert proof(back, gone).verdict_of_map("tam") == said
    assert proof(back, gone, whole=0.5, empty=0.2).verdict_of_map("tam") == said


def test_better_than_all_is_not_enough_if_it_is_by_little():
    random = tuple(curves() for _ in range(RANDOM))
    for gap, said in ((0.9 * CLEAR, "chance"), (1.1 * CLEAR, "follows")):
        best = Curves(SHARE, random[0].insertion.copy(), random[0].deletion.copy())
        best.insertion[1] += gap / 0.2  # a step is a fifth of the picture
        best.deletion[1] -= gap / 0.2
        assert MapTest({"tam": best}, random).verdict_of_map("tam") == said


@pytest.mark.parametrize(
    ("ends", "back", "said"),
    [
        ({"whole": 0.9, "empty": 0.0}, 0.5, "rests"),
        ({"whole": 0.9, "empty": 0.8}, 0.5, "free"),
        ({"whole": 0.3, "empty": 0.9}, 0.5, "free"),
        ({"whole": 0.1, "empty": 0.0}, 0.5, "unlikely"),
    ],
)
def test_what_the_ends_say_of_the_word(ends, back, said):
    assert proof(0.2, 0.2, **ends).verdict_of_word() == said


def test_a_word_that_any_part_brings_back_needs_no_place():
    fine = np.linspace(0, 1, 11)
    at_once = Curves(fine, np.where(fine < 0.1, 0, 0.9), np.where(fine < 1, 0.9, 0))
    assert MapTest({}, (at_once,) * RANDOM).verdict_of_word() == "any"


def test_chance_is_the_mean_of_the_random_orders():
    found = proof(0.2, 0.2)
    areas = [one.figures()["insertion"] for one in found.random]
    assert found.chance.figures()["insertion"] == pytest.approx(np.mean(areas))
    assert found.added == 1


def test_random_orders_are_the_same_for_all_words_and_differ_from_each_other():
    run, _ = quarter()
    first, again = random_maps(run), random_maps(run)
    values = [heat.values for heat in first]
    np.testing.assert_array_equal(values, [heat.values for heat in again])
    values += [CONTROLS["random"](run, token).values for token in range(len(run.tokens))]
    assert len({value.tobytes() for value in values}) == RANDOM + len(run.tokens)


def test_a_word_follows_the_map_that_finds_it():
    run, heat = quarter()
    found = prove(
        Pixels(run), run, run.indices(ANSWER)[:1], {"right": heat, "wrong": flipped(heat)},
        CurvePlan("black", 8),
    )  # fmt: skip
    assert (found.chance.empty, found.chance.whole) == (0, 0.25)
    assert len(found.random) == RANDOM
    assert found.verdict_of_map("right") == "follows"
    assert found.verdict_of_map("wrong") == "chance"
    assert found.curves["right"].reaches(0.8) == 0.25


def test_only_words_of_the_answer_are_measured():
    run, heat = quarter()
    prompt = int(run.indices(ANSWER)[0]) - 1
    for tokens in ([], [prompt], [prompt, prompt + 1], [10**6]):
        with pytest.raises(TokenError):
            check_word(run, tokens)
        with pytest.raises(TokenError):
            prove(Pixels(run), run, tokens, {"right": heat})
