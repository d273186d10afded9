"""An evaluation of maps from end to end: candidates, samples, resuming, sharing, tables."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainer.__main__ import main
from explainer.commands import measuring
from explainer.commands.measuring import NOTHING_JUDGED  # what a random model says names nothing
from explainer.errors import KnobError, MethodError, SightlineError
from explainer.evaluation import tables
from explainer.evaluation.candidates import parse
from explainer.evaluation.datasets import Sample
from explainer.evaluation.end_token import with_end_token
from explainer.evaluation.faithfulness import CurveSettings
from explainer.evaluation.intervals import Bootstrap, ratio
from explainer.evaluation.iou import Grey, Truth, fit
from explainer.evaluation.measure import EMPTY, NO_MASK, TOKENISED_ANEW, MeasurePlan, measure
from explainer.evaluation.opencv_resize import resize
from explainer.evaluation.paper import TABLES
from explainer.evaluation.report import SampleLog, read_log
from explainer.evaluation.shards import (
    ShardPlace,
    open_log,
    read_all_samples,
    select_share,
    wait_for_others,
)
from explainer.evaluation.words import grammar
from explainer.methods import METHODS
from explainer.methods.controls import CONTROLS
from explainer.methods.otsu import otsu
from explainer.run import ANSWER
from tests.evaluation.saying import saying

ROOT = Path(__file__).parents[2]


# Candidates and controls -------------------------------------------------------------------------


def test_candidates_are_methods_with_presets_and_knobs():
    names = ["msea_arc", "msea_arc:paper+k=20+scales=0.5/1", "tam", "random", "grad_cam", "tam"]
    found = parse(names, scales=[0.75, 1.0], k=30)
    assert [c.name for c in found] == names[:-1]  # each once
    first, second, tam, random, grad = found
    assert (first.settings["scales"], first.settings["k"]) == ((0.75, 1.0), 30)
    assert (second.settings["scales"], second.settings["k"]) == ((0.5, 1.0), 20)
    assert second.settings["fuse_at"] == "pixels"  # of the preset
    assert second.alphas == {0.5, 1.0}
    assert tam.alphas == random.alphas == set()
    assert random.method is CONTROLS["random"]
    assert grad.method.name == "grad_cam"
    assert parse(["logit_lens+alpha=0.5"])[0].alphas == {0.5}
    assert parse(["msea_arc+beta=auto+clip=none"])[0].settings["beta"] is None
    weighted = parse(["msea_arc+scale_weights=1/0/2"])[0].settings["scale_weights"]
    assert weighted == (1, 0, 2)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("lens", MethodError, "msea_arc, .*random"),
        ("tam:paper", MethodError, "no preset"),
        ("tam+k=3", KnobError, "sets no knob of tam"),
        ("msea_arc+k", KnobError, "knob=value"),
        ("msea_arc+k=many", KnobError, "takes a number"),
        ("msea_arc+k=10/200", KnobError, "takes a number"),
        ("msea_arc+scales=one", KnobError, "takes numbers"),
        ("msea_arc+k=0", KnobError, "must lie in"),
    ],
)
def test_wrong_candidates_are_named(name, error, words):
    with pytest.raises(error, match=words):
        parse([name])


def test_controls_know_nothing_of_the_token_but_its_number():
    run = saying(" a", " cat", grids={1.0: (5, 7)})
    first, second = run.indices(ANSWER)
    random, centre = CONTROLS["random"], CONTROLS["centre"]
    assert np.array_equal(random(run, first).values, random(run, first).values)
    assert not np.array_equal(random(run, first).values, random(run, second).values)
    assert random(run, first).values.max() < 1
    bump = centre(run, first).values
    assert bump[2, 3] == bump.max() == 1
    assert np.array_equal(bump, centre(run, second).values)
    assert np.array_equal(bump, bump[::-1, ::-1])
    assert not set(CONTROLS) & set(METHODS)  # not for the page


# One sample --------------------------------------------------------------------------------------

BOX = (10.0, 10.0, 30.0, 30.0)


class Recorded:
    """Stands for a model: its recordings are runs made by hand."""

    def __init__(self, run, pieces=None) -> None:
        self.run, self.asked, self.reread = run, [], 0
        self.family = type("Family", (), {"codec": self, "alphas": (0.1, 1.0), "label": "A model"})
        self._pieces = [run.tokens.texts[i] for i in run.indices(ANSWER)]
        self._pieces = self._pieces if pieces is None else pieces

    def record(self, image, prompt, **options):
        self.asked.append(options)
        return self.run

    def encode_template(self, text):
        return range(len(self._pieces))

    def piece(self, i):
        return self._pieces[i] if i < len(self._pieces) else f"<|{i}|>"

    def token_probabilities(self, run, variants):
        self.reread += len(variants)
        return np.full((len(variants), len(run.indices(ANSWER))), 0.5, np.float32)


def cat_run(*texts):
    """Return a run that says these words with its "cat" planted in a box."""
    ids = [20 + list(dict.fromkeys(texts)).index(text) for text in texts]
    planted = {ids[texts.index(" cat")]: BOX} if " cat" in texts else {}
    grids = {1.0: (6, 7), 0.75: (5, 5), 0.5: (3, 4)}
    return saying(*texts, grids=grids, planted=planted)


def cat_sample(truth=None):
    mask = np.zeros((60, 70), bool)
    mask[10:30, 10:30] = True
    told = truth or Truth(mask.shape, {3: mask})
    return Sample("one", np.zeros((60, 70, 3), np.uint8), "What?", {3: "cat"}, lambda: told)


def plan(*names, mode="clean", **changes) -> MeasurePlan:
    english = grammar("list", ["cat"])
    return MeasurePlan(tuple(parse(names)), mode, english, (0.5, 0.75, 1.0), 16, **changes)


@pytest.mark.parametrize("mode", ["clean", "tam"])
def test_a_sample_is_the_figures_of_every_method_on_one_run(mode):
    run = cat_run("A", " cat", " and", " a", " cat", ".")
    model = Recorded(run)
    told = measure(model, cat_sample(), plan("logit_lens", "msea_arc", "random", mode=mode))
    assert len(model.asked) == 1
    assert model.asked[0]["scales"] == [0.5, 0.75, 1.0]
    assert (told["key"], told["dropped"], told["answer"]) == ("one", "", run.answer)
    json.dumps(told)
    lens = told["methods"]["logit_lens"]
    assert lens["obj_iou"][1] == 2
    assert lens["func_iou"][1] == 3
    assert lens["punct_iou"][1] == (1 if mode == "clean" else 0)
    assert lens["obj_iou"][0] > 3 * told["methods"]["random"]["obj_iou"][0]
    # by hand: the word's map, cut to 8 bits and by Otsu
    cat = int(run.indices(ANSWER)[1])
    grey = Grey.of(METHODS["logit_lens"](run, cat), run)
    levels = resize(grey.cells, (60, 70)) if mode == "tam" else grey.over((60, 70))
    truth = cat_sample().truth().masks[3]
    alone = fit(levels, levels > otsu(levels), truth)
    assert lens["obj_iou"][0] == pytest.approx(2 * alone.iou, abs=1e-5)
    assert lens["recall"][0] == pytest.approx(2 * alone.recall, abs=1e-5)


def test_tams_first_word_wears_the_map_of_the_first_prompt_token():
    """Its function score is that map's, not its own."""
    run = cat_run("A", " cat")
    prompt = int(np.flatnonzero(run.tokens.roles == 1)[0])
    told = measure(Recorded(run), cat_sample(), plan("logit_lens", mode="tam"))
    maps = {t: Grey.of(METHODS["logit_lens"](run, t), run) for t in (prompt, prompt + 1)}
    cat = Grey.of(METHODS["logit_lens"](run, int(run.indices(ANSWER)[1])), run)
    dark = otsu(resize(cat.cells, (60, 70)))
    share = float(np.mean(maps[prompt].cells < dark))
    assert told["methods"]["logit_lens"]["func_iou"] == [pytest.approx(share, abs=1e-6), 1]


