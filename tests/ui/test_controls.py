"""What a browser sends is arbitrary: it is either a checked value or a sentence for the person."""

from __future__ import annotations

import math

import pytest

from explainer.errors import KnobError, MethodError, RunError, ScaleError, SightlineError
from explainer.methods import COMPARISON, METHODS
from explainer.web import controls, texts

PANEL = controls.panel_value()
OPTIONS = controls.option_value()


def test_the_panels_start_at_the_defaults_of_the_methods():
    settings = controls.read_settings(PANEL, OPTIONS)
    assert settings.scales == (0.5, 0.75, 1.0)
    for name, knobs in settings.knobs.items():
        assert knobs == METHODS[name].settings()


def test_three_scales_are_on_and_two_are_spare():
    assert [on for _, on in PANEL["alphas"]] == [True] * 3 + [False] * 2
    assert controls.panel_spec().scales.step == 0.05


def test_every_knob_of_every_shown_method_has_a_control():
    for spec in controls.option_spec():
        names = {k["name"] for k in spec["knobs"]} | set(controls.SLIDERS)
        names.add(controls.SCALE_WEIGHTS)
        assert {k.name for k in controls.OFFERED[spec["name"]].knobs} <= names


def test_a_preset_of_the_options_is_the_preset_of_the_method():
    spec = next(s for s in controls.option_spec() if s["name"] == "msea_arc")
    paper = {
        k["name"]: spec["presets"]["paper"].get(k["name"], k["default"]) for k in spec["knobs"]
    }
    read = controls.read_settings(PANEL, {**OPTIONS, "msea_arc": paper})
    assert read.knobs["msea_arc"] == METHODS["msea_arc"].settings(preset="paper")


def test_scales_may_repeat_and_their_order_is_kept():
    panel = {**PANEL, "alphas": [[1.0, True], [0.5, True], [0.5, True], [1.5, False]]}
    assert controls.read_settings(panel, OPTIONS).scales == (1.0, 0.5)


def test_the_scale_of_the_lens_is_needed_too():
    options = {**OPTIONS, "logit_lens": {**OPTIONS["logit_lens"], "alpha": 1.25}}
    assert controls.read_settings(PANEL, options).needed == (0.5, 0.75, 1.0, 1.25)


def test_one_scale_has_to_stay_on():
    with pytest.raises(ScaleError, match="At least one scale"):
        controls.read_settings({**PANEL, "alphas": [[1.0, False]]}, OPTIONS)


@pytest.mark.parametrize(
    "bad",
    [
        None, 3, "x", [], {}, {"alphas": 1}, {"alphas": [1.0]}, {"alphas": [[1.0]]},
        {"alphas": [["1", True]]}, {"alphas": [[9.0, True]]}, {"alphas": [[math.nan, True]]},
        {"alphas": [[None, True]]}, {"alphas": [[1.0, True]] * 3, "k": "50"},
        {"alphas": [[1.0, True]], "k": 0}, {"alphas": [[1.0, True]], "k": 50.5},
        {"alphas": [[1.0, True]], "k": [50]}, {"alphas": [[1.0, True]], "k": True},
        {"alphas": [[1.0, True]], "k": None}, {"alphas": [[1.0, True]], "k": math.inf},
        {"alphas": [[1.0, True]], "k": 50, "beta": "auto"},
        {"alphas": [[1.0, True]], "k": 50, "beta": -1},
        {"alphas": [[1.0, True]], "k": 50, "beta": math.nan},
        {"alphas": [[a / 10 + 0.3, True] for a in range(9)], "k": 50},
    ],
)  # fmt: skip
def test_sliders_of_the_wrong_kind_are_refused(bad):
    with pytest.raises(SightlineError):
        controls.read_settings(bad, OPTIONS)


@pytest.mark.parametrize(
    "bad",
    [None, "x", {"tam": 3}, {"tam": {"mode": "other"}}, {"tam": {"mode": {}}}, {"tam": {"no": 1}},
     {"tam": {"window": 2}}, {"msea_arc": {"p": 7}}, {"logit_lens": {"alpha": "1"}}],
)  # fmt: skip
def test_options_of_the_wrong_kind_are_refused(bad):
    with pytest.raises(SightlineError):
        controls.read_settings(PANEL, bad)


