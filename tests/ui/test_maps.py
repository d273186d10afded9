"""What the page asks of a stored run besides its evidence, as plain functions."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from explainer.run.store import RunStore
from explainer.ui.maps import Maps
from explainer.web import controls, payload, texts, token_text
from explainer.web.places import place_words
from tests.ui.fake import fake_run, with_words

OPTIONS = {"grad_cam": {}}
KEY = "k" * 32


@pytest.fixture
def run():
    return replace(fake_run(), settings={"seconds": {"read": 1.0, "answer": 0.5}})


@pytest.fixture
def maps(run):
    store = RunStore()
    store.put(KEY, run)
    return Maps(store)


def ask(maps, *subjects, run=KEY, options=OPTIONS):
    asked = {"run": run, "subjects": list(subjects), "options": options}
    return maps.compared(json.loads(json.dumps(asked)))


def chips(run):
    shown = [c for c in payload.bar(run, KEY)["chips"] if c["role"] != "template"]
    return [{"chip": c["index"]} for c in shown]


def test_a_chip_gets_what_the_model_made_of_it(maps, run):
    (entry,) = ask(maps, chips(run)[0])["maps"]
    assert entry["subject"] == chips(run)[0]
    assert entry["need"]
    assert [told["name"] for told in entry["maps"]] == ["grad_cam"]
    assert entry["maps"][0]["why"] == texts.NOT_COMPUTED.format(method="Grad-CAM")


def test_maps_that_the_page_computes_are_not_sent(maps, run):
    for options in (controls.option_value(), {"tam": {}}, {"grad_cam": {}, "tam": {}}):
        told = ask(maps, chips(run)[0], options=options)
        assert told == {"text": texts.BAD_REQUEST, "kind": "error"}


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
    assert maps.compared(junk)["kind"] == "error"
    assert maps.compared({"run": KEY, "subjects": junk, "options": OPTIONS})["text"]
    assert maps.compared({"run": KEY, "subjects": [{"chip": 8}], "options": junk})["text"]


def test_too_many_subjects_at_once_are_refused(maps, run):
    assert ask(maps, *chips(run)[:1] * 33)["text"] == texts.BAD_REQUEST


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
            assert words == [token_text.visible(run.pieces[i]) for i in ids]
    json.dumps(told, allow_nan=False)


def test_a_run_without_words_of_places_says_none(maps):
    assert maps.places({"run": KEY}) == {"texts": [], "images": []}
    for junk in (None, 3, {}, {"run": 3}, {"run": "f" * 32}):
        assert maps.places(junk)["kind"] == "error"
