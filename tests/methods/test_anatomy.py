"""A map taken apart: each part equals the equations written out, and the last is the method's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import KnobError, ScaleError, TokenError
from explainer.methods import METHODS, Heatmap, MapPart
from explainer.methods.anatomy import Anatomy, anatomy, leading, overlap, peak
from explainer.run import ANSWER, PROMPT, TEMPLATE
from explainer.run.geometry import Placement
from tests.methods import slow
from tests.methods.small import GRIDS, small_run
from tests.methods.test_invariance import CORNERS
from tests.methods.test_msea_arc import OPTIONS, RUN, TOKENS
from tests.methods.test_views import RUN as SEVERAL

METHOD = METHODS["msea_arc"]
KNOBS = [*OPTIONS, {"normalisation": "token"}, {"normalisation": "answer"}, {"window": 1}]


def flat(parts: tuple[MapPart, ...]) -> np.ndarray:
    return np.concatenate([part.values.ravel() for part in parts])


def close(got: np.ndarray, want: np.ndarray) -> None:
    np.testing.assert_allclose(got, want, atol=1e-5 * max(1, np.abs(want).max()))


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_the_last_map_is_that_of_the_method(knobs):
    for t in TOKENS:
        got, want = anatomy(RUN, t, **knobs).heat, METHOD(RUN, t, **knobs)
        np.testing.assert_allclose(got.values, want.values, atol=1e-6)
        assert got.notes == pytest.approx(want.notes)
        assert got.normalisation == want.normalisation


def test_the_last_map_is_that_of_the_method_on_every_picture():
    for t in SEVERAL.indices(ANSWER):
        got, want = anatomy(SEVERAL, int(t)).heat, METHOD(SEVERAL, t)
        for a, b in zip(got.parts, want.parts, strict=True):
            np.testing.assert_allclose(a.values, b.values, atol=1e-6)
            assert a.extent == b.extent


@pytest.mark.parametrize(
    ("run", "knobs"), [*((RUN, k) for k in OPTIONS), (SEVERAL, {}), (SEVERAL, {"preset": "paper"})]
)
def test_every_map_agrees_with_the_equations(run, knobs):
    t, settings = int(run.indices(ANSWER)[-2]), METHOD.settings(**knobs)
    got, want = anatomy(run, t, **knobs), slow.derivation(run, t, settings)
    close(flat(got.fused), want["own"])
    close(flat(got.interference), want["interference"])
    close(flat(got.subtracted), want["beta"] * want["interference"])
    close(flat(got.before), want["cleaned"])
    assert got.beta == pytest.approx(want["beta"], abs=1e-5)
    assert got.beta_auto == pytest.approx(want["auto"], abs=1e-5)
    assert got.signed == (settings["clip"] == "none")


@pytest.mark.parametrize("knobs", OPTIONS, ids=str)
def test_the_context_agrees_with_the_equations(knobs):
    settings = METHOD.settings(**knobs)
    for t in (TOKENS[2], TOKENS[-1]):
        got, want = anatomy(RUN, t, **knobs).context, slow.derivation(RUN, t, settings)
        total = sum(want["weights"].values()) or 1.0
        taken = {j: want["beta"] * np.abs(m).sum() for j, m in want["maps"].items()}
        whole = sum(taken.values()) or 1.0
        for j in range(t):
            assert got.weights[j] == pytest.approx(want["weights"].get(j, 0) / total, abs=1e-6)
            assert got.shares[j] == pytest.approx(taken.get(j, 0) / whole, abs=1e-5)
        assert got.base_weight == pytest.approx(want["weights"].get("base", 0) / total, abs=1e-6)
        assert got.base_share == pytest.approx(taken.get("base", 0) / whole, abs=1e-5)


def test_shares_sum_to_one_or_nothing_was_subtracted():
    for t in TOKENS:
        for knobs in ({}, {"clip": "none"}, {"beta": 0.4}, {"preset": "paper"}):
            found = anatomy(RUN, t, **knobs)
            taken = found.context.shares.sum() + found.context.base_share
            assert taken == pytest.approx(float(found.beta != 0 and np.any(flat(found.subtracted))))
        assert not anatomy(RUN, t, beta=0.0).context.shares.any()
        assert not anatomy(RUN, t, weights="none").context.weights.any()


def test_a_share_is_that_part_of_the_map():
    # With clipped maps the shares cut the sum of the subtracted map into the tokens' own maps.
    t = TOKENS[-1]
    found = anatomy(RUN, t)
    fuse = METHOD.settings()["scales"]
    for j in np.flatnonzero(found.context.shares):
        own = slow.fused(RUN, dict.fromkeys(fuse, int(RUN.tokens.ids[j])), "mean", "fused")
        part = found.beta * found.context.weights[j] * own.sum()
        share = found.context.shares[j] * flat(found.subtracted).sum()
        assert part == pytest.approx(share, rel=1e-4)


@pytest.mark.parametrize("run", [RUN, SEVERAL], ids=["one picture", "several"])
@pytest.mark.parametrize(
    "knobs", [{}, {"scale_weights": [0, 1.5, 2]}, {"fuse": "max"}, {"clip": "none"}], ids=str
)
def test_the_maps_of_the_scales_make_up_the_fused_one(run, knobs):
    found = anatomy(run, int(run.indices(ANSWER)[1]), **knobs)
    assert [s.alpha for s in found.scales] == [0.5, 0.75, 1.0]
    for image, fused in enumerate(found.fused):
        maps = [s.parts[image].values for s in found.scales]
        if knobs.get("fuse") == "max":
            assert all(s.shares is None for s in found.scales)
            made = np.max(maps, axis=0)
        else:
            shares = [s.shares[image] for s in found.scales]
            assert sum(shares) == pytest.approx(1)
            made = sum(share * m for share, m in zip(shares, maps, strict=True))
        close(fused.values, made if knobs.get("clip") == "none" else np.maximum(0, made))


def test_the_map_of_one_scale_is_the_lens_there_put_on_the_grid():
    t = TOKENS[-1]
    token_id = int(RUN.tokens.ids[t])
    for scale in anatomy(RUN, t).scales:
        want = slow.enlarge(slow.lens(RUN, token_id, scale.alpha), GRIDS[1.0])
        close(scale.parts[0].values, want)


def test_the_peak_is_the_largest_value_of_either_sign_on_any_picture():
    several = (
        MapPart(np.array([[1.0, -3]]), Placement.even((0, 0, 1, 1))),
        MapPart(np.eye(2), Placement.even((0, 0, 1, 1))),
    )
    assert peak(several) == 3
    assert peak(several[1:], several[1:]) == 1


def test_relevance_is_told_of_all_that_count_and_repeats_are_marked():
    t = int(RUN.indices(ANSWER)[-1])  # the third of three tokens with the id 20
    ids = RUN.tokens.ids
    context = anatomy(RUN, t).context
    assert len(context.relevance) == t
    for j in range(t):
        counts = RUN.tokens.roles[j] in (PROMPT, ANSWER)
        assert np.isnan(context.relevance[j]) == (not counts)
        assert context.repeats[j] == (counts and ids[j] == ids[t])
        if context.repeats[j]:
            assert context.weights[j] == context.shares[j] == 0
    assert context.repeats.sum() == 2
    assert not anatomy(RUN, t, repeats="keep").context.repeats.any()
    assert np.isfinite(anatomy(RUN, t, weights="uniform").context.relevance).any()


def test_the_first_word_has_no_context():
    run = small_run(n_template=0, n_prompt=0, answer_ids=[20])
    found = anatomy(run, 0, base="off")
    assert len(found.context.relevance) == 0
    assert not flat(found.interference).any()
    np.testing.assert_array_equal(flat(found.before), flat(found.fused))


@pytest.mark.parametrize("corner", CORNERS)
def test_corners_give_sound_numbers(corner):
    run = corner()
    for t in run.indices(ANSWER):
        with np.errstate(all="raise", under="ignore"):
            found: Anatomy = anatomy(run, int(t), preset="paper")
        for parts in (found.fused, found.interference, found.subtracted, found.before):
            assert np.isfinite(flat(parts)).all()
        assert 0 <= found.context.shares.sum() + found.context.base_share <= 1 + 1e-9


def test_wrong_requests_are_refused_as_by_the_method():
    with pytest.raises(TokenError):
        anatomy(RUN, 99)
    with pytest.raises(KnobError, match="no knob"):
        anatomy(RUN, 12, colour="red")
    with pytest.raises(ScaleError):
        anatomy(RUN, 12, scales=[1.25])
    with pytest.raises(KnobError, match="k = 61"):
        anatomy(RUN, 12, k=61, weights="uniform")


# Two lists side by side -------------------------------------------------------------------------


def with_lists(*lists: str):
    """Return a run whose answer tokens have these lists of guesses, one letter each."""
    topk = RUN.topk.copy()
    for t, letters in zip(RUN.indices(ANSWER), lists, strict=False):
        topk[t, : len(letters)] = [ord(c) for c in letters]
    return replace(RUN, topk=topk)


def test_two_lists_by_hand():
    first, second = RUN.indices(ANSWER)[:2]
    run = with_lists("abcde", "bacxe")
    found = overlap(run, int(first), int(second), k=5)
    assert "".join(map(chr, found.first)) == "abcde"
    assert "".join(map(chr, found.second)) == "bacxe"
    assert [(chr(s.token_id), s.first, s.second) for s in found.shared] == [
        ("a", 1, 2), ("b", 2, 1), ("c", 3, 3), ("e", 5, 5)
    ]  # fmt: skip
    assert found.relevance == pytest.approx(0.6792581, abs=1e-6)
    # sums of .1 * .9^(d-1) / d from depth 2, 2, 3 and 5 on, divided by 1 - .9^5
    assert [s.gain for s in found.shared] == pytest.approx(
        [0.2523675, 0.2523675, 0.1424800, 0.0320432], abs=1e-6
    )


@pytest.mark.parametrize("rbo", ["normalised", "extrapolated", "truncated", "average"])
@pytest.mark.parametrize("state", ["predicting", "own"])
def test_gains_of_the_shared_sum_to_the_relevance_of_the_context(rbo, state):
    t = TOKENS[-1]
    knobs = {"rbo": rbo, "k": 40, "p": 0.8, "state": state}
    relevance = anatomy(RUN, t, **knobs).context.relevance
    for j in TOKENS[:-1]:
        if np.isnan(relevance[j]):
            continue
        found = overlap(RUN, j, t, **knobs)
        assert sum(s.gain for s in found.shared) == pytest.approx(found.relevance)
        assert found.relevance == pytest.approx(relevance[j])
        assert {s.token_id for s in found.shared} == {*found.first} & {*found.second}
        for s in found.shared:
            assert found.first[s.first - 1] == found.second[s.second - 1] == s.token_id


def test_the_same_token_shares_everything_with_itself():
    found = overlap(RUN, TOKENS[-1], TOKENS[-1], k=20)
    assert [(s.first, s.second) for s in found.shared] == [(i, i) for i in range(1, 21)]
    assert found.relevance == pytest.approx(1)
    assert sorted((s.gain for s in found.shared), reverse=True) == [s.gain for s in found.shared]


def test_tokens_without_guesses_are_named():
    assert RUN.tokens.roles[0] == TEMPLATE
    with pytest.raises(TokenError, match="no top-k list for token 0"):
        overlap(RUN, 0, TOKENS[-1])


# Which token stands for a word ------------------------------------------------------------------


def heat(*values: float) -> Heatmap:
    return Heatmap(
        (MapPart(np.array([values], np.float32), Placement.even((0, 0, 1, 1))),), False, "words"
    )


def test_the_map_that_supplies_most_of_the_maximum_leads():
    dot, field = heat(1.0, 0.0, 0.0), heat(0.9, 0.4, 0.7)
    assert leading([dot, field]) == 1  # supplies 1.1 of 2.1, though the other is the higher
    assert leading([field, dot]) == 0
    assert leading([dot, field], "first") == 0
    assert leading([dot, field], "mean") == 1
    assert leading([dot]) == 0
