"""Answer at a glance: which words are ranked, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.probing.reliance import EMPTY, reliance
from explainer.run import ANSWER, Evidence, Run
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Server
from explainer.ui.sections.glance import GlanceSection, rank_words
from explainer.ui.visitors import Visits
from explainer.web import texts
from tests.ui.fake import FakeExplainer, fake_run


def measured(words: tuple[str, ...], shown: list[float], empty: list[float]) -> Run:
    """Return a run of these tokens with their probabilities with and without the picture."""
    run = fake_run(words)
    answer, probs = run.indices(ANSWER), run.probs.copy()
    probs[answer] = shown
    made = Evidence(EMPTY, np.array([empty] * len(EMPTY), np.float32))
    return replace(run, probs=probs, evidence=made)


def test_words_are_ranked_by_reliance_and_those_that_need_no_picture_set_apart():
    shown, empty = [0.9, 0.9, 0.3, 0.8, 1], [0.9, 0.1, 0.8, 0.5, 0]
    run = measured((" a", " cat", " on", " grass", "."), shown, empty)
    ranked = rank_words(run)
    assert [word["text"] for word in ranked] == ["cat", "grass", "a", "on"]  # no punctuation
    assert [word["needed"] for word in ranked] == [True, True, False, False]
    assert [word["part"] for word in ranked] == [0.8, 0.3, 0, 0]
    assert [word["share"] for word in ranked][:2] == ["80.0 %", "30.0 %"]
    assert ranked[0]["label"].startswith("cat: relies on the picture for 80.0 %")
    assert ranked[3]["label"].startswith("on: less likely with the picture")


def test_a_word_of_several_tokens_is_one():
    run = measured((" ele", "phant", " is"), [0.9, 0.8, 0.5], [0.5, 0.4, 0.5])
    first, second = rank_words(run)
    tokens = [int(token) for token in run.indices(ANSWER)[:2]]
    assert (first["text"], first["subject"]) == ("elephant", {"tokens": tokens})
    assert first["part"] == pytest.approx(0.9 * 0.8 - 0.5 * 0.4)
    assert first["part"] == pytest.approx(reliance(run, tokens).share, abs=1e-4)
    assert second["subject"].keys() == {"chip"}
    assert second["part"] == 0


def test_text_of_a_model_stays_text():
    odd = measured((" <b>", "\u202e", "🍎"), [0.9] * 3, [0.1] * 3)
    assert "<b>" in {word["text"] for word in rank_words(odd)}
    assert "🍎" in "".join(word["text"] for word in rank_words(odd))


def test_without_evidence_there_is_nothing_to_rank():
    assert rank_words(fake_run()) == []


def test_what_the_page_asks_is_checked():
    models, store = Models.of_one(FakeExplainer()), RunStore()
    menu = ModelMenu(models, "float32", "")
    section = GlanceSection(Server(Handlers(models, store), store, Visits(Calls()), models, menu))
    store.put("key", FakeExplainer().add_evidence(fake_run()))
    told = section.rank({"run": "key"})
    assert told["run"] == "key"
    assert told["words"][0]["text"] == "A"
    assert section.rank({"run": "gone"}) == {"text": texts.EXPIRED, "kind": "error"}
    for junk in (None, {}, {"run": 3}, [], "key"):
        assert section.rank(junk)["kind"] == "error"
