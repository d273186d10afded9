"""Agreement with EAGLE's order, and what takes false answers away: figures by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explainer.__main__ import main
from explainer.errors import SightlineError
from explainer.evaluation import agreement, candidates, eagle_words, hallucinations
from explainer.evaluation.candidates import parse
from explainer.evaluation.hallucinations import Question
from explainer.methods.base import Heatmap, MapPart
from explainer.probing.eagle_search import Found
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.probing.tiling import Tiling
from explainer.run import ANSWER
from explainer.run.geometry import Placement
from tests.ui.fake import fake_run

PLAN = RegionPlan(4, "cells")


def tiling_of(run):
    white = np.full((40, 40, 3), 255, np.uint8)
    return Tiling.of(replace(run, images=(white,)), 4, parts="cells")


def test_the_table_has_each_figure_with_its_interval():
    words = [[{"tam": {"rank": rank, "iou": 0.5, "first": 1.0}}] for rank in (1.0, -0.4)]
    told = agreement.markdown(agreement.summarise(words), 2, 2)
    assert "| tam | 0.30 [" in told
    assert "2 words of 2 scenes" in told


class Asserting:
    """Says yes until the lower left quarter is black."""

    def __init__(self, first: str = "Yes") -> None:
        self.first = first

    def record(self, image, prompt, **options):
        word = self.first if np.asarray(image)[34:, :6].any() else "No"
        run = fake_run((word, "."), prompt, (40, 40))
        return replace(run, images=(image,))

    def search_regions(self, run, word, plan):
        assert word.tokens == (int(run.indices(ANSWER)[0]),)
        order = np.array([2, 0, 1, 3])
        return RegionAttribution(tiling_of(run), Found(order, np.zeros(5), np.zeros(5)), "pixels")

    def attribute(self, run, tokens, method, **knobs):
        return run


def test_false_answers_are_taken_away_in_each_order(monkeypatch):
    question = Question(np.full((40, 40, 3), 255, np.uint8), "Is there a cat?")
    means = np.array([4.0, 3, 2, 1])
    monkeypatch.setattr(hallucinations, "part_means", lambda tiling, heat: means)
    monkeypatch.setattr(candidates, "explain_subject", lambda *args, **knobs: None)
    told = hallucinations.judge(Asserting(), question, parse(["tam"]), PLAN, [1.0])
    assert told["EAGLE"] == pytest.approx(399 / 1600)
    assert told["tam"] == pytest.approx(1159 / 1600)
    assert set(told) == {"EAGLE", "tam", agreement.CHANCE}
    assert hallucinations.judge(Asserting("No"), question, [], PLAN, [1.0]) is None
    figures = hallucinations.summarise([{"EAGLE": 0.05}, {"EAGLE": 1.0}])
    assert figures["EAGLE"]["AMCR"].value == pytest.approx(0.525)
    assert figures["EAGLE"]["CSR@10%"].value == 0.5, "what never went counts"
    assert "2 false answers to 40" in hallucinations.markdown(figures, 2, 40)


def test_questions_in_the_form_of_repope(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    lines = [
        {"image": "a.jpg", "text": "Is there a cat?", "label": "no"},
        {"image": "a.jpg", "text": "Is there a dog?", "label": "yes"},
        {"image": "a.jpg", "text": "Is there a cow?", "label": "No"},
    ]
    file = tmp_path / "repope.json"
    file.write_text("\n".join(map(json.dumps, lines)))
    found = [question() for question in hallucinations.repope_questions(file, tmp_path, 5)]
    assert [question.prompt for question in found] == ["Is there a cat?", "Is there a cow?"]
    assert found[0].image.shape == (8, 8, 3)
    for broken, why in (
        ("[]", "line 1: no image"),
        (json.dumps(lines[0] | {"image": "b.jpg"}), "no picture 'b.jpg'"),
        (json.dumps(lines[0] | {"image": "../a.jpg"}), r"no picture '\.\./a.jpg'"),
    ):
        file.write_text(broken)
        with pytest.raises(SightlineError, match=why):
            hallucinations.repope_questions(file, tmp_path, 5)


def test_the_pointing_game_by_hand():
    mask = np.zeros((4, 4), bool)
    mask[[0, 1], [1, 2]] = True
    best = np.zeros((4, 4), bool)
    best[0, 2] = True
    assert eagle_words.point(best, mask) == {"box": 1, "mask": 0}
    best[1, 2] = True
    assert eagle_words.point(best, mask) == {"box": 1, "mask": 1}
    assert eagle_words.point(~mask & (np.arange(4) > 2), mask) == {"box": 0, "mask": 0}
    values = np.array([[0, 0.5], [0.9, 0.9]], np.float32)
    heat = Heatmap((MapPart(values, Placement.even((0, 0, 4, 4))),), False, "")
    assert eagle_words.highest(heat, (4, 4)).tolist() == [[False] * 4] * 2 + [[True] * 4] * 2
    flat = Heatmap((MapPart(np.ones((2, 2), np.float32), heat.parts[0].placement),), False, "")
    assert not eagle_words.highest(flat, (4, 4)).any()


# A scene with one thing, in a small picture.
ONE_THING = ["--n", "1", "--first-seed", "20006"]


def test_the_search_has_its_row_beside_the_maps(tmp_path, capsys):
    args = ["--search-curves", "--regions", "4", "--steps", "2", "--hiding", "tokens"]
    asked = ["evaluate", *args, *ONE_THING, "--early", "--methods", "tam", "--out", str(tmp_path)]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "| EAGLE |" in printed
    assert "| EAGLE, ended early |" in printed
    (scene,) = json.loads((tmp_path / "search_curves.json").read_text())["samples"]
    word = scene["words"][0]
    assert {tuple(figures) for figures in word.values()} == {eagle_words.FIGURES}
    assert all(0 <= value <= 1 for value in word["tam"].values())


def test_the_agreement_is_printed_and_written(tmp_path, capsys):
    args = ["--agreement", *ONE_THING, "--regions", "4", "--early"]
    assert main(["evaluate", *args, "--methods", "tam", "--out", str(tmp_path)]) == 0
    assert "| tam |" in capsys.readouterr().out
    told = json.loads((tmp_path / "agreement.json").read_text())
    assert {"tam", agreement.EARLY, agreement.PREVIEW, agreement.CHANCE} == set(
        told["samples"][0]["words"][0]
    )
    assert told["about"]["hiding"] == "pixels"
    assert "| random order |" in (tmp_path / "agreement.md").read_text()


def test_a_stopped_table_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    asked, stops = [], [1]

    def judge(explainer, question, *args, **options):
        if asked and stops:
            raise KeyboardInterrupt(stops.pop())
        asked.append(question.prompt)
        return {"EAGLE": 0.25, agreement.CHANCE: 1.0} if stops else None

    monkeypatch.setattr(hallucinations, "judge", judge)
    command = ["evaluate", "--hallucinations", "--n", "3", "--out", str(tmp_path)]
    assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert main(command) == 0
    assert len(asked) == len(set(asked)) == 3, "each is asked once"
    assert "1 false answers to 3 questions" in capsys.readouterr().out
    assert main([*command, "--regions", "12"]) == 2, "another search, other figures"
