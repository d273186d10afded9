"""The maps that the page asks for, as plain functions."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from explainer.methods import METHODS
from explainer.methods.subjects import Span, explain_subject
from explainer.run.store import RunStore
from explainer.ui import maps as module
from explainer.ui.maps import Maps
from explainer.web import controls, payload, texts
from explainer.web.places import place_words
from tests.ui.fake import fake_run, with_words

PANEL, OPTIONS = controls.panel_value(), controls.option_value()
KEY = "k" * 32


@pytest.fixture
def run():
    return replace(fake_run(), settings={"seconds": {"read": 1.0, "answer": 0.5}})


@pytest.fixture
def maps(run):
    store = RunStore()
    store.put(KEY, run)
    return Maps(store)


def ask(maps, *subjects, run=KEY, panel=PANEL, options=OPTIONS):
    asked = {"run": run, "subjects": list(subjects), "panel": panel, "options": options}
    return maps.maps(json.loads(json.dumps(asked)))


def chips(run):
    shown = [c for c in payload.bar(run, KEY)["chips"] if c["role"] != "template"]
    return [{"chip": c["index"]} for c in shown]


def test_a_chip_gets_the_maps_of_the_shown_methods(maps, run):
    chip = payload.first_chip(run) + 3
    (entry,) = ask(maps, {"chip": chip}, panel={**PANEL, "k": 7})["maps"]
    assert entry["subject"] == {"chip": chip}
    assert [sent["name"] for sent in entry["maps"]] == list(controls.SHOWN)
    for sent in entry["maps"]:
        knobs = {"k": 7} if sent["name"] == "msea_arc" else {}
        heat = explain_subject(METHODS[sent["name"]], run, Span(run.chips[chip].tokens), **knobs)
        assert sent["parts"][0]["data"] == payload._base64(payload.levels(heat.parts[0].values))


def test_the_line_says_probability_model_and_time(maps, run):
    asked = [chips(run)[-1], chips(run)[0], {"chip": 0}]
    answer, prompt, template = ask(maps, *asked)["maps"]
    for part in ("probability", "fake-model", "answered in 1.5 s", "maps in"):
        assert part in answer["line"]
    assert "word of the prompt" in prompt["line"]
    assert "token of the template" in template["line"]


def test_the_line_of_another_word_says_in_whose_place_and_with_which_space(maps, run):
    at = run.chips[chips(run)[-1]["chip"]].tokens[0]
    other = {"at": at, "ids": [int(run.topk[at, 1])]}
    alone, against = ask(maps, other, {"plus": chips(run)[-1], "minus": other})["maps"]
    assert "in place of “.”  ·  with a space before it" in alone["line"]
    assert alone["word"] == f"w{other['ids'][0]}"
    assert against["word"] == f"., not w{other['ids'][0]}"
    assert re.match(r"probability [<\d. ]+ % against [<\d. ]+ %  ·", against["line"])
    assert all(m["signed"] for m in against["maps"])


def test_all_chips_come_in_batches_in_the_order_asked(maps, run, monkeypatch):
    asked = chips(run)
    monkeypatch.setattr(module, "BATCH_SECONDS", 600.0)  # on a busy machine, too
    assert [e["subject"] for e in ask(maps, *asked)["maps"]] == asked
    monkeypatch.setattr(module, "BATCH_BYTES", 2500)
    left, batches = asked, 0
    while left:
        got = ask(maps, *left)["maps"]
        assert [e["subject"] for e in got] == left[: len(got)]
        left, batches = left[len(got) :], batches + 1
    assert 1 < batches < len(asked)
    monkeypatch.setattr(module, "BATCH_SECONDS", 0.0)
    assert len(ask(maps, *asked)["maps"]) == 1, "at least one, however slow"


def test_a_missing_scale_is_asked_for(maps, run):
    panel = {**PANEL, "alphas": [[0.9, True], [1.0, True]]}
    got = ask(maps, chips(run)[0], panel=panel)
    assert got["need"] == (0.9,)
    assert "maps" not in got


def test_no_scale_is_a_message(maps, run):
    got = ask(maps, chips(run)[0], panel={**PANEL, "alphas": [[1.0, False]]})
    assert got == {"text": texts.NO_SCALE, "kind": "error"}


def test_an_expired_run_says_what_to_do(maps):
    assert ask(maps, {"chip": 3}, run="f" * 32)["text"] == texts.EXPIRED


@pytest.mark.parametrize(
    "subject",
    [{"chip": c} for c in (-1, 9999, "3", None, 2.5, True, [1])]
    + [None, 3, "x", [], {}, {"chips": 3}, {"chip": 3, "x": "y" * 9000}],
)  # fmt: skip
def test_subjects_that_are_none_are_refused(maps, subject):
    assert ask(maps, subject) == {"text": texts.BAD_REQUEST, "kind": "error"}


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, {"run": {}}, {"run": KEY}])
def test_requests_that_are_none_are_refused(maps, junk):
    assert maps.maps(junk)["kind"] == "error"
    assert maps.maps({"run": KEY, "subjects": junk, "panel": PANEL, "options": OPTIONS})["text"]
    assert maps.maps({"run": KEY, "subjects": [{"chip": 8}], "panel": junk, "options": 3})["text"]


def test_too_many_subjects_at_once_are_refused(maps, run):
    assert ask(maps, *chips(run)[:1] * 257)["text"] == texts.BAD_REQUEST


def test_each_place_of_the_picture_says_its_words(run):
    run = with_words(fake_run(size=(100, 200), images=2))
    told = place_words(run)
    known = sorted(run.pieces)
    for image in (0, 1):
        sent = told["images"][image]
        assert sent["shape"] == [21, 21]
        assert sent["extent"] == [0, 0, 1, 1]
        for row, column in ((0, 0), (3, 5), (20, 20)):
            at = (row * 21 + column) * 5
            words = [told["texts"][number] for number in sent["words"][at : at + 5]]
            first = image * 441 + row * 21 + column
            ids = [known[(first + rank) % len(known)] for rank in range(5)]
            assert words == [texts.visible(run.pieces[i]) for i in ids]
    json.dumps(told, allow_nan=False)


def test_a_run_without_words_of_places_says_none(maps):
    assert maps.places({"run": KEY}) == {"texts": [], "images": []}
    for junk in (None, 3, {}, {"run": 3}, {"run": "f" * 32}):
        assert maps.places(junk)["kind"] == "error"
