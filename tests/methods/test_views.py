"""Several images, and several grids on one image: literal equations, and what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import MethodError
from explainer.methods import METHODS, combine_maps
from explainer.methods.msea_arc import derive
from explainer.methods.msea_arc_knobs import MseaArcSettings
from explainer.run import ANSWER, PROMPT, Run, Scale
from explainer.run.geometry import Layout
from tests.methods import slow
from tests.methods.small import small_run

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
# The second image has a thumbnail beside its tiles at every scale, and the first only at one.
VIEWS = {
    1.0: [(0, (6, 7)), (0, (3, 3)), (1, (5, 4)), (1, (2, 3))],
    0.75: [(0, (5, 5)), (1, (4, 4)), (1, (2, 2))],
    0.5: [(0, (3, 4)), (1, (3, 2)), (1, (2, 2))],
}
RUN = small_run(grids=VIEWS)
TOKENS = [*RUN.indices(PROMPT), *RUN.indices(ANSWER)]
SHAPES = [(6, 7), (5, 4)]


def parts(method, run: Run, tokens=TOKENS, **knobs) -> list[list[np.ndarray]]:
    return [[p.values for p in m.parts] for m in method.explain_many(run, tokens, **knobs)]


def assert_same(got, want, atol=1e-6) -> None:
    for one, other in zip(got, want, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, atol=atol)


@every_method
def test_each_image_gets_a_map_on_its_base_grid(method):
    for heat in method.explain_many(RUN, TOKENS):
        assert [p.values.shape for p in heat.parts] == SHAPES
        assert [p.extent for p in heat.parts] == [(0, 0, 70, 60)] * 2
        assert all(0 <= p.values.min() <= p.values.max() <= 1 for p in heat.parts)
        with pytest.raises(MethodError, match="covers 2 images"):
            heat.values  # noqa: B018


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"preset": "paper", "fuse_at": "tokens"},
        {"clip": "none", "base": "raw"},
        {"scales": [1.0]},
        {"scale_weights": [0.5, 0.75, 2]},
        {"fuse": "max", "clip": "per_scale"},
        {"clip": "none", "base": "per_scale"},
        {"predecessors": "all", "state": "own"},
    ],
    ids=str,
)
def test_fusion_and_subtraction_agree_with_the_equations(knobs):
    settings = METHODS["msea_arc"].settings(**knobs)
    got = derive(RUN, TOKENS, MseaArcSettings(**settings), Layout.of(RUN)).cleaned
    for i, t in enumerate(TOKENS):
        want, beta, auto = slow.msea_arc(RUN, t, settings)
        np.testing.assert_allclose(got.maps[i], want, atol=1e-5 * max(1, abs(want).max()))
        assert got.beta[i] == pytest.approx(beta, abs=1e-5)
        assert got.beta_auto[i] == pytest.approx(auto, abs=1e-5)


@pytest.mark.parametrize("t", TOKENS)
def test_one_range_for_all_images_and_a_filter_within_each(t):
    clean, _, _ = slow.msea_arc(RUN, t, METHODS["msea_arc"].settings())
    shown = slow.joint(
        clean, [slow.score(RUN, int(RUN.tokens.ids[t]), j) for j in slow.before(RUN, t)]
    )
    want = [slow.rank_gaussian(m, border="edge") for m in slow.apart(RUN, shown)]
    assert_same(parts(METHODS["msea_arc"], RUN, [t]), [want], 1e-5)


def test_tam_agrees_with_the_equations():
    assert_same(parts(METHODS["tam"], RUN), [slow.tam(RUN, int(t)) for t in TOKENS], 1e-5)


def test_published_tam_agrees_with_the_reference():
    got = parts(METHODS["tam"], RUN, mode="published")
    differences = [
        np.abs(np.round(255 * a) - b)
        for one, other in zip(got, slow.tam_published(RUN), strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    assert max(d.max() for d in differences) <= 1  # either side of a whole number
    assert np.mean([(d == 0).mean() for d in differences]) > 0.99


@pytest.mark.parametrize("alpha", VIEWS)
def test_the_lens_reads_base_views_only(alpha):
    for t in TOKENS:
        raw = [slow.lens(RUN, int(RUN.tokens.ids[t]), alpha, i) for i in (0, 1)]
        peak = max(np.abs(a).max() for a in raw)
        (got,) = parts(METHODS["logit_lens"], RUN, [t], alpha=alpha, show="signed")
        assert_same([got], [[a / peak for a in raw]], 1e-5)


# What must not matter --------------------------------------------------------------------------


def reordered(scale: Scale, order: list[int]) -> Scale:
    """Return the scale with its views, and their states, in another order."""
    stops = np.cumsum([len(v) for v in scale.views])
    blocks = np.split(scale.states, stops[:-1])
    views, states = zip(*((scale.views[i], blocks[i]) for i in order), strict=True)
    return replace(scale, views=views, states=np.concatenate(states))


@every_method
def test_the_order_of_views_plays_no_part(method):
    first, *others = RUN.scales
    scales = (reordered(first, [2, 0, 3, 1]), *(reordered(s, [1, 0, 2]) for s in others))
    assert_same(parts(method, RUN), parts(method, replace(RUN, scales=scales)))


@every_method
@pytest.mark.parametrize("normalisation", ["joint", "token", "answer"])
def test_the_order_of_images_changes_the_order_of_maps_only(method, normalisation):
    swapped = tuple(
        replace(s, views=tuple(replace(v, image=1 - v.image) for v in s.views)) for s in RUN.scales
    )
    run = replace(RUN, scales=swapped, images=RUN.images[::-1])
    got = parts(method, run, normalisation=normalisation)
    want = [both[::-1] for both in parts(method, RUN, normalisation=normalisation)]
    assert_same(got, want)


def doubled(run: Run) -> Run:
    """Return a run whose image, and every state of it, is there twice."""
    scales = tuple(
        replace(
            s,
            views=(*s.views, *(replace(v, image=1) for v in s.views)),
            states=np.concatenate([s.states, s.states]),
        )
        for s in run.scales
    )
    return replace(run, images=run.images * 2, labels=(), scales=scales)


@every_method
def test_the_same_image_twice_has_the_maps_of_one(method):
    one = small_run()
    both, alone = parts(method, doubled(one)), parts(method, one)
    assert_same(both, [[a, a] for (a,) in alone], 1e-5)


def test_a_second_reading_equal_to_the_first_changes_nothing():
    one = small_run()
    scales = tuple(
        replace(s, views=s.views * 2, states=np.concatenate([s.states, s.states]))
        for s in one.scales
    )
    for name, method in METHODS.items():
        assert_same(parts(method, replace(one, scales=scales)), parts(method, one), 1e-5)
        assert name


def test_a_thumbnail_counts_for_fusion_alone():
    bare = tuple(
        replace(
            s,
            views=tuple(v for i in (0, 1) for v, _ in s.of_image(i)[:1]),
            states=np.concatenate([s.states[at] for i in (0, 1) for _, at in s.of_image(i)[:1]]),
        )
        for s in RUN.scales
    )
    run = replace(RUN, scales=bare)
    for name in ("tam", "logit_lens"):
        assert_same(parts(METHODS[name], RUN), parts(METHODS[name], run))
    for one, other in zip(*(parts(METHODS["msea"], r) for r in (RUN, run)), strict=True):
        assert np.abs(one[0] - other[0]).max() > 0.01
        assert np.abs(one[1] - other[1]).max() > 0.01


def test_words_of_several_tokens_are_combined_image_by_image():
    heats = METHODS["tam"].explain_many(RUN, TOKENS[5:8])
    largest = combine_maps(heats)
    for i in (0, 1):
        want = np.max([h.parts[i].values for h in heats], axis=0)
        np.testing.assert_array_equal(largest.parts[i].values, want)