@pytest.mark.parametrize(
    "bad",
    [None, 1, [], {"run": 3}, {"run": "a" * 999}, {"run": ["a"]}, {}],
)  # fmt: skip
def test_runs_of_the_wrong_kind_are_refused(bad):
    with pytest.raises(SightlineError):
        controls.read_run(bad)


def test_nothing_to_explain_yet_says_so():
    with pytest.raises(RunError, match="press Explain first"):
        controls.read_run({"run": None, "subject": None})


def test_decoding_settings():
    assert controls.read_decoding(None, None, None) == controls.DecodingControls()
    assert controls.read_decoding(8, 0.7, 3.0) == controls.DecodingControls(8, 0.7, 3)
    assert controls.read_decoding(8, 0, 0, None, 1.05).repetition_penalty == 1.05
    for bad in ((0, 0, 0), (9999, 0, 0), ("8", 0, 0), (8, -1, 0), (8, 0, -1), (8, 0, [1])):
        with pytest.raises(KnobError):
            controls.read_decoding(*bad)


def test_the_methods_shown_are_those_of_the_options_in_their_order():
    chosen = {"mean_mitigation": {}, "tam": OPTIONS["tam"]}
    assert list(controls.read_settings(PANEL, chosen).knobs) == ["mean_mitigation", "tam"]
    assert [m["name"] for m in controls.option_spec()] == [*METHODS, *COMPARISON]


def test_one_known_method_has_to_stay_on():
    for options in ({}, {"no_such": {}}, {"cp_lrp": {}}):
        with pytest.raises(MethodError):
            controls.read_settings(PANEL, options)


@pytest.mark.parametrize("empty", [None, 0, 0.0])
def test_an_empty_repetition_penalty_is_the_models_own(empty):
    decoding = controls.read_decoding(8, 0, 0, repetition_penalty=empty)
    assert decoding.repetition_penalty is None


@pytest.mark.parametrize("wrong", [False, -1, 0.05, "much"])
def test_a_wrong_repetition_penalty_is_refused(wrong):
    with pytest.raises(SightlineError):
        controls.read_decoding(8, 0, 0, repetition_penalty=wrong)


@pytest.mark.parametrize(
    ("panel", "want"),
    [
        ({}, None),
        ({"weights": None}, None),
        ({"weights": [1, 1, 1, 0, 0]}, None),
        ({"weights": [0.5, 0.5, 0.5, 2, 1]}, None),
        ({"weights": [0.5, 1, 2, 1, 1]}, (0.5, 1, 2)),
        ({"weights": [2, 1, 0], "alphas": [[1.0, True], [0.5, True], [1.0, True]]}, (2, 1)),
    ],
)
def test_weights_belong_to_the_scales_that_are_on(panel, want):
    read = controls.read_settings({**PANEL, **panel}, OPTIONS)
    assert read.knobs["msea_arc"]["scale_weights"] == want


@pytest.mark.parametrize(
    ("panel", "why"),
    [
        (
            {"weights": [2, 1, 1, 1, 1], "alphas": [[1.0, True], [0.5, False], [1.0, True]]},
            texts.BAD_REQUEST,
        ),
        ({"weights": "all"}, texts.BAD_REQUEST),
        ({"weights": [1, 2]}, texts.BAD_REQUEST),
        ({"weights": [{}, 1, 1, 1, 1]}, texts.BAD_REQUEST),
        ({"weights": [0, 0, 0, 1, 1]}, texts.NO_WEIGHT),
        ({"weights": [3, 1, 1, 1, 1]}, r"0\.\.2"),
        ({"weights": ["x", 1, 1, 1, 1]}, "is a number"),
    ],
)
def test_wrong_weights_are_refused(panel, why):
    with pytest.raises(SightlineError, match=why):
        controls.read_settings({**PANEL, **panel}, OPTIONS)
