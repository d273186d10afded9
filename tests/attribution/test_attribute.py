"""`Explainer.attribute`: what it keeps, what it refuses, and how its maps are shown."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from explainer.attribution import COMPUTED
from explainer.errors import KnobError, MethodError, RunError, TokenError
from explainer.methods import COMPARISON, LONG, METHODS, OPT_IN, find_method
from explainer.methods.comparison import PATENT
from explainer.methods.subjects import Span, explain_subject
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, PROMPT, Run
from explainer.run.geometry import Layout
from tests import tiny
from tests.attribution.conftest import (
    PROMPT_TEXT,
    QUICK,
    THROUGH_ATTENTION,
    attends_in_every_layer,
)
from tests.media.test_video import clip
from tests.methods.test_registry import check_sound

CLIP = ("LLaVA", "LLaVA-NeXT")  # families for whose vision tower ArchiSurgery is defined


def record(explainer: Explainer, pictures=None, **options) -> Run:
    pictures = tiny.image(64, 96) if pictures is None and "video" not in options else pictures
    return explainer.record(pictures, PROMPT_TEXT, scales=(1.0,), max_new_tokens=3, **options)


@pytest.fixture(scope="module")
def plain(qwen) -> Run:
    return record(qwen)


@pytest.fixture(scope="module")
def any_run(any_family) -> Run:
    return record(any_family)


# What is kept ------------------------------------------------------------------------------------


def test_maps_are_added_and_those_that_are_there_are_kept(qwen, plain, monkeypatch):
    first, second = plain.indices(ANSWER)[:2].tolist()
    one = qwen.attribute(plain, first, "attention")
    assert not plain.attributions
    assert list(one.attributions) == [("attention", first, (("over_layers", "last"),))]
    two = qwen.attribute(one, [first, second], "attention")
    assert len(two.attributions) == 2
    three = qwen.attribute(two, first, "attention", over_layers="mean")
    assert len(three.attributions) == 3
    key = ("attention", first, (("over_layers", "last"),))
    assert three.attributions[key] is one.attributions[key]
    assert three.nbytes - plain.nbytes == 3 * 4 * len(plain.scales[0].states)


def test_nothing_is_read_when_everything_is_there(qwen, plain, monkeypatch):
    one = qwen.attribute(plain, 5, "attention")
    monkeypatch.setattr("explainer.attribution.Reading", None)
    assert qwen.attribute(one, [5, 5], "attention") is one
    assert qwen.attribute(one, 5, "attention", normalisation="token") is one
    assert qwen.attribute(one, 5, "tam") is one
    assert qwen.attribute(one, 5, "cam") is one


def test_a_scale_of_the_whole_answer_takes_the_whole_answer(qwen, plain):
    run = qwen.attribute(plain, 5, "attention", normalisation="answer")
    assert {token for _, token, _ in run.attributions} == {5, *plain.indices(ANSWER).tolist()}
    COMPARISON["attention"](run, 5, normalisation="answer")


def test_each_map_is_told(qwen, plain):
    told = []
    tokens = plain.indices(ANSWER).tolist()
    qwen.attribute(plain, tokens, "grad_cam", on_progress=told.append)
    assert [(s.kind, s.text, s.done, s.total) for s in told] == [
        ("map", plain.tokens.texts[t], i, len(tokens)) for i, t in enumerate(tokens, 1)
    ]


def test_a_run_with_maps_survives_a_file_a_pickle_and_another_scale(qwen, plain, tmp_path):
    token = int(plain.indices(ANSWER)[0])
    run = qwen.attribute(plain, token, "grad_cam", depth=0.3)
    run = qwen.attribute(run, token, "attention_rollout")
    run.save(tmp_path / "run.npz")
    for copy in (Run.load(tmp_path / "run.npz"), pickle.loads(pickle.dumps(run))):
        assert list(copy.attributions) == list(run.attributions)
        for key, values in run.attributions.items():
            np.testing.assert_array_equal(copy.attributions[key], values)
        heat = find_method("grad_cam")(copy, token, depth=0.3)
        np.testing.assert_array_equal(
            heat.values, COMPARISON["grad_cam"](run, token, depth=0.3).values
        )
    assert qwen.add_scale(run, 0.5).attributions.keys() == run.attributions.keys()


def test_a_run_refuses_maps_of_another_size(plain):
    for key, values in (
        (("attention", 0, ()), np.zeros(3, np.float32)),
        (("attention", 0, ()), np.zeros(len(plain.scales[0].states))),
        (("attention", 99, ()), np.zeros(len(plain.scales[0].states), np.float32)),
    ):
        with pytest.raises(RunError):
            replace(plain, attributions={key: values})


# What is refused ---------------------------------------------------------------------------------


def test_a_map_that_was_not_computed_says_what_to_call(qwen, plain):
    last = len(plain.tokens) - 1
    run = qwen.attribute(plain, last, "attention")
    assert COMPARISON["attention"](run, last).values.max() == 1
    call = r"Explainer\.attribute\(run, 6, 'attention', over_layers='last'\)"
    words = rf"not computed for token 6.*{call}"
    with pytest.raises(MethodError, match=words):
        COMPARISON["attention"](run, 6)
    with pytest.raises(MethodError, match="over_layers='mean'"):
        COMPARISON["attention"](run, last, over_layers="mean")
    with pytest.raises(MethodError, match="not computed"):
        COMPARISON["attention"](run, last, normalisation="answer")


def test_wrong_words_are_refused(qwen, plain):
    with pytest.raises(MethodError, match=r"no method 'guess'.*grad_cam.*cp_lrp"):
        qwen.attribute(plain, 5, "guess")
    with pytest.raises(KnobError, match="grad_cam has no knob 'colour'"):
        qwen.attribute(plain, 5, "grad_cam", colour="red")
    with pytest.raises(KnobError, match="causal, table"):
        qwen.attribute(plain, 5, "grad_cam", mode="other")
    for token in (-1, 999, "3", True, [5, 999]):
        with pytest.raises(TokenError):
            qwen.attribute(plain, token, "grad_cam")
    assert qwen.attribute(plain, [], "grad_cam").attributions == {}


@pytest.mark.parametrize("name", sorted(set(COMPUTED) - {"archi_surgery"}))
def test_the_first_token_has_no_causal_map(qwen, plain, name):
    with pytest.raises(TokenError, match="token 0 opens the sequence"):
        qwen.attribute(plain, [5, 0], name)


def test_tokens_before_the_picture_have_empty_maps(qwen, plain):
    for name in set(COMPUTED) - {"archi_surgery"}:
        quick = QUICK.get(name, {})
        run = qwen.attribute(plain, 2, name, **quick)
        (values,) = run.attributions.values()
        assert not values.any(), name
        assert not find_method(name)(run, 2, **quick).values.any()


def test_a_run_of_another_model_is_refused(qwen, plain, tmp_path):
    with pytest.raises(RunError, match="recorded with other, but"):
        qwen.attribute(replace(plain, model_id="other"), 5, "attention")
    with pytest.raises(RunError, match="do not give its tokens"):
        qwen.attribute(replace(plain, prompt="something else"), 5, "attention")


def test_an_answer_with_the_mark_of_a_picture_is_refused(qwen, plain):
    ids = plain.tokens.ids.copy()
    ids[-1] = qwen.family.image_token_id
    run = replace(plain, tokens=replace(plain.tokens, ids=ids))
    with pytest.raises(RunError, match="mark of a picture"):
        qwen.attribute(run, 5, "attention")


def test_archi_surgery_says_where_it_is_not_defined(deep, run):
    if deep.family.label in CLIP:
        assert deep.attribute(run, 5, "archi_surgery").attributions
    else:
        with pytest.raises(MethodError, match=r"defined for CLIP's vision tower"):
            deep.attribute(run, 5, "archi_surgery")


# How they are listed and shown -------------------------------------------------------------------


def test_the_page_lists_none_of_them():
    assert not {*COMPARISON, *OPT_IN, *LONG} & set(METHODS)


def test_relevance_is_asked_for_by_name_and_says_that_it_is_patented():
    for name in ("cp_lrp", "attn_lrp"):
        assert name not in COMPARISON
        assert find_method(name).notice == PATENT
        assert "atented" in COMPUTED[name].__doc__
        assert "personal and scientific use only" in COMPUTED[name].__doc__
    assert "personal and scientific use only" in PATENT


@pytest.mark.parametrize("name", [*COMPARISON, *OPT_IN, *LONG])
def test_declarations_hold_what_other_methods_hold(name):
    method = find_method(name)
    assert method.name == name
    assert method.label
    assert method.paper
    assert "\n" not in method.summary
    for knob in method.knobs:
        assert knob.meaning
        assert knob.check(knob.default) == knob.default
    assert method.explain_many(record_none(), []) == []


def record_none() -> None:
    """Stand for a run that nothing is read off."""


def refused(explainer: Explainer) -> set[str]:
    """Return the methods that have no meaning for this model."""
    through = set() if attends_in_every_layer(explainer) else set(THROUGH_ATTENTION)
    return through if explainer.family.label in CLIP else {*through, "archi_surgery"}


@pytest.mark.parametrize("name", [*COMPARISON, *OPT_IN])
def test_maps_are_shown_like_any_other(any_family, any_run, name):
    run = any_run
    tokens = [int(run.indices(PROMPT)[-1]), *run.indices(ANSWER).tolist()]
    if name in refused(any_family):
        with pytest.raises(MethodError):
            any_family.attribute(run, tokens, name)
        return
    quick = QUICK.get(name, {})
    run = any_family.attribute(run, tokens, name, **quick)
    method = find_method(name)
    (grid,) = Layout.of(run).grids
    for knobs in (quick, {**quick, "normalisation": "answer"}):
        together = method.explain_many(run, tokens, **knobs)
        for token, heat in zip(tokens, together, strict=True):
            check_sound(heat)
            assert heat.values.shape == grid.shape
            assert heat.extent == grid.extent
            np.testing.assert_array_equal(heat.values, method(run, token, **knobs).values)
    chip = explain_subject(method, run, Span(tuple(tokens[-2:])), **quick)
    pair = [method(run, t, **quick).values for t in tokens[-2:]]
    np.testing.assert_array_equal(chip.values, np.maximum(*pair))


def test_a_map_is_cut_at_zero_and_stretched_by_hand(plain):
    values = np.linspace(-1, 3, len(plain.scales[0].states), dtype=np.float32)
    run = replace(plain, attributions={("cp_lrp", 5, ()): values})
    (grid,) = Layout.of(run).grids
    heat = OPT_IN["cp_lrp"](run, 5)
    np.testing.assert_allclose(heat.values, np.maximum(0, values).reshape(grid.shape) / 3)
    signed = OPT_IN["cp_lrp"](run, 5, show="signed")
    assert signed.signed
    np.testing.assert_allclose(signed.values, values.reshape(grid.shape) / 3, rtol=1e-6)


def test_several_pictures_share_a_map_and_a_scale(any_family):
    if any_family.family.max_images == 1:
        return
    pictures = [tiny.image(64, 96), tiny.image(96, 64, seed=1)]
    run = record(any_family, pictures)
    token = int(run.indices(ANSWER)[-1])
    for name in {"grad_cam", "attention", "grad_rollout"} - refused(any_family):
        done = any_family.attribute(run, token, name)
        heat = COMPARISON[name](done, token)
        (values,) = done.attributions.values()
        assert [p.values.shape for p in heat.parts] == [g.shape for g in Layout.of(run).grids]
        assert max(p.values.max() for p in heat.parts) == pytest.approx(1.0)
        sizes = [[len(v) for v, _ in run.scales[0].of_image(i)] for i in (0, 1)]
        assert sum(map(sum, sizes)) == len(values)


def test_a_video_has_a_map_for_each_step(qwen):
    run = record(qwen, video=clip())
    token = int(run.indices(ANSWER)[-1])
    done = qwen.attribute(run, token, "attention")
    assert len(COMPARISON["attention"](done, token).parts) == len(run.images) > 1


def test_a_model_loaded_anew_computes_the_same(qwen, qwen_folder, plain):
    again = load(qwen_folder, device="cpu")
    for name in ("grad_cam_pp", "attn_lrp"):
        one, two = (e.attribute(plain, 5, name).attributions for e in (qwen, again))
        for key, values in one.items():
            np.testing.assert_array_equal(two[key], values)
