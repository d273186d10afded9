"""Obj-IoU and Func-IoU against a slow transcription, and each quirk of the published evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explainer.evaluation.iou import (
    Grey,
    Truth,
    f1,
    find_things,
    fit,
    judge_clean,
    judge_tam,
    tam_sources,
)
from explainer.evaluation.opencv_resize import resize
from explainer.evaluation.words import Word, grammar
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.otsu import otsu
from explainer.run import ANSWER, PROMPT
from explainer.run.geometry import Placement
from tests.evaluation.saying import saying

CATEGORIES = {1: "person", 18: "dog", 23: "bear", 46: "wine glass", 58: "hot dog", 88: "teddy bear"}
NOUNS = ["person", "dog", "bear", "glass", "teddy", "man", "grass", "hot"]
WHOLE = Placement.even((0.0, 0.0, 1.0, 1.0))
SHAPE = (40, 48)


@pytest.fixture(scope="module")
def english():
    return grammar("list", NOUNS)


# Otsu and 8 bits ---------------------------------------------------------------------------------


def slow_otsu(levels: np.ndarray) -> int:
    """Return the first threshold with the largest between-class variance, by its definition."""
    values = levels.ravel().astype(float)
    best, found = 0.0, 0
    for t in range(256):
        low, high = values[values <= t], values[values > t]
        if len(low) and len(high):
            share = len(low) / len(values)
            variance = share * (1 - share) * (low.mean() - high.mean()) ** 2
            if variance > best * (1 + 1e-12):
                best, found = variance, t
    return found


@pytest.mark.parametrize("seed", range(12))
def test_otsu_agrees_with_its_definition(seed):
    rng = np.random.default_rng(seed)
    levels = (255 * rng.random((13, 17)) ** rng.uniform(0.3, 6)).astype(np.uint8)
    assert otsu(levels) == slow_otsu(levels)


def test_otsu_by_hand():
    assert otsu(np.array([[0, 0, 0, 9]], np.uint8)) == 0  # the first of 0..8, all alike
    assert otsu(np.array([[10, 10, 200, 210]], np.uint8)) == 10
    assert otsu(np.full((3, 3), 7, np.uint8)) == 0  # so a constant map lies above it everywhere
    assert otsu(np.zeros((3, 3), np.uint8)) == 0


def test_levels_are_cut_and_survive_being_cut_before():
    run = saying(" a")
    every = (np.arange(256, dtype=np.float32) / np.float32(255)).reshape(16, 16)
    heat = Heatmap((MapPart(every, Placement.even((0.0, 0.0, 70.0, 60.0))),), False, "")
    assert Grey.of(heat, run).cells.ravel().tolist() == list(range(256))
    between = np.array([[0.999, 0.5, -0.4]], np.float32)
    heat = Heatmap((MapPart(between, Placement.even((0.0, 0.0, 70.0, 30.0))),), True, "")
    grey = Grey.of(heat, run)
    assert grey.cells.tolist() == [[254, 127, 0]]
    assert grey.placement.extent == (0.0, 0.0, 1.0, 0.5)


def test_a_map_lies_where_its_tokens_saw_the_picture():
    grey = Grey(np.array([[0, 200], [0, 200]], np.uint8), Placement.even((0.25, 0.0, 0.75, 1.0)))
    levels, predicted, threshold = grey.cut((8, 16))
    assert levels.shape == predicted.shape == (8, 16)
    assert not predicted[:, :4].any()
    assert not predicted[:, 12:].any()
    assert predicted[:, 9:12].all()
    assert threshold == otsu(grey.over((8, 8)))
    thin = Grey(np.array([[9]], np.uint8), Placement.even((0.999, 0.999, 1.0, 1.0)))
    assert thin.cut((2, 2))[1].tolist() == [[False, False], [False, True]]


def test_fit_by_hand():
    levels = np.array([[9, 5], [9, 0]], np.uint8)
    mask = np.array([[True, True], [False, False]])
    found = fit(levels, levels > 5, mask)
    assert (found.iou, found.precision, found.recall, found.hit) == (1 / 3, 0.5, 0.5, True)
    nothing = fit(levels, levels > 9, mask)
    assert (nothing.iou, nothing.recall) == (0, 0)
    assert math.isnan(nothing.precision)
    assert not fit(np.zeros((2, 2), np.uint8), mask, mask).hit  # points nowhere
    assert not fit(levels, levels > 5, np.array([[False, True], [False, True]])).hit


def test_f1_by_hand():
    assert f1(0.25, 0.75) == pytest.approx(0.375)
    assert f1(0.0, 0.0) == 0.0


# As published ------------------------------------------------------------------------------------


def box(x0, y0, x1, y1, shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def spot(row: int, column: int, level: int = 255, grid=(5, 6)) -> Grey:
    cells = np.zeros(grid, np.uint8)
    cells[row, column] = level
    return Grey(cells, WHOLE)


def spelt(*words: str | tuple[str, int]) -> list[Word]:
    """Return words of one token each, or of as many as told."""
    out, at = [], 0
    for word in words:
        text, count = word if isinstance(word, tuple) else (word, 1)
        out.append(Word(text, tuple(range(at, at + count))))
        at += count
    return out


def slow_tam(words, maps, kinds, labels, truth) -> dict[str, list[float]]:
    """Return the sums step by step as METHODS 6.1 tells them."""
    ious, precisions, recalls, thresholds = [], [], [], []
    for w in range(len(words)):
        if labels[w] <= 0 and kinds[w] != "noun":
            continue
        per_token, tops = [], []
        for token in words[w].tokens:
            shape = truth.shape or maps[token].cells.shape
            levels = resize(maps[token].cells, shape)
            t = slow_otsu(levels)
            tops.append(t)
            gt = truth.masks.get(labels[w], np.zeros(shape, bool)) if labels[w] > 0 else None
            if gt is not None and gt.sum() > 0:
                both = either = claimed = 0
                for y in range(shape[0]):
                    for x in range(shape[1]):
                        p = levels[y, x] > t
                        both += p and gt[y, x]
                        either += p or gt[y, x]
                        claimed += p
                precision = both / claimed if claimed else float("nan")
                per_token.append((both / either, precision, both / gt.sum()))
        thresholds.append(max(tops))
        if labels[w] <= 0:
            continue
        if per_token:
            best = max(range(len(per_token)), key=lambda i: per_token[i][0])
            for figures, value in zip((ious, precisions, recalls), per_token[best], strict=True):
                figures.append(value)
        if labels[w - 1] == labels[w] and len(ious) >= 2:
            keep = -1 if ious[-1] > ious[-2] else -2
            for figures in (ious, precisions, recalls):
                figures[-2:] = [figures[keep]]
    func = []
    if thresholds:
        fg = sum(thresholds) / len(thresholds)
        for w in range(len(words)):
            if kinds[w] == "function":
                shares = [
                    sum(int(v) < fg for v in maps[t].cells.ravel()) / maps[t].cells.size
                    for t in words[w].tokens
                ]
                func.append(sum(shares) / len(shares))
    return {
        "obj_iou": [sum(ious), len(ious)],
        "func_iou": [sum(func), len(func)],
        "precision": [sum(precisions), len(precisions)],
        "recall": [sum(recalls), len(recalls)],
    }


@pytest.mark.parametrize("seed", range(8))
def test_tam_agrees_with_a_slow_transcription(seed, english):
    rng = np.random.default_rng(seed)
    texts = ["A", "dog", "bear", "glass", "man", "teddy", "and", "the", "on", "grass", ".", "dogs"]
    words = spelt(*[(str(rng.choice(texts)), int(rng.integers(1, 4))) for _ in range(9)])
    maps = {
        t: Grey((255 * rng.random((5, 6)) ** 3).astype(np.uint8), WHOLE)
        for word in words
        for t in word.tokens
    }
    shape = (17, 23)
    masks = {i: rng.random(shape) > 0.7 for i in (18, 46, 58, 88) if rng.random() < 0.7}
    truth = Truth(shape, masks)
    kinds = [english.kind(w.text) for w in words]
    named = {"dog": 58, "dogs": 58, "bear": 88, "glass": 46, "teddy": 88}
    labels = [named.get(w.text, -1) for w in words]
    want = slow_tam(words, maps, kinds, labels, truth)
    got = judge_tam(words, maps, english, CATEGORIES, truth)
    for name, tally in want.items():
        assert got[name] == pytest.approx(tally), name
    assert got["punct_iou"] == [0, 0]


def test_tam_looks_for_dogs_where_hot_dogs_are(english):
    truth = Truth(SHAPE, {18: box(0, 0, 20, 20)})
    got = judge_tam(spelt("dog"), {0: spot(1, 1)}, english, CATEGORIES, truth)
    assert got["obj_iou"] == [0, 0]  # there is no hot dog, so the dog is skipped
    truth = Truth(SHAPE, {18: box(0, 0, 20, 20), 58: box(30, 20, 48, 40)})
    got = judge_tam(spelt("dog"), {0: spot(1, 1)}, english, CATEGORIES, truth)
    assert got["obj_iou"] == [0, 1]


def test_tam_merges_the_words_of_a_name_and_keeps_the_better(english):
    truth = Truth(SHAPE, {88: box(8, 8, 16, 16)})
    maps = {0: spot(4, 5), 1: spot(1, 1)}
    got = judge_tam(spelt("teddy", "bear"), maps, english, CATEGORIES, truth)
    good = judge_tam(spelt("a", "bear"), maps, english, CATEGORIES, truth)
    assert got["obj_iou"] == good["obj_iou"]
    assert got["obj_iou"][0] > 0.3


def test_tam_merges_unrelated_entries_when_the_named_thing_is_not_there(english):
    """Two glasses and a person, then "teddy bear" with no bear: the person and glass are merged."""
    truth = Truth(SHAPE, {46: box(8, 8, 16, 16), 1: box(30, 20, 48, 40)})
    words = spelt("glass", "a", "person", "a", "teddy", "bear")
    maps = {i: spot(1, 1) for i in range(6)}
    got = judge_tam(words, maps, english, CATEGORIES, truth)
    assert got["obj_iou"][1] == 1
    assert judge_tam(words[:4], maps, english, CATEGORIES, truth)["obj_iou"][1] == 2


def test_the_word_before_the_first_is_the_last_but_finds_nothing_to_merge(english):
    truth = Truth(SHAPE, {1: box(8, 8, 16, 16)})
    maps = {i: spot(1, 1) for i in range(3)}
    apart = judge_tam(spelt("person", "and", "person"), maps, english, CATEGORIES, truth)
    assert apart["obj_iou"][1] == 2
    pair = judge_tam(spelt("person", "person"), maps, english, CATEGORIES, truth)
    assert pair["obj_iou"][1] == 1


def test_tam_takes_the_token_that_fits_best(english):
    truth = Truth(SHAPE, {1: box(8, 8, 16, 16)})
    maps = {0: spot(4, 5), 1: spot(1, 1)}
    one = judge_tam(spelt("person"), {0: maps[1]}, english, CATEGORIES, truth)
    assert judge_tam(spelt(("person", 2)), maps, english, CATEGORIES, truth) == one


def test_a_map_of_zeros_spoils_tams_precision_and_not_ours(english):
    truth = Truth(SHAPE, {1: box(8, 8, 16, 16)})
    words, maps = spelt("person"), {0: Grey(np.zeros((5, 6), np.uint8), WHOLE)}
    assert math.isnan(judge_tam(words, maps, english, CATEGORIES, truth)["precision"][0])
    things = find_things(words, english, CATEGORIES)
    ours = judge_clean(words, things, maps, {}, english, truth)
    assert ours["precision"] == [0, 1]
    assert ours["obj_iou"] == [0, 1]


def test_a_constant_map_is_all_foreground(english):
    truth = Truth(SHAPE, {1: box(0, 0, 48, 10)})
    maps = {0: Grey(np.full((5, 6), 9, np.uint8), WHOLE)}
    got = judge_tam(spelt("person"), maps, english, CATEGORIES, truth)
    assert got["obj_iou"] == [0.25, 1]
    assert got["recall"] == [1, 1]


def test_without_a_mask_file_thresholds_still_count(english):
    words = spelt("the", "person")
    maps = {0: spot(0, 0, 200), 1: spot(0, 0, 100)}
    got = judge_tam(words, maps, english, CATEGORIES, Truth(None))
    assert got["obj_iou"] == [0, 0]
    assert got["func_iou"][1] == 1


def test_without_nouns_there_are_no_function_scores(english):
    words = spelt("the", "on", ".")
    maps = {i: spot(0, 0) for i in range(3)}
    truth = Truth(SHAPE)
    assert judge_tam(words, maps, english, CATEGORIES, truth)["func_iou"] == [0, 0]
    assert judge_clean(words, [], maps, {}, english, truth)["func_iou"] == [0, 0]


def test_function_words_are_measured_on_the_token_grid_below_the_mean_threshold(english):
    """Thresholds 0 and 200 (of a noun with no mask): what is below 100 is dark."""
    noun = Grey(np.array([[0, 201]], np.uint8), WHOLE)
    other = Grey(np.array([[200, 255]], np.uint8), WHOLE)
    the = Grey(np.array([[99, 100], [0, 255]], np.uint8), WHOLE)
    cuts = [otsu(g.over((2, 200))) for g in (noun, other)]
    dark = np.mean(cuts)
    words = spelt("man", "the", "grass", ".")
    maps = {0: noun, 1: the, 2: other, 3: the}
    truth = Truth((2, 200))
    share = np.mean(the.cells < dark)
    assert judge_tam(words, maps, english, {}, truth)["func_iou"] == [share, 1]
    ours = judge_clean(words, [], maps, {}, english, truth)
    assert ours["func_iou"] == [share, 1]
    assert ours["punct_iou"] == [share, 1]  # a figure of its own


def test_the_first_answer_token_borrows_the_map_of_the_first_prompt_token():
    run = saying("A", " dog")
    first, second = (int(i) for i in run.indices(ANSWER))
    assert tam_sources(run) == {first: int(run.indices(PROMPT)[0]), second: second}
    assert tam_sources(saying()) == {}


# As meant ----------------------------------------------------------------------------------------


def clean(words, maps, english, truth, shown=None):
    things = find_things(words, english, CATEGORIES)
    return judge_clean(words, things, maps, shown or {}, english, truth)


def test_clean_finds_a_dog_where_dogs_are(english):
    truth = Truth(SHAPE, {18: box(8, 8, 16, 16)})
    assert clean(spelt("dog"), {0: spot(1, 1)}, english, truth)["obj_iou"][0] > 0.3


def test_clean_judges_a_name_as_one_thing_and_shows_its_map(english):
    truth = Truth(SHAPE, {88: box(8, 8, 16, 16)})
    words, maps = spelt("teddy", "bear"), {0: spot(4, 5), 1: spot(1, 1)}
    both = Grey(np.maximum(maps[0].cells, maps[1].cells), WHOLE)
    got = clean(words, maps, english, truth, {(0, 1): both})
    single = clean(spelt("-", "bears"), {1: maps[1]} | {0: maps[0]}, english, truth)
    assert got["obj_iou"][1] == got["pointing"][1] == 1
    assert got["pointing"][0] == 1
    assert 0 < got["obj_iou_shown"][0] < got["obj_iou"][0]
    assert single["obj_iou"] == [0, 0]  # a bear is no teddy bear


def test_clean_never_merges_different_things(english):
    truth = Truth(SHAPE, {46: box(8, 8, 16, 16), 1: box(30, 20, 48, 40)})
    words = spelt("wine", "glass", "a", "person", "a", "teddy", "bear", "person", "person")
    maps = {i: spot(1, 1) for i in range(9)}
    got = clean(words, maps, english, truth, {(0, 1): spot(1, 1)} | {(5, 6): spot(1, 1)})
    assert got["obj_iou"][1] == 4


def test_a_tiny_map_is_read_without_a_mask_file(english):
    got = clean(spelt("the", "person"), {0: spot(0, 0), 1: spot(1, 1)}, english, Truth(None))
    assert got["obj_iou"] == [0, 0]
    assert got["func_iou"][1] == 1