def test_tams_last_word_has_the_end_token_glued_to_it():
    """It names nothing then; with an end after a full stop the thing before it counts."""
    for texts, things in ((("A", " cat"), 0), (("A", " cat", "."), 1)):
        run = cat_run(*texts)
        ended = replace(run, settings={**run.settings, "end": int(run.unembedding.ids[-1])})
        plain, glued = (
            measure(Recorded(r), cat_sample(), plan("logit_lens", "tam:published", mode="tam"))
            for r in (run, ended)
        )
        assert glued["answer"] == run.answer
        for method in ("logit_lens", "tam:published"):
            assert plain["methods"][method]["obj_iou"][1] == 1
            assert glued["methods"][method]["obj_iou"][1] == things


def test_the_end_token_has_the_map_of_its_class_and_leaves_the_others_theirs():
    run = cat_run("A", " cat")
    end = int(run.topk[-1, 0])
    ended = with_end_token(replace(run, settings={**run.settings, "end": end}), "<end>")
    last = len(run.tokens)
    assert (ended.tokens.texts[-1], ended.tokens.ids[-1]) == ("<end>", end)
    assert ended.probs[-1] == run.candidate_probs[-1, 0]
    shown = METHODS["logit_lens"](ended, last, show="signed").values
    lens = ended.visual_logits(1.0)[run.unembedding.index([end])[0]].reshape(shown.shape)
    np.testing.assert_allclose(shown, lens / np.abs(lens).max(), atol=1e-6)
    for name in ("msea_arc", "tam"):
        for t in run.indices(ANSWER):
            one, other = (METHODS[name](r, int(t)).values for r in (run, ended))
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert np.isfinite(METHODS[name](ended, last).values).all()


