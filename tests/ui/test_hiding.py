"""Hiding what a map shows: numbers and words on the page, and asking again, as plain functions."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from explainer.methods import METHODS
from explainer.models.loading.catalogue import Entry
from explainer.probing.regions import HOW, hidden, shown_by, within_box
from explainer.run import ANSWER, Evidence, Video
from explainer.run.store import RunStore
from explainer.serving.jobs import HidingJob
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.sections.hiding import words as hiding_words
from explainer.ui.sections.hiding.handler import HidingHandler
from explainer.web import payload, texts
from explainer.web.controls import option_value, panel_value
from tests.ui.fake import SIDE, FakeExplainer, fake_run, with_layers

IMAGE = np.full((SIDE, SIDE, 3), 60, np.uint8)
IMAGE[::2, ::3] = 200
STATE = {"panel": panel_value(), "options": option_value()}
CAT, GRASS = 1, 7  # numbers in the answer


@pytest.fixture
def explainer():
    return FakeExplainer()


@pytest.fixture
def store():
    return RunStore()


@pytest.fixture
def handlers(explainer, store):
    return Handlers(explainer, store)


@pytest.fixture
def whatif(handlers, store):
    return HidingHandler(handlers, store)


@pytest.fixture
def key(handlers):
    steps = handlers.record(
        IMAGE, "What?", {}, 64, 0, 0, STATE["panel"], STATE["options"], None, None
    )
    return list(steps)[-1].bar["run"]


def asking(run, key: str, number: int = CAT, **changes):
    token = int(run.indices(ANSWER)[number])
    chip = next(i for i, chip in enumerate(run.chips) if token in chip.tokens)
    asked = {"run": key, "subject": {"chip": chip}, "method": "msea_arc", "image": 0}
    return {**asked, "how": "hide", "fill": "black", "ask": 3, **STATE, **changes}


def test_the_chosen_word_and_the_others_are_told(whatif, handlers, explainer, key):
    run = handlers.run(key)
    first, last = whatif.measure(asking(run, key))
    assert first == {"asked": 3, "busy": hiding_words.BUSY}
    token = int(run.indices(ANSWER)[CAT])
    regions = HOW["hide"](shown_by(METHODS["msea_arc"](run, token)))
    probs = explainer.probabilities_without(run, regions, "black")
    shown, gone, control = (texts.share(float(p[CAT])) for p in (run.probs[-9:], *probs))
    assert last["asked"] == 3
    assert last["word"] == "cat"
    assert last["line"] == f"{shown} → {gone} (control: {control})"
    assert explainer.hid[0] == (2, "black")
    assert last["columns"] == hiding_words.TOLD["hide"]["columns"]
    changed = {row[0]: row[1:] for row in last["rows"]}
    assert "cat" not in changed
    assert "the" not in changed, "it does not change"
    assert len(last["pictures"]) == 2
    assert all(p["src"].startswith("data:image/jpeg;base64,") for p in last["pictures"])
    assert last["pictures"][0]["label"].endswith("of the picture hidden")


def test_what_the_numbers_mean_is_said(whatif, handlers, store, key):
    run = handlers.run(key)
    answer = run.indices(ANSWER)
    probs = run.probs.copy()
    probs[answer] = 0.9
    store.put(key, replace(run, probs=probs))
    told = list(whatif.measure(asking(run, key)))[-1]
    assert told["verdict"] == hiding_words.HIDING["rests"].format(word="cat")
    assert all(float(row[1][:-2]) == 90 for row in told["rows"])
    told = list(whatif.measure(asking(run, key, 6)))[-1]  # the, whatever is left
    assert told["verdict"] == hiding_words.HIDING["same"].format(word="the")
    empty = np.full((1, len(answer)), 0.85, np.float32)
    store.put(key, replace(run, probs=probs, evidence=Evidence(("black",), empty)))
    told = list(whatif.measure(asking(run, key, 6)))[-1]
    assert told["verdict"].endswith(hiding_words.GUESSED.format(empty="85.0 %"))
    told = list(whatif.measure(asking(run, key, how="keep")))[-1]
    assert told["verdict"] in [s.format(word="cat") for s in hiding_words.KEEPING.values()]
    assert "only" in told["pictures"][0]["label"]


def test_words_that_were_not_said_have_a_place_too(whatif, handlers, key):
    run = handlers.run(key)
    at, other = int(run.indices(ANSWER)[CAT]), int(run.tokens.ids[-1])
    for subject in ({"at": at, "ids": [other]}, {"chip": 0}):
        told = list(whatif.measure(asking(run, key, subject=subject)))[-1]
        assert told["word"] == told["line"] == told["verdict"] == ""
        assert "no word of the answer" in told["note"]


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "attention"},
        {"method": ["tam"]},
        {"method": None},
        {"image": 1},
        {"image": -1},
        {"image": "0"},
        {"image": True},
        {"how": "burn"},
        {"how": ["hide"]},
        {"fill": "sand"},
        {"fill": {}},
        {"how": "box"},
        {"how": "box", "box": [0, 0, 1]},
        {"how": "box", "box": [0, 0, 2, 1]},
        {"how": "box", "box": [0, 0, float("nan"), 1]},
        {"how": "box", "box": [0, "0", 1, 1]},
        {"how": "box", "box": [0.51, 0.51, 0.51, 0.51]},
        {"subject": {"chip": 999}},
        {"subject": None},
        {"panel": None},
        {"run": "0" * 32},
        {"run": 7},
        {"ask": {"x": 1}, "fill": None},
    ],
)
def test_arbitrary_questions_are_refused(whatif, handlers, explainer, key, changes):
    asked = {**asking(handlers.run(key), key), **changes}
    told = list(whatif.measure(asked))[-1]
    assert told["kind"] == "error"
    assert told["asked"] in (3, None)
    assert explainer.hid == []
    page = list(whatif.again(asked, {}, 64, 0, 0, None))[-1]
    assert page.view["kind"] == "error"


def test_a_page_that_sends_nothing_is_refused(whatif):
    assert list(whatif.measure(None))[-1]["kind"] == "error"
    assert list(whatif.again(None, None, 64, 0, 0, None))[-1].view["kind"] == "error"
    assert whatif.back(None)[1]["kind"] == "error"


def test_a_rectangle_is_hidden(whatif, handlers, explainer, key):
    run = handlers.run(key)
    told = list(whatif.measure(asking(run, key, how="box", box=[0.25, 0, 0.5, 0.25])))[-1]
    place = within_box(run, (SIDE / 4, 0.0, SIDE / 2, SIDE / 4))
    probs = explainer.probabilities_without(run, HOW["hide"](place), "black")
    assert f"→ {texts.share(float(probs[0, CAT]))} (" in told["line"]
    page = list(
        whatif.again(asking(run, key, how="box", box=[0.25, 0, 0.5, 0.25]), {}, 64, 0, 0, None)
    )[-1]
    assert "a rectangle" in page.notice["note"]


def shown(whatif, asked):
    return list(whatif.measure(asked))[-1]["pictures"]


def test_the_map_may_be_on_one_of_several_pictures(whatif, store):
    pictures = (IMAGE, np.full_like(IMAGE, 99))
    store.put("two", replace(fake_run(images=2), images=pictures))
    panel = {**STATE["panel"], "alphas": [[1, True]]}
    first = shown(whatif, asking(store.get("two"), "two", panel=panel))
    second = shown(whatif, asking(store.get("two"), "two", panel=panel, image=1))
    assert second[0]["label"].endswith("of picture 2 hidden")
    assert first[0]["src"] != second[0]["src"]


def test_the_map_may_be_of_an_earlier_layer(whatif, store):
    store.put("deep", replace(with_layers(fake_run()), images=(IMAGE,)))
    asked = asking(store.get("deep"), "deep", panel={**STATE["panel"], "alphas": [[1, True]]})
    early = {**asked, "subject": {**asked["subject"], "layer": 1}}
    assert shown(whatif, early)[0]["src"] != shown(whatif, asked)[0]["src"]


def test_what_crosses_to_a_worker_process_pickles(handlers, key, explainer):
    run = handlers.run(key)
    regions = HOW["keep"](shown_by(METHODS["tam"](run, int(run.indices(ANSWER)[CAT]))))
    job = pickle.loads(pickle.dumps(HidingJob(run, regions, "mean")))
    (probs,) = pickle.loads(pickle.dumps(list(job.steps(explainer))))
    want = explainer.probabilities_without(run, regions, "mean")
    np.testing.assert_array_equal(probs, want)


def test_hiding_what_has_that_colour_already_is_said(whatif, store, explainer):
    plain = replace(fake_run(), images=(np.full((SIDE, SIDE, 3), 60, np.uint8),))
    store.put("plain", plain)
    asked = asking(plain, "plain", fill="mean", panel={**STATE["panel"], "alphas": [[1, True]]})
    assert "looks the same" in list(whatif.measure(asked))[-1]["text"]
    page = list(whatif.again(asked, {"run": "plain"}, 64, 0, 0, None))[-1]
    assert (page.bar, page.view["kind"]) == ({}, "error"), "what is shown stays"
    assert "image_notes" not in store.get("plain").settings
    assert explainer.calls == []


def test_a_video_is_refused_in_words(whatif, store):
    clip = Video(np.stack([IMAGE] * 2), np.arange(2.0), 1.0, (0, 1))
    store.put("video", replace(fake_run(), images=(IMAGE,), video=clip))
    asked = asking(store.get("video"), "video", panel={**STATE["panel"], "alphas": [[1, True]]})
    told = list(whatif.measure(asked))[-1]
    assert "video" in told["text"]


def test_a_run_whose_model_is_gone_is_said(handlers, key):
    run, store = handlers.run(key), RunStore()
    store.put(key, run)
    elsewhere = Handlers(Models([Entry("org/other", kind="hub")], lambda *_, **__: None), store)
    whatif = HidingHandler(elsewhere, store)
    for told in (
        list(whatif.measure(asking(run, key)))[-1],
        list(whatif.again(asking(run, key), {"run": key, "subject": {"chip": 1}}, 64, 0, 0, None))[
            -1
        ].view,
    ):
        assert "fake-model, which is not loaded any more" in told["text"]


# Asking again ------------------------------------------------------------------------------------


def test_asking_again_is_a_recording_of_the_masked_picture(whatif, handlers, explainer, key):
    run = handlers.run(key)
    before = {"run": key, "subject": asking(run, key)["subject"]}
    pages = list(whatif.again(asking(run, key), before, 64, 0, 0, None))
    assert pages[0].bar == payload.live_bar([])
    assert explainer.calls == ["What?", "What?"]
    last = pages[-1]
    assert last.bar["run"] not in (None, key)
    assert last.notice["before"] == before
    assert last.notice["run"] == last.bar["run"]
    assert "MSEA + ARC shows for “cat”" in last.notice["note"]
    assert last.backdrop["run"] == last.bar["run"]
    again = handlers.run(last.bar["run"])
    place = shown_by(METHODS["msea_arc"](run, int(run.indices(ANSWER)[CAT])))
    np.testing.assert_array_equal(again.image, hidden(run, place, "black")[0])
    assert again.settings["image_notes"] == [last.notice["note"]]
    twice = list(whatif.again(asking(run, key), before, 64, 0, 0, None))[-1]
    assert twice.bar["run"] == last.bar["run"]
    assert len(explainer.calls) == 2, "answered once"
    assert handlers.run(last.bar["run"]).settings["image_notes"] == [last.notice["note"]]


def test_there_is_a_way_back(whatif, handlers, key):
    subject = asking(handlers.run(key), key)["subject"]
    bar, view, picture = whatif.back({"run": key, "subject": subject})
    assert (bar["run"], bar["subject"], picture["run"]) == (key, subject, key)
    assert view["text"] == ""
