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
from explainer.web.calls import RunCall, read_call

# What a browser may ask for; methods to opt in to are not on the page.
OFFERED: Mapping[str, Method] = MappingProxyType({**METHODS, **COMPARISON})
SHOWN = ("msea_arc", "tam", "logit_lens")  # the methods side by side, in this order
SPARE_ALPHAS = (1.25, 0.25)  # offered, but off
SLIDERS = ("scales", "k", "beta")  # knobs that have sliders; the others are in the options
SCALE_WEIGHTS = "scale_weights"  # has its sliders where the method is opened up
MAX_NEW_TOKENS = Knob("Longest answer", "int", 64, "", 1, 256)
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


def weight_spec() -> dict[str, Any]:
    """Return bounds and meaning of the weight of a scale."""
    weight = knob(METHODS["msea_arc"], SCALE_WEIGHTS)
    return {name: getattr(weight, name) for name in ("low", "high", "step", "meaning")}


# What the panels show ----------------------------------------------------------------------------


def panel_spec() -> dict[str, Any]:
    """Return the sliders of MSEA + ARC for the control panel's script."""
    method = METHODS["msea_arc"]
    scales, k, beta = (knob(method, name) for name in SLIDERS)
    spare = SPARE_ALPHAS[: max(0, scales.most - len(scales.default))]
    return {
        "scales": {**_bounds(scales), "defaults": _offered(scales, spare)},
        "k": _bounds(k),
        "beta": {**_bounds(beta), "default": (beta.low + beta.high) / 2},
    }


def panel_value() -> dict[str, Any]:
    """Return what the control panel holds at the start."""
    spec = panel_spec()
    return {"alphas": spec["scales"]["defaults"], "k": spec["k"]["default"], "beta": None}


def _offered(scales: Knob, spare: Sequence[float]) -> list[list[Any]]:
    return [[a, True] for a in scales.default] + [[a, False] for a in spare]


def _bounds(k: Knob) -> dict[str, Any]:
    return {
        "low": k.low,
        "high": k.high,
        "step": k.step,
        "default": k.default,
        "meaning": k.meaning,
    }


def option_spec() -> list[dict[str, Any]]:
    """Return the remaining knobs of each method for the option panel's script."""
    return [
        {
            "name": name,
            "label": method.label,
            "summary": method.summary,
            "paper": method.paper,
            "presets": {p: dict(v) for p, v in method.presets.items()},
            "knobs": [_option(k) for k in options(method)],
        }
        for name, method in OFFERED.items()
    ]


def option_props() -> dict[str, list[Any]]:
    """Return {"spec", "knobs"}: `option_spec`, and all knobs in one list.

    A method's knobs are numbers in that list, because methods share most of them.
    """
    knobs: list[dict[str, Any]] = []
    spec = option_spec()
    for method in spec:
        knobs += [knob for knob in method["knobs"] if knob not in knobs]
        method["knobs"] = [knobs.index(knob) for knob in method["knobs"]]
    return {"spec": spec, "knobs": knobs}


def options(method: Method) -> list[Knob]:
    """Return the knobs of a method that have no slider."""
    return [k for k in method.knobs if k.name not in (*SLIDERS, SCALE_WEIGHTS)]


def option_value() -> dict[str, dict[str, Any]]:
    """Return what the option panel holds at the start."""
    return {name: {k.name: k.default for k in options(METHODS[name])} for name in SHOWN}


def _option(k: Knob) -> dict[str, Any]:
    own = _bounds(k)
    range_of = {name: own.pop(name) for name in ("low", "high", "step")}
    own |= {"choices": list(k.choices)} if k.kind == "choice" else range_of
    return {**own, "name": k.name, "kind": k.kind} | ({"advanced": True} if k.advanced else {})


# What comes back ---------------------------------------------------------------------------------


def read_run(asked: Any) -> str:
    """Return the id of the run in what the page sent; `RunError` if there is none."""
    return read_call(RunCall, asked).run


def read_settings(panel: Any, option: Any) -> MethodSettings:
    """Return the checked knobs of all shown methods, from the values of both panels."""
    panel, option = read_mapping(panel), read_mapping(option)
    scales = read_alphas(panel)
    sliders = {"scales": scales, "k": _plain(panel.get("k")), "beta": _plain(panel.get("beta"))}
    knobs = {}
    for name, told in option.items():
        method = known_method(name)
        given = {str(k): _plain(v) for k, v in read_mapping(told).items()}
        known = {k.name for k in method.knobs}
        given |= {k: v for k, v in sliders.items() if k in known}
        if SCALE_WEIGHTS in known and given.get("fuse") != "max":  # their sliders are off then
            given[SCALE_WEIGHTS] = _read_weights(panel, scales)
        knobs[name] = method.settings(**given)
    if not knobs:
        raise MethodError(texts.NO_METHOD)
    return MethodSettings(scales, knobs)


def read_alphas(panel: Any) -> tuple[float, ...]:
    """Return the scale factors that are on; `ScaleError` if there is none."""
    pairs = read_mapping(panel).get("alphas")
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise KnobError(texts.BAD_REQUEST)
    on = [alpha for alpha, wanted in pairs if wanted is True]
    if not on:
        raise ScaleError(texts.NO_SCALE)
    factors = knob(METHODS["msea_arc"], "scales").check(on)
    return tuple(dict.fromkeys(round(f, 4) for f in factors))


def _read_weights(panel: Mapping[str, Any], scales: Sequence[float]) -> list[Any] | None:
    """Return the weight of each scale that is on; None if all count alike."""
    pairs, told = panel["alphas"], panel.get("weights")
    if told is None:
        return None
    if not isinstance(told, list) or len(told) != len(pairs):
        raise KnobError(texts.BAD_REQUEST)
    on = [
        (alpha, weight)
        for (alpha, wanted), weight in zip(pairs, told, strict=True)
        if wanted is True
    ]
    first = {round(float(alpha), 4): _plain(weight) for alpha, weight in reversed(on)}
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


def read_ticket(asked: Any) -> int | None:
    """Return the number by which a script tells the answer to its last question, if it sent one."""
    ticket = asked.get("ask") if isinstance(asked, Mapping) else None
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
