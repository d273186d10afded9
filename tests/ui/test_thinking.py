"""A thought on the page: asked for where the model can, folded, and its words are chips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.handlers import Handlers
from explainer.web import controls, payload
from tests.ui.fake import FakeExplainer, fake_run

IMAGE = np.full((60, 80, 3), 128, np.uint8)


def thinking_run() -> Run:
    run = fake_run(("<think>", " I", "</think>", " A", " cat"))
    return replace(run, settings={**run.settings, "thinking": True})


def test_chips_of_the_thought_are_marked_and_the_answer_after_it_is_shown_first():
    bar = payload.bar(thinking_run(), "key")
    answer = [chip for chip in bar["chips"] if chip["role"] == "answer"]
    assert [chip.get("thought", False) for chip in answer] == [True, True, True, False, False]
    shown = next(chip for chip in answer if chip["index"] == bar["subject"]["chip"])
    assert shown["text"].strip() == "cat"
    assert all("thought" not in chip for chip in payload.bar(fake_run(), "key")["chips"])


@pytest.mark.parametrize("able", [True, False])
def test_a_thought_is_asked_for_where_the_model_can(monkeypatch, able):
    asked = []

    class Asked(FakeExplainer):
        def stream(self, *values, **options):
            asked.append(options.get("thinking"))
            yield from super().stream(*values, **options)

    monkeypatch.setattr(Models, "facts", lambda models, name: {"can_think": able})
    handlers = Handlers(Asked(), RunStore())
    settings = ({}, 64, 0, 0, controls.panel_value(), controls.option_value())
    *_, last = handlers.record(IMAGE, "What?", *settings, thinking=True)
    assert last.bar["run"]
    assert asked == [able]
    *_, plain = handlers.record(IMAGE, "What?", *settings, thinking=False)
    assert (plain.bar["run"] == last.bar["run"]) is not able  # kept apart
    *_, refused = handlers.record(IMAGE, "What?", *settings, thinking="yes")
    assert refused.view["kind"] == "error"
