"""The settings of a page: which it starts with, a browser remembers, and a link puts in place.

Both a browser and a link can say anything: what cannot be used is left out and reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from explainer.errors import SightlineError
from explainer.export import COVERS, SEQUENTIAL, Look
from explainer.methods.base import Knob
from explainer.ui.sections.links import words
from explainer.ui.sections.links.parameters import Doubts, number, read_knob
from explainer.web import controls, texts
from explainer.web.controls import OFFERED
from explainer.web.messages import Value

# How maps are drawn, and how fast the answer plays.
_VIEW = {
    "opacity": Knob("opacity", "float", Look().opacity, "", 0.0, 1.0, 0.05),
    "cover": Knob("cover", "choice", Look().cover, "", choices=COVERS),
    "colours": Knob("colours", "choice", Look().colours, "", choices=tuple(SEQUENTIAL)),
    "normalisation": Knob(
        "normalisation", "choice", "", "", choices=tuple(texts.VIEW["normalisations"])
    ),
    "drawing": Knob("drawing", "choice", "smooth", "", choices=tuple(texts.VIEW["drawings"])),
    "contour": Knob("contour", "choice", "off", "", choices=("off", "on")),
    "speed": Knob("speed", "float", 2, "", 0.5, 8),
}


def defaults() -> Value:
    """Return the settings that a page starts with, by their names in the page's state."""
    return {
        "panel": controls.panel_value(),
        "options": controls.option_value(),
        **{name: knob.default for name, knob in _VIEW.items()},
    }


def all_options() -> Value:
    """Return the default of every option of every method that a link may show."""
    return {name: _options(name) for name in OFFERED}


def remembered(settings: Any, doubts: Doubts) -> Value:
    """Return the settings that a browser remembers, or the defaults if they cannot be used."""
    if settings is None:
        return defaults()
    try:
        return checked(settings)
    except (SightlineError, TypeError):
        doubts.add(words.FORGOTTEN)
        return defaults()


def checked(settings: Any) -> Value:
    """Return settings as in `defaults` if each can be used; `SightlineError` if not."""
    if not isinstance(settings, Mapping) or set(settings) != set(defaults()):
        raise SightlineError(texts.BAD_REQUEST)
    panel, options = settings["panel"], settings["options"]
    controls.read_settings(panel, options)
    if len(panel["alphas"]) != len(controls.panel_value()["alphas"]):
        raise SightlineError(texts.BAD_REQUEST)
    if any(set(values) != set(_options(name)) for name, values in options.items()):
        raise SightlineError(texts.BAD_REQUEST)
    for name, knob in _VIEW.items():
        knob.check(settings[name])
    return {name: settings[name] for name in defaults()}


def linked(query: Mapping[str, str], settings: Value, doubts: Doubts) -> Value:
    """Return the settings with what a link says in place of their own."""
    found, method = deepcopy(settings), OFFERED["msea_arc"]
    panel = found["panel"]
    panel["alphas"] = doubts.keep(query, "scales", _alphas, panel["alphas"])
    if "weights" in query:
        read = partial(_weights, alphas=panel["alphas"])
        weights = doubts.keep(query, "weights", read, None)
        panel |= {"weights": weights} if weights else {}
    for name in ("k", "beta"):
        knob = controls.knob(method, name)
        panel[name] = doubts.keep(query, name, partial(read_knob, knob), panel[name])
    names = doubts.keep(query, "methods", _methods, list(found["options"]))
    found["options"] = {name: found["options"].get(name, _options(name)) for name in names}
    for name, value in query.items():
        if "." in name:
            doubts.keep({name: value}, name, partial(_set, found["options"], name), None)
    for name, knob in _VIEW.items():
        found[name] = doubts.keep(query, name, partial(read_knob, knob), found[name])
    try:
        return checked(found)
    except SightlineError as error:  # each can be used, but not together
        doubts.add(words.REFUSED.format(why=str(error).rstrip(".")))
        return settings


def _alphas(text: str) -> list[list[Any]]:
    """Return the scale sliders for a list of factors: those are on, all others off."""
    slots = [[factor, False] for factor, _ in controls.panel_value()["alphas"]]
    on = controls.knob(OFFERED["msea_arc"], "scales").check([number(t) for t in text.split(",")])
    if len(on) > len(slots):
        raise SightlineError(words.TOO_MANY_SCALES.format(most=len(slots)))
    known = [factor for factor, _ in slots]
    for factor in on:
        if factor in known:
            slots[known.index(factor)][1] = True
    free = (slot for slot in reversed(slots) if not slot[1])  # those that are off at first go first
    for factor in on:
        if factor not in known:
            next(free)[:] = [factor, True]
    return slots


def _weights(text: str, alphas: Sequence[Sequence[Any]]) -> list[int | float]:
    """Return the weight of each scale slider for pairs FACTOR:WEIGHT, 1 where none is named."""
    weights: dict[Any, int | float] = {factor: 1 for factor, _ in alphas}
    for pair in text.split(","):
        factor, _, weight = pair.partition(":")
        if number(factor) not in weights:
            raise SightlineError(words.NO_SUCH_SCALE.format(got=factor[:40]))
        weights[number(factor)] = number(weight)
    controls.knob(OFFERED["msea_arc"], controls.SCALE_WEIGHTS).check(list(weights.values()))
    return list(weights.values())


def _methods(text: str) -> list[str]:
    return list(dict.fromkeys(controls.known_method(name).name for name in text.split(",")))


def _options(method: str) -> Value:
    return {k.name: k.default for k in controls.options(OFFERED[method])}


def _set(options: Value, name: str, text: str) -> None:
    """Set "METHOD.OPTION" to what a link says."""
    method, _, option = name.partition(".")
    if method not in options or option not in options[method]:
        raise SightlineError(words.NO_OPTION)
    knob = controls.knob(OFFERED[method], option)
    options[method][option] = read_knob(knob, text)
