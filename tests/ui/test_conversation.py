"""Conversations on the page: further questions, and a system prompt."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods.subjects import Span
from explainer.run import EARLIER_ANSWER, Conversation, Turn
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Server
from explainer.ui.sections.conversation import ConversationSection, words
from explainer.ui.visitors import Visits
from explainer.web import controls, payload, texts
from explainer.web.subjects import read_subject
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer

IMAGE = np.full((60, 80, 3), 128, np.uint8)
DECODING = (64, 0, 0, "last", None)
SETTINGS = ({}, 64, 0, 0, controls.panel_value(), controls.option_value())
SAID = "".join(ANSWER_TEXTS)


class Asked(FakeExplainer):
    """Keeps the options of what it is asked."""

    def stream(self, image, prompt, **options):
        self.options = options
        yield from super().stream(image, prompt, **options)


@pytest.fixture
def section() -> ConversationSection:
    store, models = RunStore(), Models.of_one(Asked())
    handlers = Handlers(models, store)
    menu = ModelMenu(models, lambda: "float32")
    return ConversationSection(Server(handlers, store, Visits(Calls()), models, menu))


@pytest.fixture
def key(section) -> str:
    return list(section.server.handlers.record(IMAGE, "What?", *SETTINGS))[-1].bar["run"]


def ask(section, message, previous=None):
    return list(section.ask(message, previous or {}, *DECODING))


def test_what_was_said_stays_around_the_new_answer(section, key):
    first, *_, last = ask(section, {"run": key, "prompt": "And now?"})
    said = [(chip["role"], chip["text"]) for chip in first.bar["chips"]]
    assert said == [
        ("earlier_prompt", "What?"),
        ("earlier_answer", SAID),
        ("prompt", "And now?"),
    ]
    assert first.bar["live"]
    run = section.server.handlers.run(last.bar["run"])
    assert run.conversation == Conversation("", (Turn("What?", SAID),))
    roles = {chip["role"] for chip in last.bar["chips"]}
    assert {"earlier_prompt", "earlier_answer", "prompt", "answer"} <= roles
    earlier = next(c for c in last.bar["chips"] if c["role"] == "earlier_answer")
    assert earlier["label"].endswith("earlier answer word")
    assert isinstance(read_subject(run, {"chip": earlier["index"]}), Span)
    assert last.bar["subject"]["chip"] in [
        c["index"] for c in last.bar["chips"] if c["role"] == "answer"
    ]


def test_the_same_question_is_answered_once(section, key):
    explainer = section.server.models.loaded("fake-model")
    for _ in range(2):
        *_, last = ask(section, {"run": key, "prompt": "And now?"})
    assert len(explainer.calls) == 2  # with the first question
    *_, third = ask(section, {"run": last.bar["run"], "prompt": "Sure?"})
    run = section.server.handlers.run(third.bar["run"])
    assert [turn.prompt for turn in run.conversation.turns] == ["What?", "And now?"]
    assert len(run.indices(EARLIER_ANSWER)) == 2 * len(SAID.split())


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"run": "0" * 32, "prompt": "And now?"}, texts.EXPIRED),
        ({"prompt": "And now?"}, texts.NOT_RUN),
        ({"run": 3, "prompt": "And now?"}, texts.BAD_REQUEST),
        (None, texts.BAD_REQUEST),
    ],
)
def test_a_question_about_nothing_brings_the_chips_of_before_back(section, key, message, text):
    *_, last = ask(section, message, {"run": key})
    assert last.view["kind"] == "error"
    assert last.view["text"] == text


def test_an_empty_question_is_not_asked(section, key):
    (only,) = ask(section, {"run": key, "prompt": " "}, {"run": key})
    assert only.view["text"] == words.EMPTY


@pytest.mark.parametrize(("typed", "asked"), [(" Be brief. ", "Be brief."), ("", None)])
def test_a_system_prompt_is_asked_with(section, typed, asked):
    handlers = section.server.handlers
    *_, last = handlers.record(IMAGE, "What?", *SETTINGS, system=typed)
    assert last.bar["run"]
    assert section.server.models.loaded("fake-model").options.get("system") == asked
    *_, refused = handlers.record(IMAGE, "What?", *SETTINGS, system=3)
    assert refused.view["kind"] == "error"


def test_a_thread_begins_with_the_system_prompt():
    thread = payload.conversation_thread(Conversation("Be brief.", (Turn("a", "b"),)), "c")
    assert thread == [
        ("Be brief.", "system"),
        ("a", "earlier_prompt"),
        ("b", "earlier_answer"),
        ("c", "prompt"),
    ]
