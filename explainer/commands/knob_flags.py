"""Command-line flags for the knobs of the methods, made from the methods' own declarations."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from explainer.errors import KnobError, MethodError
from explainer.methods import COMPARISON, METHODS, OPT_IN
from explainer.methods.base import Knob, Method

_PREFIX = "knob_"  # of the parsed names, so that they cannot meet those of other options


def add_to(parser: argparse.ArgumentParser) -> None:
    """Declare one flag for each knob name; methods that share a name share the flag."""
    group = parser.add_argument_group("knobs of the methods")
    for name, owners in _knobs().items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=_PREFIX + name,
            metavar=name.upper(),
            help=_describe(owners),
        )


def _knobs() -> dict[str, list[tuple[str, Knob]]]:
    """Return every knob name with the methods that have it."""
    knobs: dict[str, list[tuple[str, Knob]]] = {}
    for method in (*METHODS.values(), *COMPARISON.values(), *OPT_IN.values()):
        for knob in method.knobs:
            knobs.setdefault(knob.name, []).append((method.name, knob))
    return knobs


def _describe(owners: Sequence[tuple[str, Knob]]) -> str:
    """Return the help of a flag: one sentence for all methods that mean the same by it."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, knob in owners:
        bounds = f"{knob.low:g} to {knob.high:g}"
        allowed = ", ".join(knob.choices) if knob.kind == "choice" else bounds
        alike.setdefault((knob.meaning, f"{allowed}; default {shown(knob.default)}"), []).append(
            name
        )
    texts = [
        f"{meaning} [{allowed}] ({', '.join(names)})" for (meaning, allowed), names in alike.items()
    ]
    return "; or: ".join(texts).replace("%", "%%")


def shown(value: Any) -> str:
    """Return the value of a knob as a person would type it."""
    if value is None:
        return "auto"
    if isinstance(value, tuple):
        return ",".join(f"{v:g}" for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _given(args: argparse.Namespace) -> dict[str, str]:
    """Return the knobs that were set on the command line, as text."""
    values = {name: getattr(args, _PREFIX + name) for name in _knobs()}
    return {name: value for name, value in values.items() if value is not None}


def settings(method: Method, args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of all knobs of a method."""
    given = _given(args)
    knobs = {k.name: k.parse(given[k.name]) for k in method.knobs if k.name in given}
    preset = args.preset if args.preset in method.presets else None
    return method.settings(preset=preset, **knobs)


def check_used(methods: Sequence[Method], args: argparse.Namespace) -> None:
    """Raise if a preset or a knob means nothing to any of the chosen methods."""
    chosen = ", ".join(m.name for m in methods)
    presets = dict.fromkeys(name for m in methods for name in m.presets)
    if args.preset is not None and args.preset not in presets:
        known = ", ".join(presets) or "none"
        raise MethodError(f"no preset {args.preset!r} for {chosen}; there is {known}")
    known = {knob.name for m in methods for knob in m.knobs}
    unused = sorted(set(_given(args)) - known)
    if unused:
        raise KnobError(f"--{unused[0].replace('_', '-')} is no knob of {chosen}")
