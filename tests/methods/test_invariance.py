"""What must not change a map, and the corners where numbers run out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import KnobError
from explainer.methods import METHODS
from explainer.run import ANSWER, PROMPT, Run, Tokens, Unembedding
from tests.methods.small import cut, small_run

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
RUN = small_run(3)
TOKENS = [*RUN.indices(PROMPT), *RUN.indices(ANSWER)]


def values(method, run: Run, tokens=TOKENS, **knobs) -> list[np.ndarray]:
    return [m.values for m in method.explain_many(run, tokens, **knobs)]


def scaled(run: Run, factor: float) -> Run:
    """Return the run of a model whose logits are `factor` times as large (a power of two)."""
    w = run.unembedding
    return replace(run, unembedding=Unembedding(w.ids, w.rows * np.float16(factor), w.bias))


@every_method
@pytest.mark.parametrize("knobs", [{}, {"normalisation": "token"}], ids=str)
def test_later_tokens_do_not_change_earlier_maps(method, knobs):
    for t in TOKENS:
        alone, whole = (method(r, t, **knobs).values for r in (cut(RUN, t + 1), RUN))
        np.testing.assert_allclose(alone, whole, atol=1e-6)


def test_published_tam_lets_later_prompt_tokens_in():
    # The slip that the test above rules out for everything else: a prompt's joint range.
    changed = []
    for seed in range(5):
        run = small_run(seed, n_prompt=40)
        prompt = run.indices(PROMPT)
        shorter = replace(run, tokens=_prompt_ends_at(run, int(prompt[1])))
        maps = [METHODS["tam"](r, int(prompt[1]), mode="published").values for r in (run, shorter)]
        changed.append(np.abs(maps[0] - maps[1]).max())
    assert max(changed) > 0.01


def _prompt_ends_at(run: Run, last: int) -> Tokens:
    roles = run.tokens.roles.copy()
    roles[last + 1 : run.indices(ANSWER)[0]] = 0
    return Tokens(run.tokens.ids, run.tokens.texts, roles, run.tokens.positions)


@every_method
@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_the_unit_of_the_logits_plays_no_part(method, factor):
    for a, b in zip(values(method, RUN), values(method, scaled(RUN, factor)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@every_method
def test_the_names_of_ids_play_no_part(method):
    order = np.random.default_rng(0).permutation(200).astype(np.int32)
    w = RUN.unembedding
    at = np.argsort(order[w.ids])
    t = RUN.tokens
    renamed = replace(
        RUN,
        tokens=Tokens(order[t.ids], t.texts, t.roles, t.positions),
        topk=np.where(RUN.topk < 0, RUN.topk, order[RUN.topk]),
        unembedding=Unembedding(order[w.ids][at], w.rows[at], w.bias[at]),
        scales=tuple(
            replace(s, base_id=int(order[s.base_id]), least_id=int(order[s.least_id]))
            for s in RUN.scales
        ),
    )
    for a, b in zip(values(method, RUN), values(method, renamed), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_bias_moves_every_logit():
    w = RUN.unembedding
    moved = replace(RUN, unembedding=Unembedding(w.ids, w.rows, w.bias + np.float32(3)))
    np.testing.assert_allclose(moved.visual_logits(0.5), RUN.visual_logits(0.5) + 3, atol=1e-5)
    np.testing.assert_allclose(moved.text_logits, RUN.text_logits + 3, atol=1e-5)


# Corners: always finite, in range, and zero where there is nothing to show ---------------------


def with_visual(run: Run, change) -> Run:
    return replace(run, scales=tuple(replace(s, states=change(s.states)) for s in run.scales))


def one_token() -> Run:
    return small_run(n_template=0, n_prompt=0, answer_ids=[20])


def same_word() -> Run:
    return small_run(n_prompt=0, answer_ids=[20, 20, 20, 20])


def same_guesses() -> Run:
    run = small_run()
    return replace(run, topk=np.broadcast_to(run.topk[5], run.topk.shape).copy())


def all_negative() -> Run:
    run = small_run()
    w = run.unembedding
    return replace(run, unembedding=Unembedding(w.ids, w.rows, w.bias - np.float32(1e4)))


def no_visual_evidence() -> Run:
    return with_visual(small_run(), np.zeros_like)


def flat_maps() -> Run:
    return with_visual(small_run(), lambda z: np.broadcast_to(z[:1], z.shape).copy())


def one_cell() -> Run:
    return small_run(grids={1.0: (1, 1), 0.75: (1, 1), 0.5: (1, 1)})


CORNERS = [
    one_token,
    same_word,
    same_guesses,
    all_negative,
    no_visual_evidence,
    flat_maps,
    one_cell,
]


@every_method
@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("normalisation", ["joint", "token", "answer"])
def test_corners_give_sound_maps(method, corner, normalisation):
    run = corner()
    with np.errstate(all="raise", under="ignore"):
        maps = values(method, run, run.indices(ANSWER), normalisation=normalisation)
    for a in maps:
        assert np.isfinite(a).all()
        assert a.min() >= 0
        assert a.max() <= 1


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("k", [1, 60])
@pytest.mark.parametrize("rbo", ["normalised", "extrapolated", "average"])
def test_corners_of_the_paper_preset(corner, k, rbo):
    run = corner()
    for base in ("scale1", "off"):
        knobs = {"k": k, "rbo": rbo, "base": base}
        with np.errstate(all="raise", under="ignore"):
            maps = values(METHODS["msea_arc"], run, run.indices(ANSWER), preset="paper", **knobs)
        assert np.isfinite(maps).all()


@pytest.mark.parametrize("corner", [same_word, same_guesses, all_negative, flat_maps, one_cell])
def test_corners_of_published_tam(corner):
    run = corner()
    with np.errstate(all="raise", under="ignore"):
        maps = values(METHODS["tam"], run, run.indices(ANSWER), mode="published")
    assert np.isfinite(maps).all()


@pytest.mark.parametrize(("level", "grey"), [(5, 0), (9, 229)])
def test_published_tam_keeps_some_flat_maps_and_loses_others(level, grey):
    """Flat at 0.5 and at 0.9 of the largest text score; the reference code gives 0 and 229.

    All products are of small whole numbers, so that no order of summation can change a map.
    """
    run = small_run(n_prompt=2, d=2)
    w, prompt = run.unembedding, run.indices(PROMPT)
    states = np.zeros_like(run.states)
    states[prompt[1] + 1, 0] = 10  # the second prompt token's score; that of the first is 0
    run = replace(
        run,
        states=states,
        unembedding=Unembedding(w.ids, np.full_like(w.rows, [1, 0]), w.bias),
        scales=tuple(replace(s, states=np.full_like(s.states, [level, 0])) for s in run.scales),
    )
    heat = METHODS["tam"](run, int(prompt[0]), mode="published")
    np.testing.assert_array_equal(np.round(255 * heat.values), grey)


@every_method
def test_no_evidence_is_a_dark_map(method):
    for corner in (all_negative, no_visual_evidence):
        run = corner()
        assert not np.any(values(method, run, run.indices(ANSWER)))


@pytest.mark.parametrize("rbo", ["normalised", "truncated", "extrapolated", "average"])
def test_lists_of_the_whole_vocabulary_and_of_one_guess(rbo):
    """With every id listed all lists hold the same ids and differ in their order only."""
    run = small_run(vocab=60, k_top=60)
    for k in (1, 60):
        for heat in METHODS["msea_arc"].explain_many(run, TOKENS, k=k, rbo=rbo):
            assert np.isfinite(heat.values).all()
            assert 0 <= heat.notes["beta"] < np.inf
    assert run.topk.shape[1] == 60
    with pytest.raises(KnobError, match="k = 61"):
        METHODS["msea_arc"](run, TOKENS[-1], k=61)


def test_identical_guesses_leave_nothing_to_subtract():
    run = same_guesses()
    for heat in METHODS["msea_arc"].explain_many(run, TOKENS, base="off"):
        assert heat.notes["beta"] == 0
