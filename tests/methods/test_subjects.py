"""What is explained besides single tokens: spans, words that were not said, contrasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import KnobError, MethodError, RunError, TokenError
from explainer.methods import COMPARISON, METHODS, combine_maps
from explainer.methods.subjects import (
    Contrast,
    Span,
    Unsaid,
    candidates,
    explain_subject,
    probability,
    spelled,
    text_of,
    unsaid,
    whole_words,
)
from explainer.run import ANSWER, Run, Unembedding
from tests.methods import slow
from tests.methods.small import small_run, with_texts

SAID = [20, 21, 20, 33, 21, 47, 20]
RUN = small_run(answer_ids=SAID)
ANSWERS = [int(t) for t in RUN.indices(ANSWER)]
AT = ANSWERS[3]
LENS = METHODS["logit_lens"]

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def by_hand() -> Run:
    """Return a run of 2 x 2 visual tokens and d = 2 whose logits can be worked out by head.

    Word 1 has the row (1, 0), word 2 the row (0, 1), so that the logits of a state are the state.
    Its tokens: template, prompt, template, word 1, word 2.
    """
    changes = {"n_template": 2, "n_prompt": 1, "d": 2, "vocab": 12, "k_top": 12}
    run = small_run(answer_ids=[1, 2], grids={1.0: (2, 2)}, **changes)
    rows = np.zeros((12, 2), np.float16)
    rows[1:3] = np.eye(2)
    visual = np.array([[4, 1], [0, 2], [-1, 0], [2, 2]], np.float16)
    text = np.array([[0, 0], [9, 3], [20, 0], [0, 30], [0, 0], [0, 0]], np.float16)
    unembedding = Unembedding(np.arange(12, dtype=np.int32), rows, np.zeros(12, np.float32))
    scale = replace(run.scales[0], states=visual)
    return replace(run, states=text, scales=(scale,), unembedding=unembedding)


def recorded_with(token_id: int) -> Run:
    """Return the run in which the model itself said another word at `AT`."""
    return small_run(answer_ids=[*SAID[:3], token_id, *SAID[4:]])


# Spans -------------------------------------------------------------------------------------------


@every_method
@pytest.mark.parametrize("by", ["max", "mean", "first"])
def test_a_span_combines_the_maps_of_its_pieces(method, by):
    pieces = [method(RUN, t) for t in ANSWERS[1:4]]
    heat = explain_subject(method, RUN, Span(tuple(ANSWERS[1:4]), by))
    np.testing.assert_array_equal(heat.values, combine_maps(pieces, by).values)
    stack = np.stack([p.values for p in pieces])
    want = {"max": stack.max(0), "mean": stack.mean(0), "first": stack[0]}[by]
    np.testing.assert_array_equal(heat.values, want)


@every_method
def test_a_span_of_one_token_is_that_token(method):
    one, other = explain_subject(method, RUN, Span((AT,))), method(RUN, AT)
    np.testing.assert_array_equal(one.values, other.values)
    assert (one.notes, one.normalisation) == (other.notes, other.normalisation)


# Words that were not said ------------------------------------------------------------------------


@every_method
@pytest.mark.parametrize("normalisation", ["joint", "token", "answer"])
def test_another_word_has_the_map_that_it_would_have_if_it_had_been_said(method, normalisation):
    want = method(recorded_with(47), AT, normalisation=normalisation)
    heat = explain_subject(method, RUN, Unsaid(AT, (47,)), normalisation=normalisation)
    np.testing.assert_allclose(heat.values, want.values, atol=1e-6)
    assert heat.notes == pytest.approx(want.notes)
    assert np.abs(heat.values - method(RUN, AT, normalisation=normalisation).values).max() > 0.1


def test_a_word_of_several_pieces_stands_at_one_state():
    pieces = [METHODS["tam"](RUN.with_token(AT, i), AT) for i in (47, 20)]
    heat = explain_subject(METHODS["tam"], RUN, Unsaid(AT, (47, 20), "mean"))
    np.testing.assert_allclose(heat.values, combine_maps(pieces, "mean").values, atol=1e-6)


def test_a_run_that_says_another_word_shares_the_products():
    run = small_run()
    other = run.with_token(AT, 47)
    assert other.visual_logits(1.0) is run.visual_logits(1.0)
    assert other.tokens.ids[AT] == 47
    assert other.tokens.texts[AT] == " w47"
    assert run.tokens.ids[AT] == 33
    assert run.with_token(AT, 33) is run


def test_computed_maps_of_the_old_word_are_not_taken_for_those_of_the_new():
    keys = [("grad_cam", token, ()) for token in (AT, AT - 1)]
    empty = np.zeros(len(RUN.scales[0].states), np.float32)
    run = replace(RUN, attributions=dict.fromkeys(keys, empty))
    assert list(run.with_token(AT, 47).attributions) == keys[1:]
    with pytest.raises(MethodError, match="recorded words only"):
        explain_subject(COMPARISON["grad_cam"], run, Unsaid(AT, (47,)))


def test_probabilities_of_other_words_are_those_of_the_whole_vocabulary():
    rows = np.stack([slow.row(RUN, int(i)) for i in RUN.unembedding.ids])
    logits = rows @ RUN.states[AT].astype(float)
    first = int(RUN.topk[AT, 0])
    scale = RUN.candidate_probs[AT, 0] / np.exp(logits[list(RUN.unembedding.ids).index(first)])
    for token_id, logit in zip(RUN.unembedding.ids, logits, strict=True):
        assert RUN.probability(AT, int(token_id)) == pytest.approx(np.exp(logit) * scale, rel=1e-3)
    assert RUN.probability(AT, 33) == pytest.approx(RUN.probs[AT])
    assert np.isnan(RUN.probability(AT, 119 if 119 not in RUN.unembedding.ids else 118))
    assert np.isnan(RUN.probability(0, 20)), "nothing predicts the first token"
    assert RUN.with_token(AT, 47).probs[AT] == np.float32(RUN.probability(AT, 47))


def test_the_candidates_of_a_step_are_the_first_of_its_list():
    found = candidates(RUN, AT)
    assert [c.token_id for c in found[:10]] == RUN.topk[AT, :10].tolist()
    assert [c.probability for c in found[:10]] == RUN.candidate_probs[AT, :10].tolist()
    assert found[0].text == f" w{RUN.topk[AT, 0]}"
    assert all(c.token_id in RUN.unembedding.ids for c in candidates(RUN, 7))
    assert candidates(RUN, 0) == []


# Typed words -------------------------------------------------------------------------------------


def test_a_typed_word_takes_the_space_of_the_token_in_whose_place_it_stands():
    run = with_texts(RUN, {ANSWERS[0]: "A"})
    assert spelled(run, AT, "cat") == " cat"
    assert spelled(run, ANSWERS[0], "cat") == "cat"
    assert spelled(run, ANSWERS[0], " cat") == " cat"
    with pytest.raises(TokenError, match="empty"):
        spelled(run, AT, "  ")


def test_a_typed_word_is_found_among_the_rows_and_the_words_that_were_added():
    assert unsaid(RUN, AT, "w47") == Unsaid(AT, (47,))
    run = replace(RUN, settings={"words": {" hot dog": [20, 21]}})
    assert unsaid(run, AT, "hot dog") == Unsaid(AT, (20, 21))
    assert text_of(run, Unsaid(AT, (20, 21))) == " w20 w21"
    with pytest.raises(TokenError, match="add_words"):
        unsaid(RUN, AT, "cat")


# Contrasts ---------------------------------------------------------------------------------------


def test_a_contrast_of_the_lens_by_hand():
    """W_1 - W_2 is (1, -1): 4 - 1, 0 - 2, -1 - 0 and 2 - 2."""
    contrast = Contrast(Span((3,)), Unsaid(3, (2,)))
    heat = explain_subject(LENS, by_hand(), contrast)
    assert heat.signed
    np.testing.assert_allclose(heat.values, np.array([[3, -2], [-1, 0]]) / 3)
    assert "largest difference in this map" in heat.normalisation


def test_the_ranges_of_a_contrast_by_hand():
    """Of the text before word 1 only the prompt counts: its state (9, 3) tells the words apart by
    6. The largest logit of the answer's words is the 4 of word 1."""
    contrast, run = Contrast(Span((3,)), Unsaid(3, (2,))), by_hand()
    gaps = np.array([[3, -2], [-1, 0]])
    jointly = explain_subject(LENS, run, contrast, normalisation="joint")
    np.testing.assert_allclose(jointly.values, gaps / 6)
    by_answer = explain_subject(LENS, run, contrast, normalisation="answer")
    np.testing.assert_allclose(by_answer.values, gaps / 4)
    assert len({jointly.normalisation, by_answer.normalisation}) == 2


