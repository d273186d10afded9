"""MSEA + ARC against its equations written out, for every option, and in every corner."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import KnobError, RunError, ScaleError
from explainer.methods import METHODS
from explainer.methods.msea_arc import ADAPTIVE, agreement_weights, derive, explain
from explainer.methods.msea_arc_knobs import MseaArcSettings
from explainer.run import ANSWER, TEMPLATE, View
from explainer.run.geometry import Layout
from tests.methods import slow
from tests.methods.small import small_run, with_texts

METHOD = METHODS["msea_arc"]
RUN = with_texts(small_run(), {11: " Cat", 13: "cat "})
TOKENS = [*RUN.indices(1), *RUN.indices(ANSWER)]

OPTIONS = [
    {},
    {"preset": "paper", "fuse_at": "tokens"},
    {"clip": "none", "base": "raw"},
    {"clip": "none", "base": "raw", "scale_weights": [1, 0.5, 2], "fuse": "mean"},
    {"scales": [1.0]},
    {"scales": [0.5]},
    {"scale_weights": [1, 0.5, 2]},
    {"scale_weights": [0, 2, 0.05], "clip": "per_scale", "base": "per_scale"},
    {"fuse": "max"},
    {"clip": "per_scale"},
    {"clip": "none"},
    {"clip": "none", "fuse": "max", "base": "per_scale"},
    {"clip": "none", "beta_range": "free", "base": "off"},
    {"k": 1},
    {"k": 60, "p": 0.98},
    {"rbo": "extrapolated"},
    {"rbo": "average", "k": 10},
    {"rbo": "truncated", "p": 0.5},
    {"beta": 0.0},
    {"beta": 0.7},
    {"predecessors": "all"},
    {"predecessors": "answer"},
    {"predecessors": "all", "state": "own"},
    {"repeats": "keep"},
    {"repeats": "drop_word"},
    {"state": "own"},
    {"base": "off"},
    {"base": "per_scale"},
    {"weights": "uniform"},
    {"weights": "score"},
    {"weights": "score", "clip": "none", "predecessors": "all", "repeats": "keep"},
    {"weights": "score", "scales": [1.0], "base": "off"},
]


@pytest.mark.parametrize("knobs", OPTIONS, ids=str)
def test_agrees_with_the_equations(knobs):
    settings = METHOD.settings(**knobs)
    s = MseaArcSettings(**settings)
    got = derive(RUN, TOKENS, s, Layout.of(RUN)).cleaned
    for i, t in enumerate(TOKENS):
        want, beta, auto = slow.msea_arc(RUN, t, settings)
        np.testing.assert_allclose(got.maps[i], want, atol=1e-5 * max(1, abs(want).max()))
        assert got.beta[i] == pytest.approx(beta, abs=1e-5)
        assert got.beta_auto[i] == pytest.approx(auto, abs=1e-5)


def test_every_option_changes_some_map():
    # Otherwise the comparison above could not tell a knob that is not connected.
    base = [m.values for m in METHOD.explain_many(RUN, TOKENS, clip="none")]
    knobs = {
        "scales": [1.0], "scale_weights": [2, 1, 0], "fuse": "max", "k": 10, "beta": 0.1,
        "normalisation": "token", "window": 1, "p": 0.6, "rbo": "average", "beta_range": "free",
        "clip": "per_scale", "predecessors": "all", "repeats": "keep", "state": "own",
        "base": "off", "weights": "uniform", "resize": "nearest", "factor": 2,
        "border": "mirror", "fuse_at": "pixels",
    }  # fmt: skip
    assert set(knobs) == {knob.name for knob in METHOD.knobs}
    for name, value in knobs.items():
        maps = METHOD.explain_many(RUN, TOKENS, **{"clip": "none", "base": "scale1", name: value})
        pairs = zip(base, (m.values for m in maps), strict=True)
        assert not all(a.shape == b.shape and np.allclose(a, b) for a, b in pairs), name


@pytest.mark.parametrize("t", TOKENS)
def test_the_default_map_is_filtered_and_jointly_normalised(t):
    clean, beta, _ = slow.msea_arc(RUN, t, METHOD.settings())
    scores = [slow.score(RUN, int(RUN.tokens.ids[t]), j) for j in slow.before(RUN, t)]
    heat = METHOD(RUN, t)
    np.testing.assert_allclose(
        heat.values,
        slow.rank_gaussian(slow.joint(clean, scores).reshape(6, 7), border="edge"),
        atol=1e-5,
    )
    assert heat.values.dtype == np.float32
    assert heat.notes["beta"] == pytest.approx(beta, abs=1e-5)
    assert heat.extent == (0, 0, 70, 60)
    assert not heat.signed


def test_normalised_by_token_and_by_answer():
    raw = {t: slow.msea_arc(RUN, t, METHOD.settings())[0].reshape(6, 7) for t in TOKENS}
    clean = {t: slow.rank_gaussian(a, border="edge") for t, a in raw.items()}
    peak = max(clean[t].max() for t in RUN.indices(ANSWER))
    for t in TOKENS:
        own, shared = (METHOD(RUN, t, normalisation=n).values for n in ("token", "answer"))
        span = clean[t].max() - clean[t].min()
        np.testing.assert_allclose(own, (clean[t] - clean[t].min()) / span, atol=1e-5)
        np.testing.assert_allclose(shared, np.minimum(1, clean[t] / peak), atol=1e-5)


def test_the_answer_scale_needs_an_answer():
    run = small_run(answer_ids=[])
    with pytest.raises(KnobError, match="holds none"):
        METHOD(run, 5, normalisation="answer")


def test_finer_grids_keep_the_place():
    box = {20: (0.0, 30.0, 20.0, 60.0)}  # bottom left of a 70 x 60 picture
    run = small_run(planted=box, image_size=(60, 70))
    t = int(run.indices(ANSWER)[0])
    for factor in (1, 2, 3):
        values = METHOD(run, t, factor=factor, normalisation="token").values
        assert values.shape == (6 * factor, 7 * factor)
        y, x = np.unravel_index(values.argmax(), values.shape)
        assert y >= 3 * factor
        assert x < 2 * factor + 1


def test_padding_of_small_scales_does_not_leak():
    # The same picture twice: at 0.5 pasted into a canvas, or alone on its own grid.
    run = small_run()
    half = run.scale(0.5)
    rng = np.random.default_rng(9)
    states = rng.normal(0, 50, (7, 8, 12)).astype(np.float16)
    rects = np.full((7, 8, 4), np.nan, np.float32)
    states[2:5, 2:6] = half.states.reshape(3, 4, -1)
    rects[2:5, 2:6] = half.views[0].rects.reshape(3, 4, 4)
    view = View(0, (7, 8), rects.reshape(56, 4))
    canvas = replace(half, views=(view,), states=states.reshape(56, 12))
    maps = (METHOD.explain_many(r, TOKENS) for r in (run, run.with_scale(canvas)))
    for a, b in zip(*maps, strict=True):
        np.testing.assert_allclose(a.values, b.values, atol=1e-6)


def test_a_padded_first_scale_gives_a_map_of_the_picture_only():
    run = small_run(grids={1.0: (8, 8), 0.5: (8, 8)}, seen={1.0: (1, 7, 0, 8), 0.5: (2, 5, 2, 6)})
    for name in ("msea_arc", "tam", "logit_lens"):
        heat = METHODS[name](run, 12, **({"scales": [1, 0.5]} if name == "msea_arc" else {}))
        assert heat.values.shape == (6, 8)
        assert heat.extent == (0, 0, 70, 60)


# Ablations are settings of the same computation -----------------------------------------------


@pytest.mark.parametrize(
    ("name", "knobs"),
    [
        ("msea", {"weights": "none"}),
        ("msea", {"beta": 0.0}),
        ("arc", {"scales": [1.0]}),
        ("mean_mitigation", {"scales": [1.0], "weights": "uniform", "base": "off"}),
    ],
)
def test_ablations_are_settings(name, knobs):
    pairs = zip(
        METHODS[name].explain_many(RUN, TOKENS),
        METHOD.explain_many(RUN, TOKENS, **knobs),
        strict=True,
    )
    for part, whole in pairs:
        np.testing.assert_array_equal(part.values, whole.values)


def test_scores_as_weights_at_one_scale_are_tam():
    """The base map is off: with clipping it is zero almost everywhere, but TAM has none."""
    pairs = zip(
        METHOD.explain_many(RUN, TOKENS, weights="score", scales=[1.0], base="off"),
        METHODS["tam"].explain_many(RUN, TOKENS),
        strict=True,
    )
    for ours, tam in pairs:
        np.testing.assert_allclose(ours.values, tam.values, atol=1e-6)


def test_ablations_hide_what_they_hold_fixed():
    assert {k.name for k in METHODS["msea"].knobs}.isdisjoint({"k", "beta", "weights"})
    assert {k.name for k in METHODS["arc"].knobs}.isdisjoint({"scales", "weights"})
    with pytest.raises(KnobError, match="no knob 'scales'"):
        METHODS["arc"](RUN, 12, scales=[0.5])


# Corners --------------------------------------------------------------------------------------


def test_k_beyond_the_stored_lists_is_refused():
    with pytest.raises(KnobError, match=r"k = 61 is too large: this run holds lists of 60"):
        METHOD(RUN, 12, k=61)


def test_a_scale_that_was_not_recorded_is_refused():
    with pytest.raises(ScaleError, match=r"1\.25"):
        METHOD(RUN, 12, scales=[1.0, 1.25])


def test_a_repeated_scale_counts_once():
    values = [
        METHOD(RUN, 12, scales=s).values for s in ([0.5, 1.0], [0.5, 1.0, 0.5], [0.5, 1, 1, 1])
    ]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize("fuse", ["mean", "max"])
def test_copies_of_one_scale_are_one_scale(fuse):
    settings = METHOD.settings(fuse=fuse)
    one, three = (explain(RUN, [12], **settings | {"scales": s})[0] for s in ((0.5,), (0.5,) * 3))
    np.testing.assert_allclose(one.values, three.values, atol=1e-6)


def test_copies_of_one_scale_are_one_scale_whatever_their_weights():
    settings = METHOD.settings() | {"scales": (0.5, 1.0), "scale_weights": (0.6, 1.5)}
    split = settings | {"scales": (0.5, 1.0, 1.0, 0.5), "scale_weights": (0.4, 1.0, 0.5, 0.2)}
    one, many = (explain(RUN, TOKENS, **s) for s in (settings, split))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.values, b.values, atol=1e-5)


@pytest.mark.parametrize(
    ("knobs", "same"),
    [
        ({"scale_weights": [2, 2, 2]}, {}),
        ({"scale_weights": [0.3, 0.3, 0.3], "fuse": "max"}, {"fuse": "max"}),
        ({"scale_weights": [0, 0.7, 0]}, {"scales": [0.75]}),
        ({"scale_weights": [0.5, 0, 1]}, {"scales": [0.5, 1.0], "scale_weights": [1, 2]}),
        ({"scales": [1.0], "scale_weights": [0.2]}, {"scales": [1.0]}),
    ],
    ids=str,
)
def test_only_the_ratio_of_scale_weights_counts(knobs, same):
    for a, b in zip(*(METHOD.explain_many(RUN, TOKENS, **k) for k in (knobs, same)), strict=True):
        np.testing.assert_allclose(a.values, b.values, atol=1e-5)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"scale_weights": [1, 1]}, "got 2 for 3 scales"),
        ({"scale_weights": [0, 0, 0]}, "above 0"),
        ({"scale_weights": [1, -1, 1]}, "must lie in 0..2"),
        ({"scale_weights": []}, "1 to 5 weights"),
        ({"scale_weights": "equal"}, "list of weights"),
        ({"scale_weights": [1, None, 1]}, "is a number"),
        ({"scale_weights": [1, 2, 1], "fuse": "max"}, "choose fuse 'mean'"),
    ],
    ids=str,
)
def test_scale_weights_that_mean_nothing_are_refused(knobs, words):
    with pytest.raises(KnobError, match=words):
        METHOD(RUN, 12, **knobs)


def test_scales_that_agree_on_a_word_weigh_more():
    """Two views alike, and a third whose map has nothing in common with theirs."""
    alike, other = np.array([[[[2.0, 0], [0, -3]]], [[[0, 0], [0, 2]]]], np.float32)
    maps = np.stack([alike, 3 * alike, other])
    # centred: (1.5, -.5, -.5, -.5) and (-.5, -.5, -.5, 1.5): correlation -1 / 3
    weights = agreement_weights(maps, 1.0)[:, 0]
    np.testing.assert_allclose(weights, [1 / 3, 1 / 3, 0], atol=1e-7)
    np.testing.assert_allclose(agreement_weights(maps, 2.0)[:, 0], [1 / 9, 1 / 9, 0], atol=1e-7)
    np.testing.assert_array_equal(agreement_weights(maps[1:], 1.0), 1)  # none agrees
    np.testing.assert_array_equal(agreement_weights(maps[:1], 1.0), 1)  # one view


def test_without_power_the_adaptive_map_is_the_ordinary_one():
    run = small_run()
    t = int(run.indices(ANSWER)[-1])
    plain = METHODS["msea_arc"](run, t).values
    np.testing.assert_allclose(ADAPTIVE(run, t, agreement=0).values, plain)
    assert not np.allclose(ADAPTIVE(run, t).values, plain, atol=1e-4)


def test_the_state_before_the_image_was_not_recorded():
    run = small_run()
    before_image = int(np.flatnonzero(np.diff(run.tokens.positions) > 1)[0])
    assert run.tokens.roles[before_image] == TEMPLATE
    with pytest.raises(RunError, match="own state"):
        METHOD(run, before_image, state="own")
    assert np.isfinite(METHOD(run, before_image).values).all()


def test_the_first_word_has_nothing_to_subtract():
    run = small_run()
    first = int(run.indices(1)[0])
    heat = METHOD(run, first, base="off")
    assert heat.notes == {"beta": 0, "beta_auto": 0}


def test_manual_beta_reports_both():
    heat = METHOD(RUN, 13, beta=0.25)
    assert heat.notes["beta"] == 0.25
    assert heat.notes["beta_auto"] == pytest.approx(METHOD(RUN, 13).notes["beta"])
