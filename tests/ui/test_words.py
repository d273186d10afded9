"""What could have stood in place of a word, typed words, and edited answers: plain functions."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import RunError, TokenError
from explainer.methods.subjects import Contrast, Span, Unsaid, candidates
from explainer.models.loading.catalogue import Entry
from explainer.run import ANSWER, TEMPLATE
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.sections.words_beside.handler import WordsHandler
from explainer.web import controls, payload, texts, token_text
from explainer.web.subjects import LONGEST_WORD, read_subject
from explainer.web.words_beside import BUSY_GIVEN, places
from tests.ui.fake import FakeExplainer, fake_run

IMAGE = np.full((60, 80, 3), 128, np.uint8)
PANEL, OPTIONS = controls.panel_value(), controls.option_value()
RUN = fake_run()
ANSWERS = [i for i, c in enumerate(RUN.chips) if c.role == ANSWER]


@pytest.fixture
def explainer():
    return FakeExplainer()


@pytest.fixture
def handlers(explainer):
    return Handlers(explainer, RunStore())


@pytest.fixture
def words(handlers):
    return WordsHandler(handlers)


@pytest.fixture
def key(handlers) -> str:
    return list(handlers.record(IMAGE, "What?", {}, 64, 0, 0, PANEL, OPTIONS))[-1].bar["run"]


# Subjects of the page ----------------------------------------------------------------------------


def test_every_kind_of_subject_is_read():
    chip, at = ANSWERS[1], RUN.chips[ANSWERS[1]].tokens[0]
    token_id = int(RUN.unembedding.ids[-1])
    cat, other = {"chip": chip}, {"at": at, "ids": [token_id]}
    assert read_subject(RUN, cat) == Span((at,))
    assert read_subject(RUN, {"tokens": [at, at + 1]}) == Span((at, at + 1))
    assert read_subject(RUN, {"tokens": [at], "by": "mean"}) == Span((at,), "mean")
    assert read_subject(RUN, other) == Unsaid(at, (token_id,))
    assert read_subject(RUN, {"at": at, "word": RUN.pieces[token_id]}) == Unsaid(at, (token_id,))
    contrast = read_subject(RUN, {"plus": cat, "minus": other})
    assert contrast == Contrast(Span((at,)), Unsaid(at, (token_id,)))
    template = next(i for i, c in enumerate(RUN.chips) if c.role == TEMPLATE)
    assert read_subject(RUN, {"chip": template}) == Span(RUN.chips[template].tokens)


@pytest.mark.parametrize(
    "asked",
    [
        {"tokens": []},
        {"tokens": "12"},
        {"tokens": [1.5]},
        {"tokens": [True]},
        {"tokens": [12], "by": "sum"},
        {"tokens": [12], "by": ["max"]},
        {"tokens": [999]},
        {"tokens": [-1]},
        {"tokens": [[12]]},
        {"at": 12},
        {"at": 12, "ids": []},
        {"at": 12, "word": 7},
        {"at": 12, "word": "never recorded"},
        {"at": 12, "ids": [2**40]},
        {"at": 12, "ids": ["20"]},
        {"at": 999, "ids": [20]},
        {"at": None, "ids": [20]},
        {"plus": {"chip": 12}},
        {"plus": {"chip": 12}, "minus": {}},
        {"plus": {"chip": 12}, "minus": 3},
        {"plus": {"plus": {"chip": 12}, "minus": {"chip": 13}}, "minus": {"chip": 12}},
        {"chip": 12.0},
    ],
)
def test_arbitrary_subjects_are_refused(asked):
    with pytest.raises((RunError, TokenError)):
        read_subject(RUN, asked)


# What stands beside a chip -----------------------------------------------------------------------


def test_each_chip_has_its_candidates_and_what_was_said_among_them():
    told = [[candidate.as_json() for candidate in place] for place in places(RUN)]
    assert len(told) == len(RUN.chips)
    for chip in ANSWERS:
        token = RUN.chips[chip].tokens[0]
        could = told[chip]
        said = [c for c in could if c["subject"] == {"chip": chip}]
        assert len(said) == 1
        assert said[0]["text"] == token_text.visible(RUN.chips[chip].text)
        others = [c.token_id for c in candidates(RUN, token)]
        offered = [c["subject"]["ids"][0] for c in could if c not in said]
        assert offered == [i for i in others if i != RUN.tokens.ids[token]]
        for choice in could:
            read_subject(RUN, choice["subject"])


def test_pieces_of_one_word_are_told_with_the_chips():
    chips = payload.bar(fake_run((" dog", "gy", " cat")), "key")["chips"]
    first, second, third = (c for c in chips if c["role"] == "answer")
    assert first["word"] == second["word"] == [*first["tokens"], *second["tokens"]]
    assert third["word"] == third["tokens"]


def test_the_answer_comes_along_for_editing(words, key):
    told = words.places({"run": key})
    assert told["answer"] == "A cat and a dog on the grass."
    assert told["run"] == key
    assert words.places({"run": "0" * 32})["text"] == texts.EXPIRED
    assert "text" in words.places(None)


# Typed words -------------------------------------------------------------------------------------


def token_of(handlers, key: str, text: str) -> int:
    return handlers.run(key).tokens.texts.index(text)


def test_a_typed_word_is_brought_once(handlers, words, explainer, key):
    at = token_of(handlers, key, " cat")
    asked = {"run": key, "at": at, "word": "grass"}
    first, last = words.bring(asked)
    assert first["busy"] == texts.BUSY_WORD
    assert last["subject"]["at"] == at
    assert explainer.brought == [" grass"], "with the space that the word in its place has"
    assert isinstance(read_subject(handlers.run(key), last["subject"]), Unsaid)
    assert list(words.bring(asked)) == [last]
    assert explainer.brought == [" grass"]


@pytest.mark.parametrize(
    ("asked", "words_of_it"),
    [
        ({"word": " "}, "empty"),
        ({"word": 3}, texts.BAD_REQUEST),
        ({"word": "x" * (LONGEST_WORD + 1)}, str(LONGEST_WORD)),
        ({"at": 999}, "outside"),
        ({"at": "7"}, texts.BAD_REQUEST),
        ({"run": "0" * 32}, texts.EXPIRED),
        ({"run": None}, texts.NOT_RUN),
    ],
)
def test_words_that_cannot_be_brought_are_said(words, key, asked, words_of_it):
    last = list(words.bring({"run": key, "at": 12, "word": "cat", **asked}))[-1]
    assert last["kind"] == "error"
    assert words_of_it in last["text"]
    assert list(words.bring(7))[-1]["kind"] == "error"


def test_a_word_for_a_run_whose_model_is_gone_is_said(handlers, key):
    run, store = handlers.run(key), RunStore()
    store.put(key, run)
    models = Models([Entry("org/other", kind="hub")], lambda *_, **__: None)
    words = WordsHandler(Handlers(models, store))
    for told in (
        list(words.bring({"run": key, "at": 12, "word": "zebra"}))[-1],
        list(words.edited({"run": key, "answer": "A dog."}))[-1].view,
    ):
        assert "fake-model, which is not loaded any more" in told["text"]
        assert "word or answer" in told["text"]


# Edited answers ----------------------------------------------------------------------------------


def test_an_edited_answer_becomes_a_run_of_its_own(handlers, words, explainer, key):
    first, last = words.edited({"run": key, "answer": "A dog."})
    assert first.view["busy"] == BUSY_GIVEN
    assert explainer.forced == ["A dog."]
    run = handlers.run(last.bar["run"])
    assert run.answer == "A dog."
    assert last.bar["run"] != key
    assert handlers.run(key).answer == "A cat and a dog on the grass.", "the first one is kept"
    assert last.backdrop["run"] == last.bar["run"]
    assert [c["text"] for c in last.bar["chips"] if c["role"] == "answer"] == ["A", "dog."]
    again = list(words.edited({"run": key, "answer": "A dog."}))[-1]
    assert again.bar["run"] == last.bar["run"]
    assert explainer.forced == ["A dog."], "read once"


@pytest.mark.parametrize("asked", [None, {}, {"answer": 3}, {"answer": "x" * 30_000}])
def test_an_unusable_answer_leaves_the_page_as_it_is(words, key, asked):
    asked = {"run": key, **asked} if asked is not None else None
    last = list(words.edited(asked))[-1]
    assert last.bar == {}
    assert last.view["kind"] == "error"
