"""The tables of the paper: their rows, their command, and files that can be made again."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from explainer.__main__ import main
from explainer.commands import measuring
from explainer.commands.measuring import NOTHING_JUDGED  # what a random model says names nothing
from explainer.evaluation import paper_report
from explainer.evaluation.candidates import parse
from explainer.evaluation.cases import Cases, select_cases
from explainer.evaluation.datasets import Sample
from explainer.evaluation.intervals import Ratio
from explainer.evaluation.iou import Truth
from explainer.evaluation.measure import MeasurePlan
from explainer.evaluation.paper import CONTROLS, TABLES, Panel, Table
from explainer.evaluation.tables import Summary
from explainer.evaluation.words import grammar
from explainer.methods import METHODS
from tests.evaluation.saying import saying
from tests.methods.small import GRIDS, small_run

TOKENS = [8, 11, 13]


@pytest.mark.parametrize("number", TABLES)
def test_rows_are_methods_and_labels_are_rows(number):
    table = TABLES[number]
    assert len(parse(list(table.rows.values()))) == len(set(table.rows.values()))
    assert table.against in table.rows
    assert set(table.inspected) <= set(table.rows)
    assert set(CONTROLS) <= set(table.rows)
    assert all(set(panel.labels) <= set(table.rows) for panel in table.panels)


def _same(label: str, number: int, method: str) -> bool:
    run = small_run()
    row = parse([TABLES[number].rows[label]])[0]
    ours = row.method.explain_many(run, TOKENS, **row.settings)
    pairs = zip(ours, METHODS[method].explain_many(run, TOKENS), strict=True)
    return all(abs(a.values - b.values).max() < 1e-6 for a, b in pairs)


def test_rows_that_are_a_method_in_other_words():
    assert _same("TAM, one scale", 3, "tam")
    assert _same("TAM", 6, "tam")
    assert _same("ARC, mean of scales", 3, "msea_arc")
    assert _same("MSEA + ARC", 6, "msea_arc")
    assert _same("none, mean of scales", 3, "msea")
    assert _same("3 scales", 4, "msea_arc")


def test_every_method_of_table_1_is_measured_on_the_answers_scale_too():
    """So that a lead by the method can be told from one by its normalisation."""
    table = TABLES[1]
    parsed = dict(zip(table.measured, parse(table.measured), strict=True))
    for label, name in table.one_scale.items():
        own, shared = parsed[table.rows[label]], parsed[name]
        assert shared.settings == {**own.settings, "normalisation": "answer"}
    assert set(table.rows) - set(table.one_scale) == {"TAM, published code", *CONTROLS}


def test_figures_on_the_answers_scale_are_columns_of_their_own():
    figure = Ratio(0.5, 0.4, 0.6, 9)
    rows = {name: dict.fromkeys(paper_report.SHOWN, figure) for name in ("cam", "tam")}
    shared = {"cam+normalisation=answer": {"func_iou": Ratio(0.25, 0.2, 0.3, 9), "f1_iou": figure}}
    summary = Summary({**rows, **shared}, "tam", {"cam": {}}, {}, {}, {}, 9, {})
    table = Table("T", {"CAM": "cam", "TAM": "tam"}, "TAM", one_scale={"CAM": next(iter(shared))})
    told = paper_report.make_entries(table, {"model": summary}, {})
    head, _, cam, tam = paper_report.body(json.loads(json.dumps(told))).splitlines()[:4]
    assert "Func-IoU on the answer's scale | F1-IoU on the answer's scale |" in head
    assert cam.endswith("| 25.00 [20.00, 30.00] | 50.00 [40.00, 60.00] |")
    assert tam.endswith("|  |  |")


def test_lrp_is_asked_for_by_name():
    assert not {"cp_lrp", "attn_lrp"} & set(TABLES[1].rows.values())


def words(number: int, models: str, out, *more: str) -> list[str]:
    flags = ["--n", "1", "--max-new-tokens", "3", "--out", str(out), *more]
    return ["evaluate", "--table", str(number), "--model", models, *flags]


def test_a_table_of_two_models_is_written_and_can_be_made_again(
    qwen_folder, family_folders, tmp_path, monkeypatch, capsys
):
    models = f"{qwen_folder},{family_folders['internvl']}"
    assert main(words(2, models, tmp_path, "--methods", "logit_lens")) == NOTHING_JUDGED
    told = json.loads((tmp_path / "table-2.json").read_text())
    assert list(told["models"]) == [qwen_folder.name, family_folders["internvl"].name]
    rows = told["models"][qwen_folder.name]["rows"]
    assert list(rows) == ["CAM", "TAM", "MSEA + ARC", "Logit lens", "random map", "centre bias"]
    assert "--table 2" in told["about"]["command"]
    assert told["about"]["samples"] == "seed 0"
    text = (tmp_path / "table-2.md").read_text()
    assert text == paper_report.markdown(2, told)
    assert str(tmp_path) not in text
    assert (tmp_path / "table-2.png").read_bytes().startswith(b"\x89PNG")
    assert text in capsys.readouterr().out

    def refuse(*_, **__):
        raise AssertionError("the models are not needed again")

    monkeypatch.setattr(measuring, "load", refuse)
    assert main(words(2, models, tmp_path, "--methods", "logit_lens")) == NOTHING_JUDGED


def test_scales_that_a_model_does_not_take_are_refused_with_the_reason(family_folders, tmp_path):
    assert main(words(4, str(family_folders["llava"]), tmp_path)) == NOTHING_JUDGED
    told = json.loads((tmp_path / "table-4.json").read_text())
    part = told["models"][family_folders["llava"].name]
    assert "0.5 to 1" in part["rows"]
    assert "fixed size" in part["refused"]["1 to 1.5"]
    assert "fixed size" in (tmp_path / "table-4.md").read_text()
    assert (tmp_path / "table-4.png").exists()


def test_curves_are_in_the_table_that_is_about_them(qwen_folder, tmp_path, capsys):
    assert main(words(7, str(qwen_folder), tmp_path, "--steps", "2")) == NOTHING_JUDGED
    told = json.loads((tmp_path / "table-7.json").read_text())
    curves = told["models"][qwen_folder.name]["curves"]["black"]
    assert list(curves) == list(TABLES[7].rows)
    assert "--faithfulness 1" in told["about"]["command"]
    assert "pixels replaced by black" in capsys.readouterr().out


def test_what_is_looked_at_closely_is_in_the_table(qwen_folder, tmp_path, capsys):
    assert main(words(6, str(qwen_folder), tmp_path)) == NOTHING_JUDGED
    assert "Table 6" in capsys.readouterr().out
    assert (tmp_path / f"table-6-cases-{qwen_folder.name}.png").exists()
    sample = json.loads(
        (tmp_path / "table-6" / qwen_folder.name / "samples.jsonl").read_text().splitlines()[1]
    )
    assert len(sample["why"]) == len(TABLES[6].inspected)


def test_cases_are_those_on_which_two_methods_differ_most():
    def sample(key: str, one: float, other: float, n: int = 1, dropped: str = "") -> dict:
        methods = {"a": {"obj_iou": [one, n]}, "b": {"obj_iou": [other, n]}}
        return {"key": key, "dropped": dropped, "methods": {} if dropped else methods}

    samples = [
        sample("even", 0.5, 0.5),
        sample("lost", 0.2, 0.9),
        sample("won", 0.9, 0.1),
        sample("lost a little", 0.4, 0.5),
        sample("nothing named", 0, 0, 0),
        sample("dropped", 0, 1, dropped="x"),
    ]
    assert select_cases(samples, "a", "b", 3) == ["lost", "lost a little", "won"]
    assert select_cases(samples[:1], "a", "b") == ["even"]
    assert select_cases([], "a", "b") == []


def test_a_case_shows_the_thing_and_each_map_of_it(tmp_path):
    run = saying("A", " cat", planted={21: (10.0, 10.0, 30.0, 30.0)}, grids=GRIDS)
    mask = np.zeros((60, 70), bool)
    mask[10:30, 10:30] = True
    truth = Truth(mask.shape, {3: mask})
    sample = Sample("one", run.image, "What?", {3: "cat"}, lambda: truth)
    model = SimpleNamespace(record=lambda *_, **__: run)
    dataset = SimpleNamespace(sample=lambda number: sample)
    methods = parse(["msea_arc", "tam"])
    plan = MeasurePlan(tuple(methods), "clean", grammar("list", ["cat"]), (1.0,), 8)
    cases = Cases(model, dataset, plan, {"ours": methods[0], "theirs": methods[1]})
    found, site, maps = cases.find_case(0)
    assert (found, site.cells) == (run, 4)
    assert len(maps) == 2
    assert all(iou > 0.2 and predicted.any() for _, iou, predicted in maps)
    cases.write(tmp_path / "cases.png", [0])
    assert (tmp_path / "cases.png").read_bytes().startswith(b"\x89PNG")
    truth.masks.clear()
    assert cases.find_case(0) is None
    cases.write(tmp_path / "none.png", [0])


def figure(value: float, low: float, high: float) -> dict:
    return {"value": value, "interval": [low, high], "n": 9}


FOUND = {
    "title": "A title",
    "against": "a",
    "about": {"date": "today"},
    "models": {
        "m": {
            "rows": {n: {f: figure(0.5, 0.4, 0.6) for f in paper_report.SHOWN} for n in "abc"},
            "gains": {
                "b": {"f1_iou": figure(0.1, 0.05, 0.2), "obj_iou": figure(-0.1, -0.2, 0.1)},
                "c": {"f1_iou": figure(0.1, -0.05, 0.2), "obj_iou": figure(0.1, 0.1, 0.2)},
            },
            "why": {"a": {"ceiling": figure(0.7, 0.6, 0.8)}},
            "curves": {"black": {"a": {"insertion": figure(0.2, 0.1, 0.3)}}},
            "refused": {"d": "not for this one"},
            "samples": 5,
            "dropped": {"empty": 1},
        }
    },
}


def test_only_what_lies_beyond_its_interval_is_called_above():
    told = "b, F1-IoU +10.00 [+5.00, +20.00], Obj-IoU -10.00 [-20.00, +10.00]."
    assert paper_report.best(FOUND).endswith(f"interval and all: {told}")
    text = paper_report.markdown(7, FOUND)
    for part in (
        "### Table 7. A title",
        "| b | 50.00 [40.00, 60.00] |",
        "| -10.00 [-20.00, +10.00] | +10.00 [+5.00, +20.00] |",
        "| d | not for this one |",
        "the best that the grid allows",
        "replaced by black",
        "5 samples, 1 dropped; 9 named things, 9 function words.",
        "* date: today",
    ):
        assert part in text


def test_plots_leave_out_what_is_missing(tmp_path):
    paper_report.plot_panels(tmp_path / "a.png", FOUND, [Panel("x", ("a", "d", "b"))])
    paper_report.plot_rows(tmp_path / "b.png", FOUND)
    assert paper_report.ratios(FOUND["models"]["m"]["why"]) == {
        "a": {"ceiling": Ratio(0.7, 0.6, 0.8, 9)}
    }
