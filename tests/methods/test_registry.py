"""What every method promises, whatever it computes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from explainer.errors import KnobError, MethodError, TokenError
from explainer.methods import (
    METHODS,
    Heatmap,
    Knob,
    MapPart,
    combine_maps,
    find_method,
)
from explainer.methods.base import Method
from explainer.run import TEMPLATE
from explainer.run.geometry import Placement
from tests.methods.small import small_run

RUN = small_run()
ALL = list(range(len(RUN.tokens)))

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def every_value(knob: Knob) -> list:
    """Return values of a knob worth trying: all choices, or both ends and the default."""
    if knob.kind == "choice":
        return list(knob.choices)
    if knob.kind == "scales":
        return [[1.0], [0.5], [0.5, 0.75, 1.0]]
    if knob.kind == "weights":
        return [None, [1, 1, 1], [0, 2, 0.5]]
    if knob.name == "alpha":
        return list(RUN.alphas)
    high = min(knob.high, 60) if knob.name == "k" else knob.high
    return [knob.low, high, knob.default]


def test_the_registry():
    assert list(METHODS) == ["msea_arc", "tam", "logit_lens", "msea", "arc", "mean_mitigation"]
    for name, method in METHODS.items():
        assert find_method(name) is method
        assert method.name == name
        assert method.label
        assert method.summary
        assert "\n" not in method.summary


def test_an_unknown_method_lists_the_known():
    with pytest.raises(MethodError, match="msea_arc, tam, logit_lens"):
        find_method("guess")


def test_numpy_and_scipy_are_enough():
    heavy = "{'torch', 'transformers', 'gradio'}"
    code = f"import sys, explainer.methods; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@every_method
def test_defaults_and_presets_pass_their_own_checks(method: Method):
    knobs = {knob.name: knob for knob in method.knobs}
    assert len(knobs) == len(method.knobs)
    for knob in method.knobs:
        assert knob.meaning
        assert knob.check(knob.default) == knob.default
    for values in method.presets.values():
        for name, value in values.items():
            assert knobs[name].check(value) == value


@every_method
def test_many_tokens_at_once_are_the_tokens_one_by_one(method: Method):
    for normalisation in ("joint", "token", "answer"):
        shuffled = [14, 6, 3, 16, 12, 6]
        together = method.explain_many(RUN, shuffled, normalisation=normalisation)
        for token, heat in zip(shuffled, together, strict=True):
            alone = method(RUN, token, normalisation=normalisation)
            np.testing.assert_allclose(heat.values, alone.values, atol=1e-6)
            assert heat.notes == pytest.approx(alone.notes)


@every_method
def test_no_token_gives_no_map(method: Method):
    assert method.explain_many(RUN, []) == []


@every_method
def test_every_knob_gives_a_sound_map(method: Method):
    tokens = [t for t in ALL if RUN.tokens.roles[t] != TEMPLATE]
    for knob in method.knobs:
        for value in every_value(knob):
            for heat in method.explain_many(RUN, tokens, **{knob.name: value}):
                check_sound(heat)


@every_method
def test_template_tokens_can_be_explained_too(method: Method):
    for heat in method.explain_many(RUN, ALL):
        check_sound(heat)


def check_sound(heat: Heatmap) -> None:
    assert heat.values.dtype == np.float32
    assert heat.values.ndim == 2
    assert np.isfinite(heat.values).all()
    assert heat.values.min() >= (-1 if heat.signed else 0)
    assert heat.values.max() <= 1
    assert heat.normalisation
    assert all(np.isfinite(v) for v in heat.notes.values())


@every_method
def test_unknown_knobs_and_presets_are_named(method: Method):
    with pytest.raises(KnobError, match=rf"{method.name} has no knob 'colour'; it has "):
        method(RUN, 12, colour="red")
    with pytest.raises(MethodError, match="no preset 'best'"):
        method(RUN, 12, preset="best")


@every_method
@pytest.mark.parametrize("token", [-1, 17, "3", 2.0, True, None])
def test_tokens_are_checked(method: Method, token):
    with pytest.raises(TokenError):
        method(RUN, token)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("k", 0, "1..200"),
        ("k", 201, "1..200"),
        ("k", 2.5, "whole number"),
        ("k", "50", "is a number"),
        ("k", True, "is a number"),
        ("window", 4, "one of 1, 3, ... 5"),
        ("beta", -0.1, "0..2"),
        ("beta", float("nan"), "0..2"),
        ("p", None, "is a number"),
        ("fuse", "sum", "one of mean, max"),
        ("fuse", None, "one of mean, max"),
        ("scales", [], "1 to 5"),
        ("scales", [0.1], "0.25..1.5"),
        ("scales", "0.5", "list of scale factors"),
        ("scales", 1.0, "list of scale factors"),
        ("scales", [0.25, 0.5, 0.75, 1, 1.25, 1.5], "1 to 5"),
    ],
)
def test_wrong_values_are_refused(name, value, words):
    with pytest.raises(KnobError, match=words.replace(".", r"\.")) as caught:
        METHODS["msea_arc"](RUN, 12, **{name: value})
    assert name in str(caught.value)


def test_values_take_their_proper_type():
    settings = METHODS["msea_arc"].settings(k=50.0, scales=np.array([1.0, 0.5]), beta=1)
    assert settings["k"] == 50
    assert isinstance(settings["k"], int)
    assert settings["scales"] == (1.0, 0.5)
    assert isinstance(settings["beta"], float)


def test_a_preset_can_be_changed():
    method = METHODS["msea_arc"]
    assert method.settings(preset="paper")["clip"] == "none"
    assert method.settings(preset="paper", clip="fused")["clip"] == "fused"
    assert method.settings(preset="default") == method.settings()


# Words of several tokens ----------------------------------------------------------------------


def heat(values: list[list[float]], **notes: float) -> Heatmap:
    return Heatmap(
        (MapPart(np.array(values, np.float32), Placement.even((0, 0, 1, 1))),),
        False,
        "words",
        notes,
    )


@pytest.mark.parametrize(
    ("combine", "want", "beta"),
    [("max", [[1.0, 0.5]], 1.5), ("mean", [[0.5, 0.4375]], 1.5), ("first", [[0.0, 0.5]], 1.0)],
)
def test_maps_are_combined_by_hand(combine, want, beta):
    both = combine_maps([heat([[0.0, 0.5]], beta=1.0), heat([[1.0, 0.375]], beta=2.0)], combine)
    assert both.values.tolist() == want
    assert both.values.dtype == np.float32
    assert both.notes["beta"] == beta
    assert both.normalisation == "words"


def test_other_ways_to_combine_are_refused():
    with pytest.raises(MethodError, match="max, mean, first"):
        combine_maps([heat([[0.0]])], "sum")
