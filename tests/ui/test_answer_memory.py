"""What is said beside the slider of the longest answer."""

from __future__ import annotations

import pytest

from explainer.models.decoding import Decoding
from explainer.recording.request import check_request, open_visual_input
from explainer.recording.sizes import answer_bytes, photograph_costs
from explainer.serving.model_pool import Models
from explainer.ui.answer_memory import AnswerMemory
from explainer.web import texts
from tests import tiny
from tests.ui.fake import FakeExplainer


def test_the_costs_are_those_that_a_recording_is_checked_by(qwen):
    family = qwen.family
    linear, quadratic = photograph_costs(family)
    visual = open_visual_input(family, tiny.image(), None)
    inputs = family.compose(visual.media, "What?")
    for tokens in (64, 2048):
        request = check_request(family, visual, "What?", (), Decoding(tokens, 0.0, 0))
        other = len(inputs.ids) - family.photo_tokens  # without further scales
        told = linear * tokens + quadratic * tokens**2
        assert told + quadratic * tokens * other == answer_bytes(family, inputs, request)


def test_the_memory_follows_the_slider(qwen):
    memory = AnswerMemory(Models.of_one(qwen))
    short, long = (memory.said(tokens, "")["text"] for tokens in (64, 2048))
    assert short.startswith("64 tokens about a photograph take up to about ")
    assert long.startswith("2,048 tokens")
    sizes = [float(text.split(" MB")[0].split()[-1].replace(",", "")) for text in (short, long)]
    assert 0 < 32 * sizes[0] < sizes[1]


def test_nothing_is_said_of_a_model_that_is_not_loaded():
    memory = AnswerMemory(Models.of_one(FakeExplainer()))
    assert memory.said(64, "") == {"text": "", "kind": "note"}


@pytest.mark.parametrize("wrong", [(1e9, ""), ("x", ""), (64, "elsewhere"), ([], {})])
def test_values_from_elsewhere_are_refused_in_words(wrong):
    told = AnswerMemory(Models.of_one(FakeExplainer())).said(*wrong)
    assert told["kind"] == "error"
    assert told["text"] not in ("", texts.BROKEN)
