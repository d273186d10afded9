"""The held-out report: figures by hand, intervals, and a log that survives being killed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Placed, Scene
from explainer.errors import SightlineError
from explainer.evaluation import emoji, report
from explainer.evaluation.intervals import Ratio, ratio
from explainer.evaluation.synthetic import synthetic_run
from explainer.run import ANSWER


def test_the_longest_name_wins_and_plurals_count():
    found = emoji.mentions("Two hot dogs, a teddy bear and a dog near People in the stop signs.")
    assert [m.name for m in found] == ["hot dog", "teddy bear", "dog", "person", "stop sign"]
    assert emoji.mentions("a category of doghouses") == []


def test_word_tokens_are_those_that_spell_the_span():
    run = synthetic_run(np.random.default_rng(0), n_answer=4, answer_ids=[20, 21, 22, 23])
    answer = run.indices(ANSWER)
    assert run.answer == " w20 w21 w22 w23"
    assert emoji.word_tokens(run, 5, 8) == [answer[1]]
    assert emoji.word_tokens(run, 5, 12) == [answer[1], answer[2]]


def planted_scene(box):
    labels = np.zeros((336, 336), np.uint8)
    x0, y0, x1, y1 = box
    labels[y0:y1, x0:x1] = 1
    placed = Placed(11, ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0))
    return Scene(np.zeros((336, 336, 3), np.uint8), labels, (placed,), 0)


def test_pointing_asks_for_the_highest_cell():
    """A strong logit planted in one cell is pointed at; a mask that only touches it is not."""
    rng = np.random.default_rng(1)
    cell = (64.0, 96.0, 80.0, 112.0)  # one 16 px cell of 21 x 21
    run = synthetic_run(rng, answer_ids=[40], planted={40: cell})
    mention = emoji.NamedThing("cat", 0, len(run.answer))
    assert emoji.points_at(run, planted_scene((60, 90, 100, 120)), mention) == (True, True)
    assert emoji.points_at(run, planted_scene((78, 96, 120, 130)), mention) == (False, True)
    assert emoji.points_at(run, planted_scene((200, 200, 240, 240)), mention) == (False, False)


def test_pointing_counts_cells_of_the_seen_part():
    """Where a band of tokens saw nothing, as on padding, the map is smaller than the grid."""
    run = synthetic_run(np.random.default_rng(1), answer_ids=[40], planted={40: (64, 96, 80, 112)})
    scale = run.scales[0]
    rects = scale.views[0].rects.copy().reshape(21, 21, 4)
    rects[:2] = np.nan
    view = replace(scale.views[0], rects=rects.reshape(-1, 4))
    padded = replace(run, scales=(replace(scale, views=(view,)), *run.scales[1:]))
    mention = emoji.NamedThing("cat", 0, len(run.answer))
    assert emoji.points_at(padded, planted_scene((64, 96, 80, 112)), mention) == (True, True)


def test_a_ratio_is_over_what_was_judged():
    r = ratio([1, 0, 2], [1, 1, 2])
    assert r.value == pytest.approx(0.75)
    assert r.n == 4
    assert r.low <= r.value <= r.high


def test_the_interval_is_that_of_whole_samples():
    """Ten samples of two equal halves: resampling samples gives a wide interval, items a narrow."""
    hits, totals = [100] * 5 + [0] * 5, [100] * 10
    r = ratio(hits, totals)
    assert r.low < 0.25
    assert r.high > 0.75


def test_a_certain_ratio_has_no_width_and_nothing_judged_is_nan():
    assert ratio([2, 2], [2, 2]) == Ratio(1.0, 1.0, 1.0, 4)
    assert np.isnan(ratio([0], [0]).value)


def test_summaries_leave_out_what_a_scene_did_not_ask():
    samples = [
        {"seed": 0, "recall": [1, 2], "count": [1, 1]},
        {"seed": 1, "recall": [2, 2]},
    ]
    figures = emoji.summarise(samples)
    assert figures["recall"].value == 0.75
    assert figures["count"].n == 1
    assert figures["relation"].n == 0


def test_training_seeds_are_refused():
    with pytest.raises(SightlineError, match="held out"):
        emoji.judge_scene(None, FIRST_TRAINING_SEED)


def test_a_killed_log_goes_on_and_another_evaluation_is_refused(tmp_path):
    file = tmp_path / "samples.jsonl"
    log = report.SampleLog(file, {"model": "a"})
    log.add({"seed": 0})
    log.add({"seed": 1})
    with file.open("a") as broken:
        broken.write('{"seed": 2, "rec')
    again = report.SampleLog(file, {"model": "a"})
    assert again.samples == [{"seed": 0}, {"seed": 1}]
    again.add({"seed": 2})
    assert [s["seed"] for s in report.SampleLog(file, {"model": "a"}).samples] == [0, 1, 2]
    with pytest.raises(SightlineError, match="another evaluation"):
        report.SampleLog(file, {"model": "b"})


def test_the_written_report_holds_each_figure_with_n_and_interval(tmp_path):
    figures = {"recall": Ratio(0.95, 0.9, 0.97, 40), "count": Ratio(0.5, 0.4, 0.6, 10)}
    report.write(tmp_path, figures, {"recall": 0.96}, {"model": "m"})
    summary = json.loads((tmp_path / "report.json").read_text())
    assert summary["recall"] == {"value": 0.95, "interval": [0.9, 0.97], "n": 40}
    assert summary["about"]["machine"]
    text = (tmp_path / "report.md").read_text()
    assert "| recall | 0.950 | 0.900 to 0.970 | 40 | >= 0.96 MISSED |" in text


def test_a_figure_of_nothing_is_null_in_the_report(tmp_path):
    none = float("nan")
    report.write(tmp_path, {"recall": Ratio(none, none, none, 0)}, {}, {})

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    summary = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert summary["recall"] == {"value": None, "interval": [None, None], "n": 0}
