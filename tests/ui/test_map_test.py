"""Whether a word follows its maps, on the page: curves, figures and words, as plain functions."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from explainer.methods import METHODS
from explainer.models.loading.catalogue import Entry
from explainer.probing.curves import CurvePlan, Readings
from explainer.probing.map_test import RANDOM, prove
from explainer.run import ANSWER, Video
from explainer.run.store import RunStore
from explainer.serving.jobs import CurvesJob
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.sections.map_test import words as map_test_words
from explainer.ui.sections.map_test.handler import CurveReader, MapTestHandler
from explainer.web import texts
from explainer.web.controls import option_value, panel_value
from tests.ui.fake import SIDE, FakeExplainer, fake_run, with_layers

IMAGE = np.full((SIDE, SIDE, 3), 60, np.uint8)
PANEL = {**panel_value(), "alphas": [[1, True]]}
STATE = {"panel": PANEL, "options": option_value()}
CAT, THE = 1, 6  # numbers in the answer
LABELS = ["MSEA + ARC", "TAM", "Logit lens"]


@pytest.fixture
def explainer():
    return FakeExplainer()


@pytest.fixture
def store():
    """A store with a run whose words are probable."""
    run, store = replace(fake_run(), images=(IMAGE,)), RunStore()
    probs = run.probs.copy()
    probs[run.indices(ANSWER)] = 0.9
    store.put("run", replace(run, probs=probs))
    return store


@pytest.fixture
def proving(explainer, store):
    return MapTestHandler(Handlers(explainer, store))


def asking(store, number: int = CAT, name: str = "run", **changes):
    run = store.get(name)
    token = int(run.indices(ANSWER)[number])
    chip = next(i for i, chip in enumerate(run.chips) if token in chip.tokens)
    asked = {"run": name, "subject": {"chip": chip}, "fill": "black", "steps": 6, "ask": 3}
    return {**asked, **STATE, **changes}


def test_curves_come_one_after_another_and_then_what_they_mean(proving, store, explainer):
    first, *between, last = proving.measure(asking(store))
    assert first == {"asked": 3, "busy": map_test_words.BUSY}
    total = (3 + RANDOM) * 2 * 6
    done = [value["done"] for value in between]
    assert done == sorted(done)
    assert done[-1] == total == explainer.read
    assert between[0]["busy"] == f"4 of {total} readings"
    assert [len(value["chart"]["lines"]) for value in between if value["done"] in (4, total)] == [
        0, *[3] * done.count(total),
    ]  # fmt: skip
    assert between[0]["chart"]["chance"] is None
    assert all(value["asked"] == 3 for value in (*between, last))
    assert "busy" not in last


def test_the_figures_are_those_of_python(proving, store, explainer):
    *_, told = proving.measure(asking(store))
    run = store.get("run")
    token = int(run.indices(ANSWER)[CAT])
    maps = {
        name: METHODS[name](run, token, **({"scales": (1.0,)} if name == "msea_arc" else {}))
        for name in ("msea_arc", "tam", "logit_lens")
    }
    proof = prove(explainer, run, [token], maps, CurvePlan("black", 6))
    assert [row[0] for row in told["rows"]] == [*LABELS, map_test_words.CHANCE]
    for row, curves in zip(told["rows"], [*proof.curves.values(), proof.chance], strict=True):
        figures = (*[curves.figures()[name] for name in ("insertion", "deletion")], curves.reliance)
        assert row[2:] == [f"{figure:.2f}" for figure in figures]
    line = told["chart"]["lines"][1]
    np.testing.assert_allclose(line["insertion"], proof.curves["tam"].insertion, atol=1e-4)
    chance = told["chart"]["chance"]
    low, high = (chance[bound]["deletion"] for bound in ("low", "high"))
    assert all(a <= b <= c for a, b, c in zip(low, chance["deletion"], high, strict=True))
    assert told["word"] == "cat"
    assert told["line"] == map_test_words.LINE.format(empty="< 0.1 %", whole="90.0 %")
    assert told["verdict"].startswith(
        "“cat” follows the maps of MSEA + ARC, TAM and Logit lens: its probability rises sooner"
    )
    assert (
        "already 80 % as probable as with the whole picture; in random order that takes"
        in (told["verdict"])
    )


def test_a_word_that_does_not_need_the_picture_is_said_to_be_one(proving, store):
    *_, told = proving.measure(asking(store, THE))
    want = map_test_words.WORD["free"].format(word="the", fill="black", empty="90.0 %")
    assert told["verdict"] == want
    run = store.get("run")
    store.put("faint", replace(run, probs=run.probs / 9))
    *_, told = proving.measure(asking(store, name="faint"))
    assert told["verdict"] == map_test_words.WORD["unlikely"].format(word="cat")


def test_words_of_a_run_share_the_random_orders(proving, store, explainer):
    *_, first = proving.measure(asking(store))
    read = explainer.read
    *between, _ = proving.measure(asking(store, THE))
    assert explainer.read - read == 3 * 2 * 6
    assert between[1]["chart"]["chance"], "known from the start"
    *_, again = proving.measure(asking(store))
    assert again == first
    list(proving.measure(asking(store, fill="blur")))
    assert explainer.read - read == (3 + 3 + 3 + RANDOM) * 2 * 6


def test_what_is_kept_of_random_orders_is_bounded(store, explainer, monkeypatch):
    monkeypatch.setattr("explainer.ui.sections.map_test.handler.KEPT", 3)
    reader, run = CurveReader(Handlers(explainer, store)), store.get("run")
    heat = METHODS["tam"](run, int(run.indices(ANSWER)[CAT]))
    for name in range(4):
        list(reader.steps(str(name), run, [heat], CurvePlan("black", 1)))
    read = explainer.read
    list(reader.steps("1", run, [heat], CurvePlan("black", 1)))
    assert explainer.read - read == 2
    list(reader.steps("0", run, [heat], CurvePlan("black", 1)))
    assert explainer.read - read == 2 + (1 + RANDOM) * 2


def test_stopping_keeps_nothing_and_lets_go_of_the_model(proving, store, explainer):
    steps = proving.measure(asking(store))
    for _ in range(4):
        next(steps)
    steps.close()
    read = explainer.read
    *_, last = proving.measure(asking(store))
    assert last["rows"]
    assert explainer.read - read == (3 + RANDOM) * 2 * 6


def test_the_map_may_be_of_an_earlier_layer_and_the_word_of_several_tokens(proving, store):
    run = store.get("run")
    store.put("deep", with_layers(run))
    early = asking(store, name="deep")
    *_, told = proving.measure({**early, "subject": {**early["subject"], "layer": 1}})
    *_, last = proving.measure(early)
    assert told["chart"]["lines"][0] != last["chart"]["lines"][0]
    tokens = [int(token) for token in run.indices(ANSWER)[:2]]
    *_, both = proving.measure(asking(store, subject={"tokens": tokens}))
    assert both["line"].endswith("81.0 % with the whole picture")


def test_a_method_without_a_map_is_left_out_and_says_why(proving, store):
    asked = asking(store, options={**STATE["options"], "grad_cam": {}})
    *_, told = proving.measure(asked)
    assert [row[0] for row in told["rows"]] == [*LABELS, map_test_words.CHANCE]
    assert told["verdict"].endswith(texts.NOT_COMPUTED.format(method="Grad-CAM"))
    *_, told = proving.measure({**asked, "options": {"grad_cam": {}}})
    assert told["kind"] == "error"
    assert told["text"] == texts.NOT_COMPUTED.format(method="Grad-CAM")


@pytest.mark.parametrize(
    "changes",
    [
        {"fill": "sand"},
        {"fill": {}},
        {"fill": None},
        {"steps": 0},
        {"steps": 65},
        {"steps": "10"},
        {"steps": True},
        {"steps": 2.5},
        {"subject": {"chip": 999}},
        {"subject": {"chip": 0}},
        {"subject": None},
        {"subject": {"at": 30, "ids": [20]}},
        {"subject": {"plus": {"chip": 8}, "minus": {"chip": 9}}},
        {"panel": None},
        {"options": {}},
        {"run": "0" * 32},
        {"run": 7},
        {"ask": {"x": 1}, "fill": None},
    ],
)
def test_arbitrary_questions_are_refused(proving, store, explainer, changes):
    *_, told = proving.measure({**asking(store), **changes})
    assert told["kind"] == "error"
    assert told["text"]
    assert told["asked"] in (3, None)
    assert explainer.read == 0


def test_a_page_that_sends_nothing_is_refused(proving):
    assert next(proving.measure(None))["kind"] == "error"


def test_words_that_were_not_said_and_words_of_the_prompt_are_refused_in_words(proving, store):
    run = store.get("run")
    at = int(run.indices(ANSWER)[0])
    unsaid = {"at": at, "ids": [int(run.tokens.ids[at + 1])]}
    for subject in (unsaid, {"tokens": [at - 1]}, {"plus": {"tokens": [at]}, "minus": unsaid}):
        *_, told = proving.measure(asking(store, subject=subject))
        assert "words of the answer" in told["text"].lower()


def test_a_video_is_refused_in_words(proving, store):
    clip = Video(np.stack([IMAGE] * 2), np.arange(2.0), 1.0, (0, 1))
    store.put("video", replace(store.get("run"), video=clip))
    *_, told = proving.measure(asking(store, name="video"))
    assert "video" in told["text"]


def test_a_run_whose_model_is_gone_is_said(store):
    models = Models([Entry("org/other", kind="hub")], lambda *_, **__: None)
    *_, told = MapTestHandler(Handlers(models, store)).measure(asking(store))
    assert "fake-model, which is not loaded any more" in told["text"]


def test_what_crosses_to_a_worker_process_pickles(store, explainer):
    run = store.get("run")
    heat = METHODS["tam"](run, int(run.indices(ANSWER)[CAT]))
    job = pickle.loads(pickle.dumps(CurvesJob(run, (heat, heat), CurvePlan("mean", 2))))
    made = [pickle.loads(pickle.dumps(item)) for item in job.steps(explainer)]
    assert [item for item in made if not isinstance(item, Readings)] == [4, 4]
    assert sum(isinstance(item, Readings) for item in made) == 2
