"""What the page's controls are, from the methods' own declarations, and what came back from them.

Everything a browser sends is arbitrary. Each reader here returns checked values or raises a
`SightlineError` for the person; none lets a wrong type through to a method.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from explainer.errors import KnobError, MethodError, RunError, ScaleError, SightlineError
from explainer.methods import COMPARISON, METHODS, Method
from explainer.methods.base import Knob
from explainer.web import texts
from explainer.web.calls import OptionValue, PanelValue, RunCall, read_call, read_options
from explainer.web.page_messages import (
    KnobBounds,
    OptionKnob,
    OptionProps,
    PanelSpec,
    ScaleBounds,
    SliderBounds,
)

# What a browser may ask for; methods to opt in to are not on the page.
OFFERED: Mapping[str, Method] = MappingProxyType({**METHODS, **COMPARISON})
SHOWN = ("msea_arc", "tam", "logit_lens")  # the methods side by side, in this order
SPARE_ALPHAS = (1.25, 0.25)  # offered, but off
SLIDERS = ("scales", "k", "beta")  # knobs that have sliders; the others are in the options
SCALE_WEIGHTS = "scale_weights"  # has its sliders where the method is opened up
MAX_NEW_TOKENS = Knob("Longest answer", "int", 64, "", 1, 2048)
TEMPERATURE = Knob("Temperature", "float", 0.0, "", 0.0, 2.0, 0.05)
SEED = Knob("Seed", "int", 0, "", 0, 2**31 - 1)
REPETITION_PENALTY = Knob("Repetition penalty", "float", None, "", 0.1, 10.0, 0.05)
LAYERS = Knob("Layers", "choice", "last", "", choices=("last", "even", "all"))


@dataclass(frozen=True)
class MethodSettings:
    """All knobs of the shown methods, checked."""

    scales: tuple[float, ...]
    knobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def needed(self) -> tuple[float, ...]:
        """Return every scale that the maps will be read from."""
        alphas = [k["alpha"] for k in self.knobs.values() if "alpha" in k]
        return tuple(dict.fromkeys([*self.scales, *alphas]))


@dataclass(frozen=True)
class DecodingControls:
    """How the answer is drawn; a repetition penalty of None is the checkpoint's own.

    `thinking` says whether it opens with a thought.
    """

    max_new_tokens: int = MAX_NEW_TOKENS.default
    temperature: float = TEMPERATURE.default
    seed: int = SEED.default
    layers: str = LAYERS.default
    repetition_penalty: float | None = REPETITION_PENALTY.default
    thinking: bool = False


def knob(method: Method, name: str) -> Knob:
    """Return a knob of a method by name."""
    return next(k for k in method.knobs if k.name == name)


def weight_spec() -> KnobBounds:
    """Return bounds and meaning of the weight of a scale."""
    return KnobBounds(**_bounds(knob(METHODS["msea_arc"], SCALE_WEIGHTS)))


# What the panels show ----------------------------------------------------------------------------


def panel_spec() -> PanelSpec:
    """Return the sliders of MSEA + ARC for the control panel's script."""
    method = METHODS["msea_arc"]
    scales, k, beta = (knob(method, name) for name in SLIDERS)
    middle = (beta.low + beta.high) / 2
    return PanelSpec(
        scales=ScaleBounds(**_bounds(scales), defaults=_default_scales(scales)),
        k=SliderBounds(**_bounds(k), default=k.default),
        beta=SliderBounds(**_bounds(beta), default=middle),
    )


def panel_value() -> dict[str, Any]:
    """Return what the control panel holds at the start: a `PanelValue` as JSON."""
    scales, k = (knob(METHODS["msea_arc"], name) for name in ("scales", "k"))
    return {"alphas": _default_scales(scales), "k": k.default, "beta": None}


def _default_scales(scales: Knob) -> list[list[Any]]:
    """Return the sliders of scales: those that are on at the start, and spare ones."""
    spare = SPARE_ALPHAS[: max(0, scales.most - len(scales.default))]
    return [[a, True] for a in scales.default] + [[a, False] for a in spare]


def _bounds(k: Knob) -> dict[str, Any]:
    """Return the fields of `KnobBounds` for a knob."""
    return {"low": k.low, "high": k.high, "step": k.step, "meaning": k.meaning}


def option_spec() -> list[dict[str, Any]]:
    """Return the remaining knobs of each method, each a `MethodOptions` with its `OptionKnob`s."""
    return [
        {
            "name": name,
            "label": method.label,
            "summary": method.summary,
            "paper": method.paper,
            "presets": {p: dict(v) for p, v in method.presets.items()},
            "knobs": [_option(k).as_json() for k in options(method)],
        }
        for name, method in OFFERED.items()
    ]


def option_props() -> OptionProps:
    """Return `option_spec`, and all knobs in one list.

    A method's knobs are numbers in that list, because methods share most of them.
    """
    knobs: list[dict[str, Any]] = []
    spec = option_spec()
    for method in spec:
        knobs += [knob for knob in method["knobs"] if knob not in knobs]
        method["knobs"] = [knobs.index(knob) for knob in method["knobs"]]
    return OptionProps.model_validate({"spec": spec, "knobs": knobs})


def options(method: Method) -> list[Knob]:
    """Return the knobs of a method that have no slider."""
    return [k for k in method.knobs if k.name not in (*SLIDERS, SCALE_WEIGHTS)]


def option_value() -> OptionValue:
    """Return what the option panel holds at the start."""
    return {name: {k.name: k.default for k in options(METHODS[name])} for name in SHOWN}


