"""Gemma 4's thoughts: asked for before the picture, written by the model, left out afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.evaluation.contract import FAIL, run_checks
from explainer.methods import METHODS
from explainer.models.engine import Engine
from explainer.recording.explainer import Explainer, Step
from explainer.recording.load import load
from explainer.run import ANSWER, Conversation, Run, Turn
from explainer.run.thought import thought
from tests import tiny, tiny_gemma

FIRST, SECOND = "what is in the picture?", "is a dog next to it?"
THOUGHT, SAID = "<|channel>thought\nthe dog is a cat.\n<channel|>", "a red cat."


@pytest.fixture(scope="module", params=["small", "large"])
def gemma(request, tmp_path_factory) -> Explainer:
    """One whose template adds nothing where no thought is asked for, and one that adds an end."""
    folder = tmp_path_factory.mktemp("models") / request.param
    made = tiny_gemma.gemma4(folder, both_ways=request.param == "large")
    return load(made, device="cpu", dtype="float32")


@pytest.fixture
def thinking(gemma, monkeypatch) -> Run:
    """A run whose answer opens with a thought, which random weights would not write."""
    words = iter(gemma.family.codec.tokenizer(THOUGHT + SAID, add_special_tokens=False).input_ids)
    end = min(gemma.family.stop_ids)
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "choose", lambda self, answer, pick: next(words, end))
        return gemma.record(tiny.image(), FIRST, scales=(0.5,), thinking=True)


def said(run: Run, tokens) -> str:
    return "".join(run.tokens.texts[i] for i in tokens)


def rendered(explainer: Explainer, messages: list[dict], thinking: bool) -> list[int]:
    """Return the ids of the tokenizer on all that the template writes, with the picture's marks."""
    words = explainer.family.codec.tokenizer
    text = words.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    marks = "<|image|>" * len(explainer.family.picture(tiny.image(), 1.0))
    text = text.replace("<|image|>", f"<|image>{marks}<image|>")
    return words(text, add_special_tokens=False).input_ids


def asked(text: str) -> dict:
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}


@pytest.mark.parametrize("thinks", [False, True])
def test_the_sequence_is_that_of_the_template_with_either_choice(gemma, thinks):
    family, system = gemma.family, {"role": "system", "content": "You answer briefly."}
    plain = family.compose([tiny.image()], FIRST, thinks)
    assert list(plain.ids) == rendered(gemma, [asked(FIRST)], thinks)
    briefly = family.compose([tiny.image()], FIRST, thinks, Conversation(system["content"]))
    assert list(briefly.ids) == rendered(gemma, [system, asked(FIRST)], thinks)
    text = "".join(family.codec.texts(plain.ids))
    assert text.startswith("<bos><|turn>system\n<|think|>\n<turn|>\n") == thinks
    assert family.can_think
    assert family.thinks_before_picture


def test_every_check_passes_with_a_thought(gemma):
    """Answers as by `generate`, states that later text leaves alone, scales added later.

    The same without a thought is in `tests/commands/test_check.py`.
    """
    found = list(run_checks(gemma, {}, thinking=True))
    assert len(found) > 15
    assert [(f.name, f.measured) for f in found if f.verdict == FAIL] == []


def test_a_thought_is_told_apart_and_its_words_are_explained(gemma, thinking, tmp_path):
    thinking.save(tmp_path / "run.npz")
    run = Run.load(tmp_path / "run.npz")
    thoughts = thought(run)
    assert said(run, thoughts) == THOUGHT
    assert said(run, run.indices(ANSWER)[len(thoughts) :]) == SAID
    for name in ("msea_arc", "tam", "logit_lens"):
        knobs = {"scales": [0.5, 1.0]} if name == "msea_arc" else {}
        for heat in METHODS[name].explain(run, thoughts[2:5], **METHODS[name].settings(**knobs)):
            assert np.isfinite(heat.values).all()
    assert gemma.attribute(run, thoughts[3], "attention").attributions
    assert np.allclose(
        gemma.token_probabilities(run, [run.media])[0], run.probs[run.indices(ANSWER)], rtol=1e-3
    )


def test_an_answer_without_a_thought_has_none(gemma):
    """Whether none was asked for, though larger models read an empty one, or none was written."""
    for thinks in (False, True):
        run = gemma.record(tiny.image(), FIRST, scales=(), max_new_tokens=4, thinking=thinks)
        marks = [i for i in run.indices(ANSWER) if "channel" in run.tokens.texts[i]]
        assert thought(run) == ()
        assert marks == []


def test_a_follow_up_leaves_the_thought_out_as_the_template_does(gemma, thinking):
    more = gemma.follow_up(thinking, SECOND, max_new_tokens=2)
    messages = [
        asked(FIRST),
        {"role": "assistant", "content": THOUGHT + SAID},
        {"role": "user", "content": SECOND},
    ]
    whole = rendered(gemma, messages, thinking=True)
    text = [i for i in whole if i != gemma.family.image_token_id]
    assert more.conversation == Conversation("", (Turn(FIRST, SAID),))
    assert more.tokens.ids[: len(text)].tolist() == text
    assert more.settings["thinking"] is True
    assert more.scales == thinking.scales


@pytest.mark.parametrize("further", ["a prompt", "an answer"])
def test_scales_are_read_anew_where_the_choice_changes(gemma, thinking, further):
    """Without the request for a thought before it, the picture has other states."""
    if further == "a prompt":
        changed = gemma.follow_up(thinking, SECOND, thinking=False, max_new_tokens=2)
        history = [(FIRST, SAID)]
        plain = gemma.record(tiny.image(), SECOND, scales=(0.5,), history=history, max_new_tokens=2)
    else:
        changed = gemma.teacher_force(thinking, "a dog.")
        plain = gemma.record(tiny.image(), FIRST, scales=(0.5,), answer="a dog.")
    assert "thinking" not in changed.settings
    assert changed.tokens.ids.tolist() == plain.tokens.ids.tolist()
    assert changed.alphas == plain.alphas == (1.0, 0.5)
    for one, two, other in zip(changed.scales, plain.scales, thinking.scales, strict=True):
        np.testing.assert_array_equal(one.states, two.states)
        assert not np.allclose(one.states, other.states, atol=1e-2)


def test_a_scale_added_later_reads_the_request_for_a_thought(gemma, thinking):
    plain = gemma.record(tiny.image(), FIRST, scales=(0.5,), max_new_tokens=1)
    later = gemma.add_scale(thinking, 0.75).scale(0.75)
    assert not np.allclose(later.states, gemma.add_scale(plain, 0.75).scale(0.75).states, atol=1e-2)
    steps = gemma.stream_follow_up(plain, SECOND, max_new_tokens=1, thinking=True)
    kinds = [step.kind for step in steps if isinstance(step, Step)]
    assert kinds.count("scale") == 1