def test_why_samples_are_dropped():
    run = cat_run("A", " cat")
    assert measure(Recorded(saying()), cat_sample(), plan("tam"))["dropped"] == EMPTY
    split = Recorded(run, ["A", " c", "at"])
    assert measure(split, cat_sample(), plan("tam", mode="tam"))["dropped"] == TOKENISED_ANEW
    assert measure(split, cat_sample(), plan("tam"))["dropped"] == ""
    bare = cat_sample(Truth(None))
    assert measure(Recorded(run), bare, plan("tam"))["dropped"] == NO_MASK
    assert measure(Recorded(run), bare, plan("tam", mode="tam"))["dropped"] == ""


def test_a_picture_that_cannot_be_asked_about_is_dropped_with_its_reason(qwen, tmp_path):
    file = tmp_path / "broken.png"
    file.write_text("no picture")
    told = measure(qwen, replace(cat_sample(), image=file), plan("tam"))
    assert "broken.png" in told["dropped"] or "picture" in told["dropped"]
    assert told["methods"] == {}


def test_a_method_that_does_not_apply_is_refused_with_its_reason(qwen):
    image = np.random.default_rng(0).integers(0, 256, (60, 84, 3), dtype=np.uint8)
    sample = replace(cat_sample(), image=image, truth=lambda: Truth((60, 84)))
    told = measure(qwen, sample, plan("archi_surgery", "grad_cam", "tam"))
    assert set(told["methods"]) == {"grad_cam", "tam"}
    assert told["refused"]["archi_surgery"]
    summary = tables.summarise([told], ["archi_surgery", "grad_cam", "tam"])
    assert set(summary.methods) == {"grad_cam", "tam"}
    assert told["refused"]["archi_surgery"] in tables.markdown(summary)


def test_eagle_is_judged_when_it_is_asked_for_and_is_in_no_table(qwen):
    image = np.random.default_rng(0).integers(0, 256, (60, 84, 3), dtype=np.uint8)
    sample = replace(cat_sample(), image=image, truth=lambda: Truth((60, 84)))
    told = measure(qwen, sample, plan("eagle+regions=4", "tam"))
    assert set(told["methods"]) == {"eagle+regions=4", "tam"}
    rows = [row for table in TABLES.values() for row in table.rows.values()]
    assert not [row for row in rows if "eagle" in row]


def test_curves_are_summed_over_the_things_that_are_there():
    run = cat_run("A", " cat", " on", " a", " cat")
    settings = CurveSettings(fills=("black", "mean"), steps=4)
    wanted = plan("logit_lens", "random", curves=settings)
    told = measure(Recorded(run), cat_sample(), wanted, curves=True)
    assert set(told["curves"]) == {"black", "mean"}
    sums = told["curves"]["black"]["random"]
    assert sums == {"insertion": [1, 2], "deletion": [1, 2], "confidence": [1, 2]}
    assert "curves" not in measure(Recorded(run), cat_sample(), wanted)


def test_words_that_share_a_map_share_its_readings():
    """The lens of a repeated word and the centre are read once, the noise for each word."""
    model = Recorded(cat_run("A", " cat", " on", " a", " cat"))
    wanted = plan("logit_lens", "centre", "random", curves=CurveSettings(steps=4))
    told = measure(model, cat_sample(), wanted, curves=True)["curves"]["black"]
    assert {sums["insertion"][1] for sums in told.values()} == {2}
    assert model.reread == (1 + 1 + 2) * 2 * 4


