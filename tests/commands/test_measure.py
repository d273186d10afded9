"""The commands that train and measure, as a person types them."""

from __future__ import annotations

import json
import sys

import psutil
import pytest

from explainer.__main__ import main
from explainer.commands import bench, browser, crowding
from explainer.commands.figure import Figure
from explainer.emoji_world import checkpoint
from explainer.emoji_world.architectures.qwen2_vl import TinyQwen2VL
from explainer.errors import SightlineError
from explainer.models import threads


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder made by `train --steps 1`, too short to have learned anything."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    texts = checkpoint.corpus(scenes=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "corpus", lambda: texts)
        patch.setattr(TinyQwen2VL, "curriculum", TinyQwen2VL.curriculum[:1])
        assert main(["train", "--out", str(folder), "--steps", "1", "--report", "0"]) == 0
    return folder


def test_train_leaves_a_model_with_its_card(trained):
    card = (trained / "README.md").read_text()
    assert "--steps 1 --seed 0" in card
    assert "Not measured yet." in card
    assert "teddy bear" in card
    assert json.loads((trained / "training.json").read_text())["step"] == 1


def test_train_says_what_it_cannot_do(trained, tmp_path, capsys):
    assert main(["train", "--out", str(trained), "--steps", "1"]) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert main(["train", "--out", str(tmp_path), "--steps", "1", "--minutes", "1"]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["train", "--out", str(tmp_path / "none"), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert main(["train", "--out", str(tmp_path / "none"), "--resume", "--steps", "1"]) == 2
    assert "keeps its length and its seed" in capsys.readouterr().err


@pytest.mark.slow
def test_evaluate_writes_each_promised_figure_and_goes_on(tmp_path, capsys):
    words = ["evaluate", "--dataset", "emoji", "--out", str(tmp_path)]
    assert main([*words, "--n", "1"]) == 0
    assert main([*words, "--n", "2"]) == 0  # the first sample is taken from the log
    assert "| yes_no_accuracy |" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    for name in ("recall", "precision", "yes_no_accuracy", "pointing"):
        assert set(report[name]) == {"value", "interval", "n"}
    assert report["yes_no_accuracy"]["n"] == 4
    assert (tmp_path / "report.md").read_text().startswith("| figure |")
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 3


def test_evaluate_refuses_nothing_and_training_seeds(trained, capsys):
    assert main(["evaluate", "--model", str(trained), "--n", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
    words = ["evaluate", "--model", str(trained), "--n", "1", "--first-seed", "1000000"]
    assert main(words) == 2
    assert "held out" in capsys.readouterr().err


def test_a_run_at_2b_dimensions_is_as_small_as_promised():
    figure = bench.measure_run_size()
    assert 5 < figure.value <= figure.bar == 8


def test_the_evidence_of_a_run_at_2b_dimensions_is_as_small_as_promised():
    figures = list(bench.measure_evidence_sizes())
    assert [f.bar for f in figures] == [450, 3000]
    assert all(100 < f.value <= f.bar for f in figures)


def test_evaluating_costs_little_beside_the_forwards():
    seconds, share = bench.measure_evaluation(1)
    assert seconds.value > 0
    assert 0 < share.value < 100
    assert (share.unit, share.bar) == ("%", 5)


def test_a_crowded_recording_is_measured_beside_busy_processes():
    beside = []

    def record() -> float:
        beside.append(_busy())
        return 1.0 + beside[-1]

    figure = crowding.measure_crowded(record, repeat=2)
    cores = threads.usable_cores()
    assert beside == [0, cores, 0, cores]
    assert (figure.value, figure.bar) == (1.0 + cores, 3.0)
    assert _busy() == 0


def _busy() -> int:
    return sum(crowding._BUSY in p.cmdline() for p in psutil.Process().children())


def test_a_figure_is_held_against_its_bar():
    assert Figure("x", 20.5, "ms", 60).row() == "| x | 20.50 ms | <= 60 | met |"
    assert Figure("x", 90, "ms", 80).row().endswith("| 90.00 ms | <= 80 | MISSED |")
    assert Figure("x", 1.0, "s", None).row() == "| x | 1.00 s | | |"


def test_measuring_in_a_browser_says_what_it_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(SightlineError, match="pip install playwright"):
        list(browser.measure("http://127.0.0.1:1/"))