def test_a_contrast_of_the_lens_is_that_of_the_rows():
    row = slow.row(RUN, 33) - slow.row(RUN, 47)
    raw = (RUN.scales[0].states.astype(float) @ row).reshape(6, 7)
    for show in ("positive", "signed"):
        heat = explain_subject(LENS, RUN, Contrast(Span((AT,)), Unsaid(AT, (47,))), show=show)
        np.testing.assert_allclose(heat.values, raw / np.abs(raw).max(), atol=1e-5)


@every_method
@pytest.mark.parametrize("normalisation", ["joint", "token", "answer"])
def test_turning_a_contrast_around_turns_its_sign(method, normalisation):
    one, other = Span((AT, AT + 1)), Unsaid(AT, (47,))
    there = explain_subject(method, RUN, Contrast(one, other), normalisation=normalisation)
    back = explain_subject(method, RUN, Contrast(other, one), normalisation=normalisation)
    np.testing.assert_array_equal(there.values, -back.values)
    assert there.signed
    assert 0 < np.abs(there.values).max() <= 1


@every_method
def test_a_word_against_itself_is_nothing(method):
    heat = explain_subject(method, RUN, Contrast(Span((AT,)), Span((AT,))))
    assert not heat.values.any()


def test_a_contrast_of_tam_is_the_difference_of_maps_on_one_scale():
    """By the answer's range all maps of TAM are divided by the same number."""
    tam, other = METHODS["tam"], ANSWERS[5]
    one, two = (tam(RUN, t, normalisation="answer").values for t in (AT, other))
    heat = explain_subject(tam, RUN, Contrast(Span((AT,)), Span((other,))), normalisation="answer")
    np.testing.assert_allclose(heat.values, one - two, atol=1e-6)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "error", "words"),
    [
        (Span(()), TokenError, "at least one"),
        (Unsaid(AT, ()), TokenError, "at least one"),
        (Span((99,)), TokenError, "outside"),
        (Unsaid(99, (20,)), TokenError, "outside"),
        (Unsaid(AT, (100_000,)), RunError, "no unembedding row"),
        (Span((AT,), "sum"), MethodError, "max, mean, first"),
        (Contrast(Span((AT,)), Span(())), TokenError, "at least one"),
    ],
)
def test_wrong_subjects_are_refused(subject, error, words):
    with pytest.raises(error, match=words):
        explain_subject(METHODS["tam"], RUN, subject)


