"""Looking into a model leaves nothing behind: hooks, settings, gradients, memory, other answers."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from explainer.attribution import COMPUTED
from explainer.attribution.patches import Leaf, Patches
from explainer.attribution.reading import Reading
from explainer.attribution.relevance import attn_rules, cp_rules
from explainer.errors import Cancelled, MethodError, ModelError
from explainer.models.engine import Engine
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run
from tests import tiny
from tests.attribution.conftest import (
    PROMPT_TEXT,
    QUICK,
    THROUGH_ATTENTION,
    attends_in_every_layer,
)

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@pytest.fixture(scope="module")
def recorded(any_model) -> Run:
    return any_model.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)


def traces(explainer: Explainer) -> dict:
    """Return all that a method could have left in a model."""
    model = explainer.family.model
    return {
        "hooks": sum(len(getattr(m, name)) for m in model.modules() for name in HOOKS),
        "forwards": [name for name, m in model.named_modules() if "forward" in vars(m)],
        "config": model.config.to_dict(),
        "attention": [
            (name, m.config._attn_implementation)
            for name, m in model.named_modules()
            if hasattr(m, "config")
        ],
        "known": (sorted(AttentionInterface()), sorted(AttentionMaskInterface())),
        "trained": [name for name, p in model.named_parameters() if p.requires_grad],
        "gradients": [name for name, p in model.named_parameters() if p.grad is not None],
        "weights": float(sum(p.double().abs().sum() for p in model.parameters())),
        "mode": (model.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    }


def attribute(explainer: Explainer, run: Run, name: str, **options) -> Run | None:
    """Return the run with the maps of its answer, or None where the tower has no such map."""
    try:
        tokens, knobs = run.indices(ANSWER).tolist(), QUICK.get(name, {})
        tokens = tokens[-1:] if name == "igos_pp" else tokens  # it takes long, and as long for each
        return explainer.attribute(run, tokens, name, **knobs, **options)
    except MethodError:
        if attends_in_every_layer(explainer):
            assert name == "archi_surgery"
        else:
            assert name in ("archi_surgery", *THROUGH_ATTENTION)
        assert explainer.family.label != "LLaVA"
        return None


@pytest.mark.parametrize("name", COMPUTED)
def test_nothing_is_left_in_the_model(deep, run, name):
    """Neither by a map nor by one that is cancelled."""
    before, asked = traces(deep), []
    assert not before["trained"]

    def second() -> bool:
        asked.append(1)
        return len(asked) > 1

    done = attribute(deep, run, name, cancel=lambda: False)
    assert traces(deep) == before
    if done:
        with pytest.raises(Cancelled):
            attribute(deep, run, name, cancel=second)
        assert traces(deep) == before
    assert not run.attributions


def test_nothing_is_left_after_an_error(deep, run, monkeypatch):
    before = traces(deep)
    norm = deep.family.decoder.norm

    def broken(x):
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(norm, "forward", broken)
        inside = traces(deep)
        for name in COMPUTED:
            with pytest.raises((RuntimeError, MethodError)):
                deep.attribute(run, len(run.tokens) - 1, name)
            assert traces(deep) == inside, name
    assert traces(deep) == before
    assert run.answer == deep.record(run.image, PROMPT_TEXT, scales=(1.0,), max_new_tokens=4).answer


def test_hooks_are_gone_before_gradients_are_taken(deep, run):
    reading = Reading(Engine(deep.family), run)
    count = traces(deep)["hooks"]
    with reading.patched() as patches:
        cp_rules(patches)
        leaf = patches.leaf_at_input()
        assert traces(deep)["hooks"] > count
        states = reading.states()
    assert traces(deep)["hooks"] == count
    assert next(reading.gradients(states, leaf.value, [len(run.tokens) - 1])).isfinite().all()


@pytest.mark.parametrize("rules", [cp_rules, attn_rules, Patches.leaf_at_input])
def test_states_stay_the_same_with_everything_in_place(any_model, recorded, rules):
    if rules is not Patches.leaf_at_input and not attends_in_every_layer(any_model):
        pytest.skip("relevance is refused where layers do not attend")
    reading = Reading(Engine(any_model.family), recorded)
    with reading.patched(), torch.no_grad():
        plain = reading.states().float()
    with reading.patched() as patches:
        rules(patches)
        if rules is Patches.leaf_at_input:
            patches.attention(lambda call: call.attend(call.query, call.key, call.value))
        else:
            patches.leaf_at_input()
        patched = reading.states().detach().float()
    weight = any_model.family.unembedding.weight.float()
    scale = float((plain @ weight.T).abs().max())
    # float32: other kernels where gradients are kept; bfloat16: their rounding
    small = 1e-6 if any_model.family.unembedding.weight.dtype == torch.float32 else 0.02
    assert float(((plain - patched) @ weight.T).abs().max()) <= small * max(1.0, scale)


def test_answers_are_the_same_while_maps_are_computed_beside_them(deep, run):
    alone = deep.record(run.image, PROMPT_TEXT, scales=(1.0,), max_new_tokens=4)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for name in ("cp_lrp", "grad_rollout", "grad_cam"):
                attribute(deep, run, name)

    other = threading.Thread(target=look)
    other.start()
    try:
        beside = [
            deep.record(run.image, PROMPT_TEXT, scales=(1.0,), max_new_tokens=4) for _ in range(3)
        ]
    finally:
        stop.set()
        other.join()
    for one in beside:
        np.testing.assert_array_equal(one.states, alone.states)
        np.testing.assert_array_equal(one.tokens.ids, alone.tokens.ids)


@pytest.mark.parametrize("name", ["grad_cam", "grad_rollout", "attn_lrp"])
def test_the_graph_is_freed_at_once(qwen, name, monkeypatch):
    run = qwen.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    alive: list[weakref.ref] = []
    put = Leaf.put

    def watched(self: Leaf, tensor: torch.Tensor) -> torch.Tensor:
        value = put(self, tensor)
        alive.append(weakref.ref(value))
        return value

    monkeypatch.setattr(Leaf, "put", watched)
    gc.collect()
    gc.disable()
    try:
        attribute(qwen, run, name)
        assert len(alive) == 1
        assert alive[0]() is None
    finally:
        gc.enable()


def test_callers_in_inference_mode_are_served(qwen):
    run = qwen.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    outside = attribute(qwen, run, "cp_lrp")
    with torch.inference_mode():
        inside = attribute(qwen, run, "cp_lrp")
    for key, values in outside.attributions.items():
        np.testing.assert_array_equal(inside.attributions[key], values)


@pytest.mark.parametrize("name", COMPUTED)
def test_every_dtype_gives_finite_maps(any_model, recorded, name):
    run = recorded
    done = attribute(any_model, run, name)
    for values in done.attributions.values() if done else ():
        assert values.dtype == np.float32
        assert values.shape == (len(run.scales[0].states),)
        assert np.isfinite(values).all()
        # EAGLE's map is as bright as the word gains by the picture, which may be nothing. Masks of
        # IGOS++ stay as they are if no step lowers the loss.
        assert values.any() or name in ("eagle", "igos_pp")


def test_a_closed_model_computes_nothing(qwen_folder):
    explainer = load(qwen_folder, device="cpu")
    run = explainer.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    explainer.close()
    with pytest.raises(ModelError, match="closed"):
        attribute(explainer, run, "grad_cam")


def test_attention_that_does_not_listen_is_refused(tmp_path):
    explainer = load(tiny.qwen2_vl(tmp_path / "model"), device="cpu")
    run = explainer.record(tiny.image(64, 96), PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    layer = explainer.family.decoder.layers[0]
    layer.self_attn.config = copy.deepcopy(layer.self_attn.config)
    before = traces(explainer)
    with pytest.raises(ModelError, match="attention cannot be recorded"):
        attribute(explainer, run, "attention")
    assert traces(explainer) == before
