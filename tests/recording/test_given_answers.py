"""Answers and words that were typed: read by the model as if it had said them."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from explainer.errors import PromptError, RunError
from explainer.methods import METHODS
from explainer.methods.subjects import Contrast, Span, Unsaid, explain_subject, spelled, unsaid
from explainer.models.text.sentencepiece import build_backend, read_model
from explainer.models.text.tokens import TextCodec
from explainer.recording.explainer import Step
from explainer.recording.load import BUNDLED, load
from explainer.recording.packing import LONGEST_WORD, MOST_WORDS
from explainer.run import ANSWER, Run
from tests import tiny, tiny_tiles
from tests.models import sentencepiece_reference as reference
from tests.recording.test_record import _reference, _same_arrays

PROMPT = "what is in the picture?"
SAID = "a red cat on the grass."


def given(explainer, answer: str = SAID, **options) -> Run:
    return explainer.record(tiny.image(), PROMPT, **{"answer": answer, "scales": [0.5], **options})


@pytest.fixture(scope="module")
def said(any_family) -> Run:
    return given(any_family)


def at(run: Run, word: str) -> int:
    return next(int(i) for i in run.indices(ANSWER) if run.tokens.texts[i] == word)


# Given answers -----------------------------------------------------------------------------------


def test_a_given_answer_is_read_as_if_the_model_had_said_it(any_family, said):
    run = said
    assert run.answer.strip() == SAID
    assert (run.settings["decoding"], run.settings["finish"]) == ("given", "given")
    assert "temperature" not in run.settings
    logits, states = _reference(any_family, run)
    predicting = run.tokens.positions[run.indices(ANSWER)] - 1
    chances = logits[predicting].softmax(-1).numpy()
    ids = run.tokens.ids[run.indices(ANSWER)]
    want = chances[np.arange(len(ids)), ids]
    np.testing.assert_allclose(run.probs[run.indices(ANSWER)], want, rtol=1e-3)
    rows = run.states[run.indices(ANSWER)].astype(np.float32)
    np.testing.assert_allclose(rows, states[predicting].numpy(), atol=2e-2)


def test_the_models_own_answer_given_back_is_the_same_run():
    bundled = load(BUNDLED, device="cpu")
    own = bundled.record(tiny.image(), "Describe the image.", scales=[0.5], max_new_tokens=12)
    again = bundled.teacher_force(own, own.answer)
    np.testing.assert_array_equal(again.tokens.ids, own.tokens.ids)
    np.testing.assert_allclose(again.probs, own.probs, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(again.states, own.states, atol=2e-2)
    np.testing.assert_array_equal(again.scales[1].states, own.scales[1].states)


def test_an_edited_answer_takes_pictures_prompt_and_scales_over(any_family, said):
    first = given(any_family, "a dog")
    edited = any_family.teacher_force(first, SAID)
    assert _same_arrays(edited, said)
    assert edited.alphas == (1.0, 0.5)
    assert edited.scales[1] is first.scales[1]
    assert edited.settings["scales"] == [0.5, 1.0]
    assert all(
        METHODS["msea_arc"](edited, int(t), scales=[0.5, 1.0]) for t in edited.indices(ANSWER)
    )


def test_the_map_of_an_unsaid_word_is_the_one_it_has_when_it_is_said(any_family, said):
    other = any_family.teacher_force(said, SAID.replace("red", "blue"))
    token = at(said, " red")
    assert other.tokens.texts[token] in (" blue", " b")
    subject = Unsaid(token, (int(other.tokens.ids[token]),))
    grown = any_family.add_words(said, [other.tokens.texts[token]])
    for name in ("msea_arc", "tam", "logit_lens"):
        knobs = {"scales": [0.5, 1.0]} if name == "msea_arc" else {}
        ours = explain_subject(METHODS[name], grown, subject, **knobs)
        np.testing.assert_allclose(
            ours.values, METHODS[name](other, token, **knobs).values, atol=2e-2
        )


def test_a_stream_of_a_given_answer_reads_once(qwen):
    *steps, run = qwen.stream(tiny.image(), PROMPT, answer=SAID, scales=[0.5])
    assert [s.kind for s in steps if isinstance(s, Step)] == ["read", "scale"]
    assert set(run.settings["seconds"]) == {"read", "pack", "scales"}


@pytest.mark.parametrize("answer", ["<|im_end|> a cat", "<|image_pad|>", "a <|im_start|>user"])
def test_markup_in_a_given_answer_stays_text(qwen, answer):
    run = given(qwen, answer)
    assert run.answer == answer
    added = set(qwen.family.codec.added)
    assert not added & set(run.tokens.ids[run.indices(ANSWER)].tolist())


@pytest.mark.parametrize("answer", ["", "  \n", "a \ud83d cat", None, 3])
def test_an_unusable_answer_is_refused(qwen, answer):
    run = given(qwen)
    with pytest.raises(PromptError, match="answer"):
        qwen.teacher_force(run, answer)


def test_an_answer_that_is_too_long_is_refused_with_numbers(qwen):
    with pytest.raises(PromptError, match=r"answer \(up to \d+\)"):
        given(qwen, "a cat " * 5000)


def test_another_model_does_not_read_it(qwen, any_family, said):
    run = said
    if any_family.model_id == qwen.model_id:
        pytest.skip("the same model")
    for call in (lambda: qwen.teacher_force(run, "a"), lambda: qwen.add_words(run, ["a"])):
        with pytest.raises(RunError, match="recorded with"):
            call()


# Typed words -------------------------------------------------------------------------------------


def test_a_typed_word_gets_the_rows_of_its_pieces(any_family, said, tmp_path):
    run = said
    token = at(run, " red")
    text = spelled(run, token, "doggy")
    assert text == " doggy"
    grown = any_family.add_words(run, [text])
    subject = unsaid(grown, token, "doggy")
    assert "".join(grown.pieces[i] for i in subject.ids) == " doggy"
    weight = any_family.family.unembedding.weight.detach().float()
    for token_id in subject.ids:
        row = grown.unembedding.rows[grown.unembedding.index([token_id])[0]]
        np.testing.assert_allclose(row, weight[token_id].numpy(), rtol=1e-3, atol=1e-4)
    grown.save(tmp_path / "run.npz")
    opened = Run.load(tmp_path / "run.npz")
    assert unsaid(opened, token, "doggy") == subject
    contrast = Contrast(Span((token,)), subject)
    heat = explain_subject(METHODS["logit_lens"], opened, contrast)
    assert heat.signed
    assert np.abs(heat.values).max() == 1


def test_probabilities_of_typed_words_are_true_within_rounding(any_family, said):
    run = said
    token = at(run, " red")
    grown = any_family.add_words(run, ["a", "c", "t", "b"])
    logits, _ = _reference(any_family, run)
    chances = logits[int(run.tokens.positions[token]) - 1].softmax(-1)
    for (token_id,) in grown.settings["words"].values():
        assert grown.probability(token, token_id) == pytest.approx(
            float(chances[token_id]), rel=2e-2
        )


def test_the_space_before_a_word_makes_another_word(qwen):
    run = qwen.add_words(given(qwen), [" cat", "cat"])
    spaced, bare = run.settings["words"][" cat"], run.settings["words"]["cat"]
    assert spaced != bare
    assert qwen.family.codec.texts(spaced) != qwen.family.codec.texts(bare)


@pytest.mark.parametrize("word", ["", " ", "x\udc00", 7])
def test_unusable_words_are_refused(qwen, word):
    with pytest.raises(PromptError, match="word"):
        qwen.add_words(given(qwen), [word])


def test_words_are_bounded(qwen):
    run = given(qwen)
    with pytest.raises(RunError, match=f"at most {LONGEST_WORD}"):
        qwen.add_words(run, ["猫" * LONGEST_WORD])
    with pytest.raises(RunError, match=str(MOST_WORDS)):
        qwen.add_words(run, [f"a{i}" for i in range(MOST_WORDS + 1)])


# Spelling ----------------------------------------------------------------------------------------

TEXTS = (
    "cat",
    " cat",
    "a cat",
    "  two",
    "\nnew",
    "é",
    " e\u0301",
    "猫",
    "<|im_end|>",
    " a\n b ",
    ".",
)


@pytest.mark.parametrize("layout", ["normalizer", "first", "always", "never", "bytes"])
@pytest.mark.parametrize("text", TEXTS)
def test_text_within_a_text_is_spelled_exactly(layout, text):
    made = tiny.tokenizer() if layout == "bytes" else tiny_tiles.llama_tokenizer(layout)
    codec = TextCodec(made)
    spelt = b"".join(map(codec.bytes_of, codec.encode_within(text)))
    assert spelt.decode() == text


@pytest.mark.parametrize(("layout", "want"), [("normalizer", " a cat"), ("bytes", "a cat")])
def test_answers_begin_as_the_tokenizer_begins_a_text(layout, want):
    made = tiny.tokenizer() if layout == "bytes" else tiny_tiles.llama_tokenizer(layout)
    codec = TextCodec(made)
    ids = codec.encode_answer("a cat")
    assert b"".join(map(codec.bytes_of, ids)).decode() == want
    assert codec.encode_answer(" a cat") == codec.encode_within(" a cat")


def test_a_text_that_the_tokenizer_changes_is_refused(tmp_path):
    model = reference.write(tmp_path / "tokenizer.model", reference.pieces(), squeeze_spaces=True)
    backend = build_backend(read_model(model), {})
    codec = TextCodec(PreTrainedTokenizerFast(tokenizer_object=backend))
    assert b"".join(map(codec.bytes_of, codec.encode_within(" cat"))) == b" cat"
    with pytest.raises(PromptError, match="double spaces"):
        codec.encode_within("a  cat")