def test_what_does_not_go_with_a_subject_is_refused():
    with pytest.raises(KnobError, match="predicting"):
        explain_subject(METHODS["msea_arc"], RUN, Unsaid(AT, (47,)), state="own")
    contrast = Contrast(Span((AT,)), Unsaid(AT, (47,)))
    with pytest.raises(KnobError, match="no contrasts"):
        explain_subject(METHODS["tam"], RUN, contrast, mode="published")


# Words and their text ----------------------------------------------------------------------------


def test_chips_are_grouped_into_words():
    texts = dict(zip(ANSWERS, [" dog", "gy", "'", "s", " hot", "-", "dog"], strict=True))
    run = with_texts(RUN, texts)
    said = ["".join(run.chips[c].text for c in word) for word in whole_words(run)]
    assert said[-4:] == [" doggy's", " hot", "-", "dog"]
    assert sum(map(len, whole_words(run))) == len(run.chips)


def test_a_word_never_goes_from_prompt_to_answer_and_han_characters_stand_alone():
    run = with_texts(RUN, {ANSWERS[0]: "cat", ANSWERS[0] - 1: "the", AT: "猫", AT + 1: "狗"})
    words = whole_words(run)
    assert all(len({run.chips[c].role for c in word}) == 1 for word in words)
    assert (AT,) in words
    assert (AT + 1,) in words


def test_probability_of_words():
    p = RUN.probs[ANSWERS[:2]]
    assert probability(RUN, Span(tuple(ANSWERS[:2]))) == pytest.approx(float(p[0]) * float(p[1]))
    assert probability(RUN, Unsaid(AT, (47,))) == pytest.approx(RUN.probability(AT, 47))
    assert probability(RUN, Unsaid(AT, (47, 20))) is None
