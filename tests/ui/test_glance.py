"""Answer at a glance: which words are ranked, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import ModelError
from explainer.probing.reliance import EMPTY, reliance
from explainer.run import ANSWER, Evidence, Run
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Server
from explainer.ui.sections.glance import GlanceSection, rank_words, words
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
    assert [word.text for word in ranked] == ["cat", "grass", "a", "on"]  # no punctuation
    assert [word.needed for word in ranked] == [True, True, False, False]
    assert [word.part for word in ranked] == [0.8, 0.3, 0, 0]
    assert [word.share for word in ranked][:2] == ["80.0 %", "30.0 %"]
    assert ranked[0].label.startswith("cat: relies on the picture for 80.0 %")
    assert ranked[3].label.startswith("on: less likely with the picture")


def test_a_word_of_several_tokens_is_one():
    run = measured((" ele", "phant", " is"), [0.9, 0.8, 0.5], [0.5, 0.4, 0.5])
    first, second = rank_words(run)
    tokens = [int(token) for token in run.indices(ANSWER)[:2]]
    assert (first.text, first.subject.as_json()) == ("elephant", {"tokens": tokens})
    assert first.part == pytest.approx(0.9 * 0.8 - 0.5 * 0.4)
    assert first.part == pytest.approx(reliance(run, tokens).share, abs=1e-4)
    assert second.subject.as_json().keys() == {"chip"}
    assert second.part == 0


def test_text_of_a_model_stays_text():
    odd = measured((" <b>", "\u202e", "🍎"), [0.9] * 3, [0.1] * 3)
    assert "<b>" in {word.text for word in rank_words(odd)}
    assert "🍎" in "".join(word.text for word in rank_words(odd))


def test_without_evidence_there_is_nothing_to_rank():
    assert rank_words(fake_run()) == []


def test_a_word_is_told_with_what_it_rests_on():
    run = FakeExplainer().add_sources(measured((" a", " cat", " on"), [0.9] * 3, [0.1, 0.2, 0.3]))
    first, second, third = rank_words(run)
    assert [word.shares for word in (first, second, third)] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert [word.at for word in (first, second, third)] == sorted(w.at for w in rank_words(run))
    assert "rests 0 % on the picture, 100 % on the prompt, 0 % on earlier words" in second.label


@pytest.fixture
def section():
    models, store = Models.of_one(FakeExplainer()), RunStore()
    menu = ModelMenu(models, "float32", "")
    return GlanceSection(Server(Handlers(models, store), store, Visits(Calls()), models, menu))


def test_what_the_page_asks_is_checked(section):
    section.server.store.put("key", fake_run())
    waiting, told = section.measure({"run": "key"})
    assert waiting == {"run": "key", "busy": words.BUSY}
    assert told["run"] == "key"
    assert told["words"][0]["text"] == "A"
    assert told["words"][0]["shares"] == [1, 0, 0]
    assert told["sentence"].startswith("The answer rests ")
    again = [*section.measure({"run": "key"})]
    assert again == [told], "nothing is measured twice"
    assert [*section.measure({"run": "gone"})] == [
        {"run": "gone", "text": texts.EXPIRED, "kind": "error"}
    ]
    for junk in (None, {}, {"run": 3}, [], "key"):
        (refused,) = section.measure(junk)
        assert refused["kind"] == "error"


def test_without_such_a_reading_the_words_are_ranked_and_the_reason_is_said(section, monkeypatch):
    def refuse(self, run):
        raise ModelError("some layers do not attend to all that precedes a word")

    monkeypatch.setattr(FakeExplainer, "add_sources", refuse)
    section.server.store.put("key", fake_run())
    *_, told = section.measure({"run": "key"})
    assert told["sentence"] == "Some layers do not attend to all that precedes a word"
    assert told["words"][0]["text"] == "A"
    assert told["words"][0]["shares"] is None


def test_programs_get_the_sources_of_each_word(section):
    run = measured(("A", " ele", "phant"), [0.9] * 3, [0.1] * 3)
    section.server.store.put("key", run)
    told = section.endpoints()[0].function("key")
    assert [word["text"] for word in told["words"]] == ["A", " elephant"]
    assert told["sentence"].startswith("The answer rests 33% on the picture, 33% on the prompt")
    assert told["words"][0]["shares"] == {"picture": 1, "prompt": 0, "words": 0}
    assert len(told["words"][1]["tokens"]) == 2
