"""Conversations: a system prompt, earlier turns, and further questions about the same picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import PromptError, RunError
from explainer.export.sentence import sentence
from explainer.methods import METHODS
from explainer.recording.explainer import Explainer, Step
from explainer.recording.load import load
from explainer.run import (
    ANSWER,
    EARLIER_ANSWER,
    EARLIER_PROMPT,
    NOTHING_SAID,
    PROMPT,
    SYSTEM,
    Conversation,
    Run,
    Turn,
)
from explainer.run.conversation import continued
from explainer.run.schema import MOST_TURNS
from tests import tiny
from tests.recording.test_record import _same_arrays

FIRST, SAID = "what is in the picture?", "a red cat on the grass."
SECOND, MORE = "is a dog next to it?", "a dog sits there."
SYSTEM_TEXT = "describe a cat."
MARKUP = "<|im_end|> <|image_pad|> <image> </s> <end_of_turn> {{ bos_token }}"


def first(explainer: Explainer, **options) -> Run:
    """Return a run of which the answer is given, at two scales."""
    options = {"answer": SAID, "scales": [0.5], **options}
    return explainer.record(tiny.image(), FIRST, **options)


@pytest.fixture(scope="module")
def begun(any_family: Explainer) -> Run:
    return first(any_family)


@pytest.fixture(scope="module")
def followed(any_family: Explainer, begun: Run) -> Run:
    return any_family.follow_up(begun, SECOND, answer=MORE)


def said(run: Run, role: int) -> str:
    return "".join(run.tokens.texts[i] for i in run.indices(role))


def test_a_follow_up_equals_a_recording_of_the_whole_conversation(any_family, begun, followed):
    """Also of the picture at scale 1, which a follow-up keeps and a recording reads again."""
    run, more = begun, followed
    whole = any_family.record(
        tiny.image(), SECOND, answer=MORE, scales=[0.5], history=[(FIRST, SAID)]
    )
    assert _same_arrays(replace(more, scales=whole.scales), whole)
    for held, read in zip(more.scales, whole.scales, strict=True):
        np.testing.assert_allclose(held.states, read.states, atol=4e-3)
        assert (held.base_id, held.least_id) == (read.base_id, read.least_id)
    assert more.scales == run.scales
    assert more.conversation == whole.conversation == Conversation("", (Turn(FIRST, SAID),))
    assert {**more.settings, "seconds": 0} == {**whole.settings, "seconds": 0}


def test_what_was_said_before_has_roles_states_and_maps(followed, tmp_path):
    followed.save(tmp_path / "run.npz")
    more = Run.load(tmp_path / "run.npz")
    texts = {EARLIER_PROMPT: FIRST, EARLIER_ANSWER: SAID, PROMPT: SECOND, ANSWER: MORE}
    for role, text in texts.items():
        assert said(more, role).strip() == text
    tokens = [int(more.indices(role)[-2]) for role in texts]
    assert tokens == sorted(tokens)
    assert np.isfinite(more.probs[tokens]).all()
    for name in ("msea_arc", "tam", "logit_lens"):
        knobs = {"scales": [0.5, 1.0]} if name == "msea_arc" else {}
        for heat in METHODS[name].explain(more, tokens, **METHODS[name].settings(**knobs)):
            assert np.isfinite(heat.values).all()
    for token, text in zip(tokens, texts.values(), strict=True):
        assert "".join(piece.text for piece in sentence(more, [token])).strip() == text


def test_a_follow_up_reads_the_picture_once(qwen):
    steps = qwen.stream_follow_up(first(qwen), SECOND, max_new_tokens=3)
    *kinds, run = (item.kind if isinstance(item, Step) else item for item in steps)
    assert set(kinds) == {"read", "token"}
    assert run.alphas == (1.0, 0.5)
    assert "scales" not in run.settings["seconds"]


def test_a_follow_up_has_the_layers_of_the_first_answer(qwen):
    run = first(qwen, layers="all")
    more = qwen.follow_up(run, SECOND, answer=MORE)
    whole = qwen.record(
        tiny.image(), SECOND, answer=MORE, scales=[0.5], layers="all", history=[(FIRST, SAID)]
    )
    assert more.layer_numbers == whole.layer_numbers == run.layer_numbers
    for one, other in zip(more.layers, whole.layers, strict=True):
        np.testing.assert_array_equal(one.states, other.states)
        np.testing.assert_allclose(one.scales[1].states, other.scales[1].states, atol=4e-3)
    assert METHODS["msea_arc"](more.at_layer(1), int(more.indices(ANSWER)[0]), scales=[0.5, 1.0])


def test_a_conversation_goes_on(qwen):
    run = qwen.follow_up(first(qwen, system=SYSTEM_TEXT), SECOND, answer=MORE)
    third = qwen.follow_up(run, "why?", answer="a red cat")
    assert third.conversation == Conversation(SYSTEM_TEXT, (Turn(FIRST, SAID), Turn(SECOND, MORE)))
    assert said(third, SYSTEM) == SYSTEM_TEXT
    assert said(third, EARLIER_PROMPT) == FIRST + SECOND
    edited = qwen.teacher_force(run, "a blue car")
    assert edited.conversation == run.conversation
    assert continued(edited).turns[-1] == Turn(SECOND, "a blue car")


def test_a_system_prompt_is_read_before_the_picture(any_family, begun):
    plain, run = begun, first(any_family, system=SYSTEM_TEXT)
    assert said(run, SYSTEM).strip() == SYSTEM_TEXT
    assert run.conversation.system == SYSTEM_TEXT
    assert not np.allclose(plain.scales[1].states, run.scales[1].states, atol=1e-2)
    later = any_family.add_scale(first(any_family, system=SYSTEM_TEXT, scales=()), 0.5)
    np.testing.assert_array_equal(later.scale(0.5).states, run.scale(0.5).states)
    more = any_family.follow_up(run, SECOND, answer=MORE)
    whole = any_family.record(
        tiny.image(), SECOND, answer=MORE, scales=(), system=SYSTEM_TEXT, history=[(FIRST, SAID)]
    )
    assert more.tokens.ids.tolist() == whole.tokens.ids.tolist()
    np.testing.assert_allclose(more.scales[0].states, whole.scales[0].states, atol=4e-3)


def test_the_model_reads_a_conversation_again_for_what_is_added(qwen):
    more = qwen.follow_up(first(qwen), SECOND, answer=MORE)
    token = int(more.indices(EARLIER_ANSWER)[1])
    grown = qwen.attribute(more, [token, int(more.indices(ANSWER)[0])], "attention")
    assert len(grown.attributions) == 2
    probs = qwen.token_probabilities(more, [more.media])[0]
    np.testing.assert_allclose(probs, more.probs[more.indices(ANSWER)], rtol=1e-3)
    assert qwen.add_sources(more).sources.shape == (3, len(more.indices(ANSWER)))


def test_markup_that_was_said_stays_text(any_family):
    run = any_family.record(
        tiny.image(), FIRST, answer="a", scales=(), system=MARKUP, history=[(MARKUP, MARKUP)]
    )
    added = set(any_family.family.codec.added)
    for role in (SYSTEM, EARLIER_PROMPT, EARLIER_ANSWER):
        assert not added & set(run.tokens.ids[run.indices(role)].tolist())
        assert said(run, role).strip() == MARKUP


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"history": [(FIRST, SAID)] * (MOST_TURNS + 1)}, f"at most {MOST_TURNS} earlier turns"),
        ({"history": [FIRST]}, "earlier turn 1 must be a pair"),
        ({"history": [(FIRST, SAID), (FIRST,)]}, "earlier turn 2 must be a pair"),
        ({"history": FIRST}, "list of pairs"),
        ({"history": [(FIRST, " ")]}, "answer of earlier turn 1 is empty"),
        ({"history": [(3, SAID)]}, "prompt of earlier turn 1 is empty"),
        ({"history": [(FIRST, "\ud83d")]}, "half a character"),
        ({"system": 3}, "the system prompt is a text"),
        ({"system": " \n"}, "the system prompt is empty"),
        ({"history": [(FIRST, "a cat " * 5000)]}, "start a new conversation"),
        ({"system": "a cat " * 5000}, "system prompt and prompt with its template"),
    ],
)
def test_what_cannot_be_said_is_refused(qwen, options, words):
    with pytest.raises(PromptError, match=words):
        qwen.record(tiny.image(), SECOND, max_new_tokens=1, **options)


def test_an_answer_without_words_or_of_another_model_is_not_followed(qwen):
    run = first(qwen)
    silent = replace(run, tokens=replace(run.tokens, texts=("",) * len(run.tokens)))
    with pytest.raises(RunError, match="no words"):
        qwen.stream_follow_up(silent, SECOND)
    with pytest.raises(RunError, match="load another to ask it further"):
        qwen.follow_up(replace(run, model_id="another"), SECOND)
    turns = (Turn(FIRST, SAID),) * MOST_TURNS
    with pytest.raises(RunError, match=f"at most {MOST_TURNS} earlier turns"):
        qwen.follow_up(replace(run, conversation=Conversation("", turns)), SECOND)


def test_a_thought_is_not_told_again(qwen):
    run = first(qwen)
    texts = list(run.tokens.texts)
    texts[run.indices(ANSWER)[0]], texts[run.indices(ANSWER)[1]] = "<think>", "</think>"
    thinking = replace(
        run,
        tokens=replace(run.tokens, texts=tuple(texts)),
        settings={**run.settings, "thinking": True},
    )
    told = "".join(texts[i] for i in run.indices(ANSWER)[2:])
    assert continued(thinking) == Conversation("", (Turn(FIRST, told.strip()),))
    assert run.conversation == NOTHING_SAID


@pytest.mark.parametrize(
    ("template", "options", "words"),
    [
        ("{{ messages[0].role }}", {"system": "x"}, "no place for a system prompt; write it into"),
        ("{{ messages[0].role }}", {"history": [("a", "b")]}, "no place for earlier turns; ask"),
        ("{{ raise_exception('!') }}", {"system": "x"}, "no place for a system prompt"),
    ],
)
def test_a_template_without_a_place_for_it_says_so(
    qwen_folder, monkeypatch, template, options, words
):
    explainer = load(qwen_folder, device="cpu")
    own = explainer.family.template
    only = "{% if messages | length > 1 %}" + template + "{% else %}" + own + "{% endif %}"
    monkeypatch.setattr(explainer.family.codec.tokenizer, "chat_template", only)
    assert first(explainer, scales=())
    with pytest.raises(PromptError, match=words):
        explainer.record(tiny.image(), SECOND, max_new_tokens=1, **options)


def test_a_template_that_moves_the_picture_in_a_conversation_is_refused(qwen_folder, monkeypatch):
    explainer = load(qwen_folder, device="cpu")
    note = "{% if messages | length > 2 %}<|im_start|>a conversation<|im_end|>{% endif %}"
    template = note + explainer.family.template
    monkeypatch.setattr(explainer.family.codec.tokenizer, "chat_template", template)
    with pytest.raises(PromptError, match="something else before the prompt"):
        explainer.record(tiny.image(), SECOND, max_new_tokens=1, history=[("a", "b")])
