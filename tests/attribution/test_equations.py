"""Each comparison method against its slow transcription, in every family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from explainer.attribution import COMPUTED
from explainer.attribution.attention import attention_rows, grad_rollout_rows, rollout_columns
from explainer.attribution.reading import Reading
from explainer.attribution.relevance import attn_rules, cp_rules, relevances
from explainer.methods import COMPARISON, LONG, METHODS, OPT_IN, find_method
from explainer.methods.comparison import Comparison
from explainer.models.engine import Engine
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, PROMPT, Run
from tests import tiny, tiny_tiles
from tests.attribution import slow
from tests.attribution.conftest import QUICK
from tests.attribution.slow import Slow


@pytest.fixture(scope="session")
def slowly(deep: Explainer, run: Run) -> Slow:
    return Slow(deep, run)


@pytest.fixture(scope="session")
def tokens(run: Run) -> list[int]:
    """The last word of the answer, its first, and one of the prompt."""
    return [int(run.indices(ANSWER)[-1]), int(run.indices(ANSWER)[0]), int(run.indices(PROMPT)[-1])]


def computed(explainer: Explainer, run: Run, tokens: list[int], name: str, **knobs) -> np.ndarray:
    """Return the maps (M, N) of these tokens."""
    method, knobs = find_method(name), {**QUICK.get(name, {}), **knobs}
    done = explainer.attribute(run, tokens, name, **knobs)
    settings = method.settings(**knobs)
    return np.stack([done.attributions[method.key(token, settings)] for token in tokens])


def close(ours: np.ndarray, theirs: list[torch.Tensor], tolerance: float = 1e-3) -> None:
    want = torch.stack(theirs).detach().numpy()
    assert np.abs(want).max() > 0
    for mine, other in zip(ours, want, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance * np.abs(other).max())


def test_the_slow_decoder_is_the_model(deep, run, slowly):
    reading = Reading(Engine(deep.family), run)
    with reading.patched(), torch.no_grad():
        states = reading.states()
    np.testing.assert_allclose(slowly.plain.states.detach(), states, atol=1e-3)


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_pp", "layer_cam", "llava_cam"])
@pytest.mark.parametrize(("depth", "layer"), [(0.0, 0), (0.5, 1), (1.0, 2)])
def test_cams_of_the_words_score(deep, run, slowly, tokens, name, depth, layer):
    formula = getattr(slow, name)
    kind = "after_attention" if name == "llava_cam" else "layers"
    ours = computed(deep, run, tokens, name, depth=depth)
    theirs = [formula(*slowly.features(token, layer, kind)) for token in tokens]
    # Grad-CAM++ divides by differences that may nearly vanish
    close(ours, theirs, 0.05 if name == "grad_cam_pp" else 1e-3)


def test_llava_cam_of_a_layers_output(deep, run, slowly, tokens):
    ours = computed(deep, run, tokens, "llava_cam", features="layer")
    close(ours, [slow.llava_cam(*slowly.features(token, 1)) for token in tokens])


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_pp", "layer_cam", "llava_cam"])
def test_cams_of_the_mean_score_over_the_picture(deep, run, slowly, tokens, name):
    ours = computed(deep, run, tokens, name, mode="table")
    close(ours, [getattr(slow, name)(*slowly.table(token)) for token in tokens], 0.01)


@pytest.mark.parametrize("layers", ["last", "mean"])
def test_attention(deep, run, slowly, tokens, layers):
    ours = computed(deep, run, tokens, "attention", over_layers=layers)
    close(ours, [slowly.attention(token, layers) for token in tokens])
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["attention_rollout", "grad_rollout"])
def test_rollouts(deep, run, slowly, tokens, name):
    ours = computed(deep, run, tokens, name)
    close(ours, [getattr(slowly, name)(token) for token in tokens])


@pytest.mark.parametrize("name", ["cp_lrp", "attn_lrp"])
def test_relevance(deep, run, slowly, tokens, name):
    ours = computed(deep, run, tokens, name)
    rules = name.removesuffix("_lrp")
    close(ours, [slowly.relevance(token, rules)[slowly.visual] for token in tokens])


# What must hold without a transcription ----------------------------------------------------------


def test_attention_rows_sum_to_one_before_they_are_cut(deep, run, tokens):
    reading = Reading(Engine(deep.family), run)
    rows = reading.predicting(tokens)
    for layers in ("last", "mean"):
        attended = attention_rows(reading, rows, layers)
        np.testing.assert_allclose(attended.sum(1), 1, atol=1e-5)
        for row, at in zip(attended, rows, strict=True):
            assert not row[at + 1 :].any()


def test_rollouts_are_row_stochastic(deep, run, tokens):
    reading = Reading(Engine(deep.family), run)
    whole = rollout_columns(reading, range(len(reading)))
    assert whole.min() >= 0
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    for row in grad_rollout_rows(reading, tokens):
        assert row.min() >= 0
        assert float(row.sum()) == pytest.approx(1, abs=1e-5)


def test_cp_relevance_adds_up_to_the_score_where_there_are_no_biases(any_family):
    if len(any_family.family.attending_layers) < any_family.family.depth:
        pytest.skip("relevance is refused where layers do not attend")
    run = any_family.record(tiny.image(64, 96), "what is it?", scales=(1.0,), max_new_tokens=4)
    decoder = any_family.family.decoder
    biases = [p for name, p in decoder.named_parameters() if name.endswith("bias")]
    assert not any(p.any() for p in biases)
    reading = Reading(Engine(any_family.family), run)
    tokens = run.indices(ANSWER).tolist()
    with reading.patched(), torch.no_grad():
        states = reading.states()
        scores = [
            float(states[at] @ reading.row(token))
            for token, at in zip(tokens, reading.predicting(tokens), strict=True)
        ]
    sums = [float(r.sum()) for r in relevances(reading, tokens, cp_rules)]
    assert sums == pytest.approx(scores, rel=1e-3, abs=1e-3)
    other = [float(r.sum()) for r in relevances(reading, tokens, attn_rules)]
    assert other != pytest.approx(scores, rel=1e-3)  # its rule for the softmax conserves nothing


def test_cam_is_the_lens_of_one_scale_with_negative_scores_cut_off(any_family):
    run = any_family.record(tiny.image(), "what is it?", scales=(0.5,), max_new_tokens=4)
    for token in run.indices(ANSWER).tolist():
        assert any_family.attribute(run, token, "cam") is run
        cam = COMPARISON["cam"](run, token).values
        lens = METHODS["logit_lens"](run, token, alpha=1.0, show="positive").values
        np.testing.assert_array_equal(cam, lens)


def test_in_mode_table_grad_cam_is_cam(any_family):
    run = any_family.record(tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=4)
    tokens = run.indices(ANSWER).tolist()
    run = any_family.attribute(run, tokens, "grad_cam", mode="table")
    for token in tokens:
        grad_cam = COMPARISON["grad_cam"](run, token, mode="table").values
        np.testing.assert_allclose(grad_cam, COMPARISON["cam"](run, token).values, atol=0.01)


@pytest.fixture(scope="module")
def alone(deep: Explainer, run: Run, tokens: list[int]) -> dict[str, np.ndarray]:
    """Maps (N,) of the first token of the answer, computed without others, by method."""
    names = [n for n in COMPUTED if n != "archi_surgery" or deep.family.label == "LLaVA"]
    return {name: computed(deep, run, [tokens[1]], name)[0] for name in names}


def test_what_is_said_later_changes_no_map(deep, run, tokens, alone):
    first = tokens[1]
    t = run.tokens
    cut = replace(
        run,
        tokens=type(t)(
            t.ids[: first + 1], t.texts[: first + 1], t.roles[: first + 1], t.positions[: first + 1]
        ),
        states=run.states[: first + 2],
        topk=run.topk[: first + 2],
        candidate_probs=run.candidate_probs[: first + 2],
        probs=run.probs[: first + 1],
    )
    for name, whole in alone.items():
        (early,) = computed(deep, cut, [first], name)
        tolerance = 0.05 if name == "grad_cam_pp" else 1e-3
        np.testing.assert_allclose(whole, early, atol=tolerance * np.abs(whole).max())


def test_a_token_alone_has_the_same_map_as_among_others(deep, run, tokens, alone):
    for name in sorted(set(alone) - set(LONG)):
        among = computed(deep, run, tokens, name)[1]
        small = 0.01 if name == "eagle" else 1e-6  # reads other pictures together, and ranks
        np.testing.assert_allclose(alone[name], among, atol=small * np.abs(among).max())


def test_every_declared_method_is_computed_and_every_computed_one_declared():
    declared = {**COMPARISON, **OPT_IN, **LONG}
    assert {n for n, m in declared.items() if isinstance(m, Comparison)} == set(COMPUTED)
    assert list(OPT_IN) == ["cp_lrp", "attn_lrp"]


# ArchiSurgery ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "first"), [(0.0, 0), (0.5, 1), (1.0, 2)])
def test_archi_surgery_in_a_clip_tower(tmp_path, start, first):
    llava = load(tiny_tiles.llava(tmp_path / "llava", num_hidden_layers=4), device="cpu")
    run = llava.record(tiny.image(), "what is it?", scales=(1.0,), max_new_tokens=3)
    tokens = run.indices(ANSWER).tolist()
    ours = computed(llava, run, tokens, "archi_surgery", start=start)
    close(ours, [slow.surgery(llava, run, token, first) for token in tokens])