# Figures -----------------------------------------------------------------------------------------


def judged(key, obj, func, dropped=""):
    methods = {"a": {"obj_iou": obj, "func_iou": func}, "b": {"obj_iou": func, "func_iou": func}}
    return {"key": key, "dropped": dropped, "methods": {} if dropped else methods}


def test_figures_are_means_over_words_and_f1_is_of_the_means():
    samples = [judged("1", [0.5, 1], [1, 2]), judged("2", [0.5, 3], [0, 0]), judged("3", 0, 0, "x")]
    summary = tables.summarise(samples, ["a", "b"])
    a = summary.methods["a"]
    assert a["obj_iou"].value == 0.25
    assert a["func_iou"].value == 0.5
    assert a["f1_iou"].value == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    assert a["f1_iou"].low <= a["f1_iou"].value <= a["f1_iou"].high
    assert summary.gains["b"]["f1_iou"].value == pytest.approx(0.5 - a["f1_iou"].value)
    assert (summary.samples, summary.dropped) == (3, {"x": 1})
    text = tables.markdown(summary)
    assert "| a | 25.00 [" in text
    assert "3 samples, 1 of them dropped (33.3%)." in text
    assert "* 1: x" in text
    assert "| b | +" in text


def test_equal_methods_differ_by_nothing_in_every_draw():
    rng = np.random.default_rng(0)
    pairs = [np.stack([rng.random(30), np.ones(30)], axis=1) for _ in range(2)]
    gain = Bootstrap(30).f1_gain(pairs, pairs)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_the_interval_of_f1_agrees_with_drawing_by_hand():
    rng = np.random.default_rng(1)
    obj, func = (np.stack([rng.random(40), np.ones(40)], axis=1) for _ in range(2))
    found = Bootstrap(40).f1(obj, func)
    draws = np.random.default_rng(9).integers(40, size=(4000, 40))
    o, f = obj[draws, 0].mean(1), func[draws, 0].mean(1)
    low, high = np.percentile(2 * o * f / (o + f), [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)
    assert Bootstrap(40).ratio(*obj.T) == ratio(*obj.T)


def test_a_poisoned_figure_is_undefined_and_spares_the_others(tmp_path):
    poisoned = judged("1", [0.5, 1], [1, 2])
    poisoned["methods"]["a"]["precision"] = [float("nan"), 1]
    summary = tables.summarise([poisoned, judged("2", [0.5, 1], [1, 1])], ["a"])
    assert "undefined (n=1)" in tables.markdown(summary)
    assert summary.methods["a"]["obj_iou"].value == 0.5
    tables.write(tmp_path, summary, {"model": "m"})
    told = json.loads((tmp_path / "report.json").read_text())  # strict JSON: null, not NaN
    assert told["methods"]["a"]["precision"] == {"value": None, "interval": [None] * 2, "n": 1}
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_judged_makes_a_table_all_the_same(tmp_path):
    for samples in ([], [judged("1", 0, 0, "x")]):
        summary = tables.summarise(samples, ["a"])
        assert summary.methods["a"].get("obj_iou") is None
        tables.write(tmp_path, summary, {})


# Places and files --------------------------------------------------------------------------------


def test_places_are_read_from_the_environment():
    assert ShardPlace.of({}) == ShardPlace(0, 1, 0)
    assert ShardPlace.of({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}) == ShardPlace(3, 8, 1)
    for wrong in ({"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "x"}):
        with pytest.raises(SightlineError, match="RANK"):
            ShardPlace.of(wrong)


def test_each_sample_has_one_process_and_done_ones_are_left_out():
    keys = [f"k{i}" for i in range(7)]
    shares = [select_share(keys, ShardPlace(rank, 3), {}) for rank in range(3)]
    assert sorted(i for share in shares for i in share) == list(range(7))
    assert select_share(keys, ShardPlace(0, 3), {"k3": {}}) == [0, 6]


def test_files_of_all_processes_are_read_whoever_wrote_them(tmp_path):
    made = {"model": "m"}
    for rank, world in ((0, 1), (0, 2), (1, 2)):
        open_log(tmp_path, ShardPlace(rank, world), made).add({"key": f"{rank} of {world}"})
    with (tmp_path / "samples-1-of-2.jsonl").open("a") as file:
        file.write('{"key": {"half": 1}')  # being written: ends with a bracket, not with a line
    assert sorted(read_all_samples(tmp_path, made)) == ["0 of 1", "0 of 2", "1 of 2"]
    with pytest.raises(SightlineError, match="another evaluation"):
        read_all_samples(tmp_path, {"model": "n"})
    (tmp_path / "samples-9-of-9.jsonl").write_text("nonsense\n")
    with pytest.raises(SightlineError, match="damaged"):
        read_all_samples(tmp_path, made)


def test_a_log_killed_in_its_first_line_starts_anew(tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text('{"made_w')
    log = SampleLog(file, {"model": "m"})
    log.add({"key": "a"})
    assert read_log(file, {"model": "m"})[0] == [{"key": "a"}]


def test_waiting_ends_with_the_last_sample_or_with_patience(tmp_path):
    log = open_log(tmp_path, ShardPlace(1, 2), {})
    log.add({"key": "a"})
    told = []
    start = time.monotonic()
    found = wait_for_others(tmp_path, {}, ["a", "b"], 0.2, told.append, pause=0.05)
    assert time.monotonic() - start >= 0.2
    assert set(found) == {"a"}
    log.add({"key": "b"})
    assert set(wait_for_others(tmp_path, {}, ["a", "b"], 60.0)) == {"a", "b"}
    assert told[-1] == 1


# The command -------------------------------------------------------------------------------------

METHOD_FLAGS = ["--methods", "tam,logit_lens,msea_arc+scales=1", "--max-new-tokens", "4"]


def words(model: Path, out: Path, n: int = 2) -> list[str]:
    return ["evaluate", "--model", str(model), *METHOD_FLAGS, "--n", str(n), "--out", str(out)]


def test_the_command_writes_a_report_and_goes_on(qwen_folder, tmp_path, capsys):
    assert main(words(qwen_folder, tmp_path, 1)) == NOTHING_JUDGED
    first = (tmp_path / "samples.jsonl").read_text()
    assert main([*words(qwen_folder, tmp_path, 2)]) == NOTHING_JUDGED
    assert (tmp_path / "samples.jsonl").read_text().startswith(first)
    out = capsys.readouterr().out
    assert "| method |" in out
    told = json.loads((tmp_path / "report.json").read_text())
    assert set(told["methods"]) == {"tam", "logit_lens", "msea_arc+scales=1", "random", "centre"}
    assert told["samples"] == 2
    assert told["about"]["command"].endswith("--mode clean --pos list")
    assert str(tmp_path) not in (tmp_path / "report.md").read_text()
    assert main([*words(qwen_folder, tmp_path), "--mode", "tam"]) == 2
    assert "another evaluation" in capsys.readouterr().err


def test_a_finished_evaluation_is_summed_up_without_its_model(qwen_folder, tmp_path, monkeypatch):
    assert main(words(qwen_folder, tmp_path, 1)) == NOTHING_JUDGED

    def refuse(*_, **__):
        raise AssertionError("the model is not needed")

    monkeypatch.setattr(measuring, "load", refuse)
    assert main(words(qwen_folder, tmp_path, 1)) == NOTHING_JUDGED


def test_stopping_keeps_what_is_done(qwen_folder, tmp_path, monkeypatch, capsys):
    from explainer.evaluation import campaign

    def stopped_at_second(*args, **options):
        if (tmp_path / "samples.jsonl").read_text().count("\n") > 1:
            raise KeyboardInterrupt
        return measure(*args, **options)

    monkeypatch.setattr(campaign, "measure", stopped_at_second)
    assert main(words(qwen_folder, tmp_path, 3)) == 130
    assert "samples are kept in" in capsys.readouterr().out
    assert (tmp_path / "samples.jsonl").read_text().count("\n") == 2
    assert not (tmp_path / "report.json").exists()
    monkeypatch.undo()
    assert main(words(qwen_folder, tmp_path, 3)) == NOTHING_JUDGED
    assert (tmp_path / "samples.jsonl").read_text().count("\n") == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dataset", "coco"], "--root"),
        (["--scales", "big"], "numbers"),
        (["--fills", "white", "--faithfulness", "1"], "black, mean, blur"),
        (["--k", "0"], "must lie in"),
        (["--first-seed", "1000000"], "held out"),
    ],
)
def test_the_command_says_what_it_cannot_do(qwen_folder, tmp_path, capsys, more, said):
    assert main([*words(qwen_folder, tmp_path), *more]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_data_set_of_yours_needs_methods(capsys):
    assert main(["evaluate", "--dataset", "coco"]) == 2
    assert "--methods" in capsys.readouterr().err