def _option(k: Knob) -> OptionKnob:
    bounds: dict[str, Any] = {"low": k.low, "high": k.high, "step": k.step}
    if k.kind == "choice":
        bounds = {"choices": list(k.choices)}
    if k.advanced:
        bounds["advanced"] = True
    return OptionKnob(name=k.name, kind=k.kind, default=k.default, meaning=k.meaning, **bounds)


# What comes back ---------------------------------------------------------------------------------


def read_run(message: Any) -> str:
    """Return the id of the run in what the page sent; `RunError` if there is none."""
    return read_call(RunCall, message).run


def read_settings(panel: Any, options: Any) -> MethodSettings:
    """Return the checked knobs of all shown methods, from the values of both panels."""
    panel = read_call(PanelValue, panel)
    scales = read_alphas(panel)
    sliders: dict[str, Any] = {"scales": scales, "k": panel.k, "beta": panel.beta}
    knobs = {}
    for name, values in read_options(options).items():
        method = known_method(name)
        known = {k.name for k in method.knobs}
        given = {**values, **{k: v for k, v in sliders.items() if k in known}}
        if SCALE_WEIGHTS in known and given.get("fuse") != "max":  # their sliders are off then
            given[SCALE_WEIGHTS] = _read_weights(panel, scales)
        knobs[name] = method.settings(**given)
    if not knobs:
        raise MethodError(texts.NO_METHOD)
    return MethodSettings(scales, knobs)


def read_alphas(panel: Any) -> tuple[float, ...]:
    """Return the scale factors that are on; `ScaleError` if there is none."""
    return check_scales([alpha for alpha, on in read_call(PanelValue, panel).alphas if on is True])


def check_scales(factors: Sequence[Any]) -> tuple[float, ...]:
    """Return scale factors without duplicates; `ScaleError` if there is none."""
    if not factors:
        raise ScaleError(texts.NO_SCALE)
    checked = knob(METHODS["msea_arc"], "scales").check(factors)
    return tuple(dict.fromkeys(round(factor, 4) for factor in checked))


def _read_weights(panel: PanelValue, scales: Sequence[float]) -> list[Any] | None:
    """Return the weight of each scale that is on; None if all count alike."""
    if panel.weights is None:
        return None
    if len(panel.weights) != len(panel.alphas):
        raise KnobError(texts.BAD_REQUEST)
    on = [
        (alpha, weight)
        for (alpha, is_on), weight in zip(panel.alphas, panel.weights, strict=True)
        if is_on is True
    ]
    first = {round(float(alpha), 4): weight for alpha, weight in reversed(on)}
    weights = [first[alpha] for alpha in scales]
    if not any(weights):
        raise KnobError(texts.NO_WEIGHT)
    return None if len(set(weights)) == 1 else weights


def read_decoding(
    max_new_tokens: Any,
    temperature: Any,
    seed: Any,
    layers: Any = None,
    repetition_penalty: Any = None,
    thinking: Any = False,
) -> DecodingControls:
    """Return the checked decoding settings; an empty field counts as its default.

    A repetition penalty of 0 is an empty field, too: browsers send it once the field was shown.
    """
    if not isinstance(repetition_penalty, bool) and repetition_penalty == 0:
        repetition_penalty = None
    return DecodingControls(
        _decoding(MAX_NEW_TOKENS, max_new_tokens),
        _decoding(TEMPERATURE, temperature),
        _decoding(SEED, seed),
        _decoding(LAYERS, layers),
        _decoding(REPETITION_PENALTY, repetition_penalty),
        read_yes(thinking),
    )


def _decoding(k: Knob, value: Any) -> Any:
    return k.default if value is None else k.check(_plain(value))


def read_ticket(message: Any) -> int | None:
    """Return the number by which a script tells the answer to its last question, if it sent one."""
    ticket = message.get("ask") if isinstance(message, Mapping) else None
    return ticket if isinstance(ticket, int) else None


def read_number(value: Any) -> int:
    """Return what came as a whole number; `RunError` for anything else, such as true."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise RunError(texts.BAD_REQUEST)
    return value


def read_yes(value: Any) -> bool:
    """Return what came as true or false; `RunError` for anything else."""
    if not isinstance(value, bool):
        raise RunError(texts.BAD_REQUEST)
    return value


def read_text(value: Any) -> str:
    """Return what came as a text; `RunError` for anything else."""
    if not isinstance(value, str):
        raise RunError(texts.BAD_REQUEST)
    return value


def read_index(value: Any, count: int) -> int:
    """Return which of `count` things is meant; `RunError` if there is no such one."""
    index = read_number(value)
    if not 0 <= index < count:
        raise RunError(texts.BAD_REQUEST)
    return index


def read_mapping(value: Any) -> Mapping[str, Any]:
    """Return what came as a JSON object; `SightlineError` if it is none."""
    if not isinstance(value, Mapping):
        raise SightlineError(texts.BAD_REQUEST)
    return value


def _plain(value: Any) -> Any:
    """Return a JSON scalar (a whole float as int); anything else cannot be a knob's value."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise KnobError(texts.BAD_REQUEST)


def read_knobs(preset: Any, knobs: Any) -> dict[str, Any]:
    """Return the keyword arguments of a method for a preset ("" for none) and knobs by name."""
    if preset is not None and not isinstance(preset, str):
        raise MethodError(f"there is no preset {preset!r}")
    return {"preset": preset or None, **{str(k): v for k, v in read_mapping(knobs).items()}}


def known_method(name: Any) -> Method:
    """Return a method of the page by name; `MethodError` if there is none."""
    if not isinstance(name, str) or name not in OFFERED:
        raise MethodError(f"there is no method {name!r}; choose one of {', '.join(OFFERED)}")
    return OFFERED[name]
