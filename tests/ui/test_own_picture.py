"""What is said of a bundled model's answer about a picture of one's own, and what is offered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.media.images import open_image
from explainer.models.loading.catalogue import BUNDLED, HUB, Entry
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules
from explainer.ui import model_menu
from explainer.ui.handlers import Handlers, PageExample
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Server
from explainer.ui.sections.own_picture import OwnPictureSection, words
from explainer.ui.visitors import Visits
from tests.ui.fake import fake_run

SMALL = Entry(
    "org/small", "qwen2_vl", 500_000_000, 0, 0, "Some Licence: with terms", HUB, dtype="float32"
)
ANY = Rules()
LARGE = Entry("org/large", "qwen2_vl", 2_000_000_000, 0, 0, "Another Licence", HUB)


@pytest.fixture(autouse=True)
def _a_machine(monkeypatch):
    """A machine with a network and nothing in its cache, which answers in 12.4 seconds."""
    monkeypatch.setattr(model_menu, "is_offline", lambda: False)
    monkeypatch.setattr(model_menu, "is_downloaded", lambda name, revision: False)
    monkeypatch.setattr("explainer.serving.answer_time.estimate_answer", lambda *_: 12.4)


def make(free: int = 10**10, rules: Rules = ANY) -> OwnPictureSection:
    """Return the section of a server with one bundled model and two of the hub."""
    run = replace(fake_run(), model_id="tiny")
    example = PageExample(open_image(run.image), "What?", "one")
    entries = [Entry("tiny", kind=BUNDLED), LARGE, SMALL]
    models, store = Models(entries, lambda entry, **_: None, rules, lambda: free), RunStore()
    store.put("example", run)
    own = replace(run, images=(255 - run.image,))
    store.put("own", own)
    store.put("large", replace(own, model_id="org/large"))
    menu = ModelMenu(models, lambda: "bfloat16")
    handlers = Handlers(models, store)
    return OwnPictureSection(Server(handlers, store, Visits(Calls()), models, menu, [example]))


def test_the_smallest_model_that_fits_is_offered_with_what_it_costs():
    told = make().offer({"run": "own"})
    assert told["model"] == "org/small"
    assert told["text"] == (
        f"{words.DRAWINGS} org/small reads photographs: 2.0 GB to download, Some Licence, "
        "about 12 s for an answer here."
    )


@pytest.mark.parametrize("run", ["example", "large"])
def test_nothing_is_said_of_an_example_or_of_another_model(run):
    assert make().offer({"run": run}) == {"run": run, "text": "", "model": ""}


def test_what_is_in_the_way_is_said(monkeypatch):
    told = make(free=10**9).offer({"run": "own"})
    assert told["model"] == ""
    assert "org/small, needs 1.2 GB, and 1.0 GB are free." in told["text"]
    told = make(rules=Rules(at_start_only=True, why="Ask the owner.")).offer({"run": "own"})
    assert (told["model"], told["text"]) == ("", f"{words.DRAWINGS} Ask the owner.")
    monkeypatch.setattr(model_menu, "is_offline", lambda: True)
    told = make().offer({"run": "own"})
    assert told["model"] == ""
    said = 'run “hf download org/small --exclude "onnx/*"” while there is a network'
    assert said in told["text"]
    monkeypatch.setattr(model_menu, "is_downloaded", lambda name, revision: True)
    told = make().offer({"run": "own"})
    assert told["model"] == "org/small"
    assert "on this machine already" in told["text"]


@pytest.mark.parametrize("message", [None, {}, {"run": "gone"}, {"run": 3}])
def test_what_the_page_asks_is_checked(message):
    assert make().offer(message)["kind"] == "error"


def test_large_pictures_of_others_are_compared_without_an_error():
    section = make()
    run = replace(fake_run(size=(40, 60)), model_id="tiny")
    section.server.store.put("wide", run)
    assert section.offer({"run": "wide"})["model"] == "org/small"
    assert run.image.shape != np.shape(section.server.examples[0].picture.pixels)
