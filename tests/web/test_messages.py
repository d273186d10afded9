"""Messages between the page and Python: calls are checked, and the types of the page current."""

from __future__ import annotations

import pytest

from explainer.errors import RunError
from explainer.web import controls, texts
from explainer.web.calls import AnswerCall, HidingCall, QueryCall, RunCall, read_call
from tests import message_types

HIDING = {"run": "a", "method": "tam", "image": 0, "how": "box", "fill": "mean"}
HIDING |= {"panel": controls.panel_value(), "options": controls.option_value()}


def test_the_types_of_the_page_are_those_that_python_declares():
    for path, text in message_types.type_files().items():
        assert path.read_text("utf-8") == text


@pytest.mark.parametrize("empty", [{}, {"run": None}, {"run": ""}])
def test_a_call_about_no_run_says_so(empty):
    with pytest.raises(RunError, match=texts.NOT_RUN):
        read_call(RunCall, empty)


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (RunCall, None),
        (RunCall, {"run": 7}),
        (RunCall, {"run": "a" * 65}),
        (AnswerCall, {"run": "a", "answer": "b" * 20_001}),
        (HidingCall, HIDING | {"image": True}),
        (HidingCall, HIDING | {"image": "0"}),
        (HidingCall, HIDING | {"box": [0, 0, 1]}),
        (HidingCall, HIDING | {"box": [0, 0, 1, 1.5]}),
        (HidingCall, HIDING | {"box": [0, 0, 1, float("nan")]}),
        (HidingCall, HIDING | {"panel": None}),
        (HidingCall, HIDING | {"panel": {"alphas": [[1]], "k": 9, "beta": None}}),
        (HidingCall, HIDING | {"options": {"tam": {"window": [3]}}}),
        (HidingCall, HIDING | {"subject": {"chip": "1"}}),
        (HidingCall, HIDING | {"subject": {"tokens": list(range(1000))}}),
        (QueryCall, {"query": {"prompt": 3}}),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence_for_people(kind, sent):
    with pytest.raises(RunError) as told:
        read_call(kind, sent)
    assert str(told.value) == texts.BAD_REQUEST


def test_a_call_keeps_what_was_sent():
    call = read_call(HidingCall, HIDING | {"box": [0, 0.25, 1, 1], "more": 1})
    assert (call.image, call.box, call.subject) == (0, [0, 0.25, 1, 1], None)
