"""TAM in both modes against the equations written out."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import KnobError, RunError, TokenError
from explainer.methods import METHODS
from explainer.methods.tam_published import _classes, _compared
from explainer.run import ANSWER, PROMPT, Tokens
from tests.methods import slow
from tests.methods.small import small_run, with_texts

METHOD = METHODS["tam"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_corrected_agrees_with_the_equations(seed):
    run = small_run(seed)
    tokens = [*run.indices(PROMPT), *run.indices(ANSWER)]
    for t, heat in zip(tokens, METHOD.explain_many(run, tokens), strict=True):
        np.testing.assert_allclose(heat.values, slow.tam(run, int(t))[0], atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_published_agrees_with_the_reference_with_all_its_slips(seed):
    run = with_texts(small_run(seed), {12: " same", 14: " same", 16: " w20"})
    tokens = [*run.indices(PROMPT), *run.indices(ANSWER)]
    got = np.stack([m.values for m in METHOD.explain_many(run, tokens, mode="published")]) * 255
    want = np.stack([parts[0] for parts in slow.tam_published(run)])
    np.testing.assert_allclose(got, np.round(got), atol=1e-4)
    difference = np.abs(np.round(got) - want)
    assert difference.max() <= 1  # a value may fall on either side of a whole number
    assert (difference == 0).mean() > 0.995


def test_published_classes():
    run = small_run()
    prompt, answer = run.indices(PROMPT), run.indices(ANSWER)
    classes = _classes(run, prompt, answer)
    first_guess = run.text_logits[prompt[0] + 1].argmax()  # greedy argmax at its own position
    assert classes[0] == run.unembedding.ids[first_guess] == run.topk[prompt[0] + 1, 0]
    assert classes[len(prompt)] == run.tokens.ids[answer[0] - 1]
    assert run.tokens.roles[answer[0] - 1] == 0
    np.testing.assert_array_equal(classes[1:4], run.tokens.ids[prompt[1:]])
    np.testing.assert_array_equal(classes[5:], run.tokens.ids[answer[1:]])


def test_the_modes_differ_where_the_published_class_is_wrong():
    run = small_run()
    for t in (run.indices(PROMPT)[0], run.indices(ANSWER)[0]):
        one, other = (METHOD(run, int(t), mode=m).values for m in ("corrected", "published"))
        assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("entry", [2, 3])
def test_published_skips_equal_text_and_corrected_equal_id(entry):
    changes = {"corrected": [], "published": []}
    for seed in range(5):  # in some runs the word scores nothing at the token in question
        run = small_run(seed)
        answer = run.indices(ANSWER)  # ids 20, 21, 20, 33, ...
        text = {2: " other", 3: run.tokens.texts[answer[1]]}[entry]
        renamed = with_texts(run, {int(answer[entry]): text})
        for mode, found in changes.items():
            one, other = (METHOD(r, int(answer[entry]), mode=mode).values for r in (run, renamed))
            found.append(np.abs(one - other).max())
    assert max(changes["corrected"]) == 0
    assert max(changes["published"]) > 0.01


def test_published_compares_the_bytes_of_split_characters():
    """Of two characters whose first token is the same: their other tokens are no repeats."""
    run = small_run(answer_ids=[20, 21, 33, 20, 47, 34])
    first = int(run.indices(ANSWER)[0])
    texts = {
        first: "😀",
        first + 1: "",
        first + 2: "",
        first + 3: "😁",
        first + 4: "",
        first + 5: "",
    }
    prompt, answer = run.indices(PROMPT), run.indices(ANSWER)
    split = with_texts(run, texts)
    compared = _compared(split, np.concatenate([prompt, answer]))[len(prompt) :]
    assert compared.tolist() == [20, 21, 33, 20, 47, 34]
    named = with_texts(run, {int(i): f" {run.tokens.ids[i]}" for i in answer})
    for t in answer:
        one, whole = (METHOD(r, int(t), mode="published").values for r in (split, named))
        np.testing.assert_array_equal(one, whole)


def test_published_explains_no_template_token():
    with pytest.raises(TokenError, match="template"):
        METHOD(small_run(), 0, preset="published")


def test_published_has_one_normalisation():
    with pytest.raises(KnobError, match="joint"):
        METHOD(small_run(), 12, mode="published", normalisation="token")


def test_published_needs_the_own_state_of_the_prompt():
    run = small_run()
    t = run.tokens
    positions = t.positions.copy()
    positions[run.indices(PROMPT)[1] :] += 5  # as if an image stood inside the prompt
    moved = run.__class__(
        **{name: getattr(run, name) for name in run.__dataclass_fields__}
        | {"tokens": Tokens(t.ids, t.texts, t.roles, positions)}
    )
    with pytest.raises(RunError, match="own position"):
        METHOD(moved, 12, mode="published")


def test_a_word_repeated_from_the_start_has_nothing_to_subtract():
    run = small_run(n_prompt=0, answer_ids=[20, 20, 20])
    last = int(run.indices(ANSWER)[-1])
    assert METHOD(run, last).notes["beta"] == 0
    assert METHOD(run, last, mode="published").notes["beta"] == 0


def test_normalised_by_token_reaches_both_ends():
    values = METHOD(small_run(), 12, normalisation="token").values
    assert values.min() == 0
    assert values.max() == 1
