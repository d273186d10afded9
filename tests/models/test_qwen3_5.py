"""What is new in Qwen3.5: layers that carry a state, a thought that can be left out, trimming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from explainer.errors import PromptError
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, PROMPT, TEMPLATE, Run
from explainer.run.thought import thought
from tests import tiny, tiny_hybrid


@pytest.fixture(scope="module")
def explainer(family_folders) -> Explainer:
    return load(family_folders["qwen3_5"], device="cpu", dtype="float32")


@pytest.mark.parametrize("prompt", ["what?", "what? \n", "  what?", "\n what?\t "])
def test_text_is_trimmed_where_the_template_trims_it(explainer, prompt):
    """After the picture, so that its start stays as it is."""
    family = explainer.family
    ids = family.compose([tiny.image()], prompt).ids
    text = "".join(family.codec.texts(ids))
    assert f"<|vision_end|>{prompt.rstrip()}<|im_end|>" in text
    run = explainer.record(tiny.image(), prompt, scales=(1.0,), max_new_tokens=1)
    assert "".join(run.tokens.texts[i] for i in run.indices(PROMPT)) == prompt.rstrip()
    assert run.prompt == prompt


@pytest.mark.parametrize("template", [tiny_hybrid.QWEN35_TEMPLATE, tiny_hybrid.QWEN35_QUICK])
def test_an_answer_opens_without_a_thought_unless_it_is_asked_for(
    family_folders, monkeypatch, template
):
    """Larger checkpoints think by default, the smallest do not."""
    family = load(family_folders["qwen3_5"], device="cpu").family
    monkeypatch.setattr(family.codec.tokenizer, "chat_template", template)
    ends = {}
    for thinking in (False, True):
        ids = family.compose([tiny.image()], "what?", thinking).ids
        ends[thinking] = "".join(family.codec.texts(ids)).split("assistant\n")[-1]
    assert ends == {False: "<think>\n\n</think>\n\n", True: "<think>\n"}
    assert family.can_think


def test_a_template_that_asks_for_a_thought_before_the_picture_is_told_apart(
    family_folders, monkeypatch
):
    """There the visual states depend on the choice, which Gemma 4's tests cover."""
    family = load(family_folders["qwen3_5"], device="cpu").family
    assert not family.thinks_before_picture
    del family.thinks_before_picture
    early = "{% if enable_thinking %}<|im_start|>system\nthink<|im_end|>\n{% endif %}"
    template = early + tiny_hybrid.QWEN35_TEMPLATE
    monkeypatch.setattr(family.codec.tokenizer, "chat_template", template)
    assert family.can_think
    assert family.thinks_before_picture


def test_a_thought_is_recorded_like_other_words(explainer, tmp_path):
    """It is read again with the run, also from a file, and its words have maps."""
    run = explainer.record(
        tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=6, thinking=True
    )
    run.save(tmp_path / "run.npz")
    run = Run.load(tmp_path / "run.npz")
    assert run.settings["thinking"] is True
    opened = "".join(run.tokens.texts[i] for i in run.indices(TEMPLATE))
    assert opened.endswith("<|im_start|>assistant\n<think>\n")
    assert thought(run) == tuple(run.indices(ANSWER).tolist())  # it is not closed
    run = explainer.attribute(run, thought(run)[0], "attention")
    assert explainer.add_evidence(run).evidence is not None
    plain = explainer.record(tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=6)
    assert "thinking" not in plain.settings
    assert thought(plain) == ()
    np.testing.assert_allclose(plain.scales[0].states, run.scales[0].states, atol=2e-3)


def test_a_thought_ends_with_the_mark_that_closes_it(explainer):
    run = explainer.record(
        tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=5, thinking=True
    )
    answer = run.indices(ANSWER)
    texts = list(run.tokens.texts)
    texts[answer[2]] = "</think>"
    closed = replace(run, tokens=replace(run.tokens, texts=tuple(texts)))
    assert thought(closed) == tuple(answer[:3].tolist())


def test_a_thought_is_refused_where_there_is_no_choice(explainer, qwen):
    with pytest.raises(PromptError, match="no choice whether to think"):
        qwen.record(tiny.image(), "a", thinking=True)
    with pytest.raises(PromptError, match="given is read without a thought"):
        explainer.record(tiny.image(), "a", answer="a cat", thinking=True)
    with pytest.raises(PromptError, match="true or false, got 'yes'"):
        explainer.record(tiny.image(), "a", thinking="yes")


def test_recordings_that_take_turns_keep_their_own_states(explainer):
    """A gated DeltaNet's state cannot be cut back to a prefix, so each answer holds its own."""
    asked = [(tiny.image(), "what is it?"), (tiny.image(64, 64, seed=1), "and this?")]
    alone = [explainer.record(*ask, scales=(0.5,), max_new_tokens=6) for ask in asked]
    streams = [explainer.stream(*ask, scales=(0.5,), max_new_tokens=6) for ask in asked]
    together = [None, None]
    while streams:
        for at, stream in list(enumerate(streams)):
            item = next(stream, None)
            together[at] = item or together[at]
            if item is None:
                streams = [s for s in streams if s is not stream]
    for one, two in zip(alone, together, strict=True):
        assert one.tokens.ids.tolist() == two.tokens.ids.tolist()
        assert (one.states == two.states).all()


def test_an_answer_read_at_once_has_the_states_of_one_made_token_by_token(explainer):
    """The chunks of the whole sequence against the steps of the recurrence."""
    run = explainer.record(tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=12)
    said = "".join(run.tokens.texts[i] for i in run.indices(ANSWER))
    family = explainer.family
    inputs = family.compose(run.images, run.prompt)
    answer = run.tokens.ids[run.indices(ANSWER)].tolist()
    whole = type(inputs)(
        (*inputs.ids, *answer), inputs.visual, inputs.roles, inputs.views, inputs.tensors
    )
    at = range(len(inputs.ids), len(whole.ids))
    states = explainer._engine.reread([whole], at)[-1, 0]
    assert said
    torch.testing.assert_close(
        torch.from_numpy(run.states[-len(answer) :].astype("float32")), states, atol=5e-3, rtol=5e-3
    )
