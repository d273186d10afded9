"""Where maps lie and what they took away, on a run made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from explainer.evaluation import tables, why
from explainer.evaluation.candidates import parse
from explainer.evaluation.iou import Grey, Truth, find_things
from explainer.evaluation.words import clean_words, grammar
from explainer.run import ANSWER, PROMPT
from explainer.run.geometry import Placement
from tests.evaluation.saying import saying

ENGLISH = grammar("list", ["cat", "dog"])
NAMES = {3: "cat", 4: "dog"}
CAT, DOG = (slice(10, 30), slice(10, 30)), (slice(40, 60), slice(50, 70))


def masks() -> Truth:
    both = {label: np.zeros((60, 70), bool) for label in NAMES}
    both[3][CAT] = both[4][DOG] = True
    return Truth((60, 70), both)


RUN = saying("A", " cat", " and", " a", " dog", n_prompt=4)
WORDS = clean_words(RUN)
THINGS = find_things(WORDS, ENGLISH, NAMES)
FIRST, SECOND = (thing.tokens[0] for thing in THINGS)
CLASSES = why.token_classes(WORDS, THINGS, ENGLISH)


def shown(*boxes) -> Grey:
    """Return a map of 6 x 7 cells of 10 px that is 1 in these parts of the picture."""
    cells = np.zeros((6, 7), np.uint8)
    for y, x in boxes:
        cells[y.start // 10 : y.stop // 10, x.start // 10 : x.stop // 10] = 255
    return Grey(cells, Placement.even((0, 0, 1, 1)))


def looked(name: str, cat: Grey, dog: Grey) -> dict:
    maps = {t: shown() for t in RUN.indices(ANSWER).tolist()} | {FIRST: cat, SECOND: dog}
    candidate = parse([name])[0]
    return why.measure_sites(candidate, RUN, why.find_sites(RUN, THINGS, masks()), maps, CLASSES)


def test_things_are_sized_in_cells_and_told_first_from_later():
    first, second = why.find_sites(RUN, THINGS, masks())
    assert (first.cells, second.cells) == (4, 4)
    assert (first.is_first, second.is_first) == (True, False)
    assert first.others.sum() == second.mask.sum()
    assert not (first.near & (first.mask | second.mask)).any()
    assert first.near[9, 15]
    assert first.near[0, 15]  # a cell's width away
    assert not first.near[45, 15]
    assert not why.find_sites(RUN, THINGS, Truth((60, 70)))


def test_the_ceiling_is_the_map_of_how_much_a_thing_fills_its_cells():
    site = why.find_sites(RUN, THINGS, masks())[0]
    told = looked("tam", shown(CAT), shown(DOG))
    assert told["ceiling"][0] / 2 == pytest.approx(told["small"][0] / 2, abs=1e-6)
    assert 0.5 < site.ceiling <= 1


def test_where_a_map_lies():
    told = looked("tam", shown(CAT), shown(CAT, DOG))
    assert told["first"] == [pytest.approx(told["ceiling"][0] / 2, abs=0.05), 1]
    assert told["later"][0] < told["first"][0]
    parts = ("on_itself", "near", "on_others", "elsewhere")
    assert sum(told[part][0] for part in parts) == pytest.approx(2, abs=1e-5)
    assert told["on_others"][0] > 0.25
    assert told["to_things"] == [0, 0]  # not a method with weights
    assert looked("tam", shown(), shown())["on_itself"] == [0, 0]


@pytest.mark.parametrize("name", ["msea_arc+weights=uniform+base=off", "msea_arc+weights=rbo"])
def test_what_is_taken_away_is_shared_out(name):
    told = looked(name, shown(CAT), shown(DOG))
    parts = ("to_things", "to_prompt", "to_function", "to_rest")
    assert {told[part][1] for part in parts} == {1}  # for the dog alone
    assert sum(told[part][0] for part in parts) == pytest.approx(1, abs=1e-5)
    if "uniform" in name:  # of 4 in the prompt, "A", " cat", " and", " a"
        kept = len(RUN.indices(PROMPT)) + 4
        want = {"to_things": 1, "to_prompt": 4, "to_function": 3, "to_rest": 0}
        for part, count in want.items():
            assert told[part][0] == pytest.approx(count / kept, abs=1e-6)


def test_the_summary_has_them_with_intervals():
    why_told = {"a": looked("msea_arc", shown(CAT), shown(DOG))}
    sums = {"obj_iou": [1, 2], "func_iou": [1, 2]}
    sample = {"key": "1", "dropped": "", "methods": {"a": sums}, "why": why_told}
    summary = tables.summarise([sample, sample], ["a"])
    assert summary.why["a"]["ceiling"].n == 4
    assert "to_things" in summary.why["a"]
    assert "large" not in summary.why["a"]
    assert why.FIGURES["ceiling"] in tables.markdown(summary)
    json.dumps(sample)
