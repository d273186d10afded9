"""Command-line flags for knobs, generated from the declarations of the methods."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from explainer.errors import KnobError, MethodError
from explainer.export.small_print import format_knob
from explainer.methods import COMPARISON, METHODS, OPT_IN
from explainer.methods.base import Knob, Method

_PREFIX = "knob_"  # of the parsed names, to avoid clashes with other options


def add_knob_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each knob name; methods with the same knob share it."""
    group = parser.add_argument_group("knobs of the methods")
    for name, owners in _list_knobs().items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=_PREFIX + name,
            metavar=name.upper(),
            help=_describe(owners),
        )


def _list_knobs() -> dict[str, list[tuple[str, Knob]]]:
    """Return the methods of every knob name."""
    knobs: dict[str, list[tuple[str, Knob]]] = {}
    for method in (*METHODS.values(), *COMPARISON.values(), *OPT_IN.values()):
        for knob in method.knobs:
            knobs.setdefault(knob.name, []).append((method.name, knob))
    return knobs


def _describe(owners: Sequence[tuple[str, Knob]]) -> str:
    """Return the help of a flag: one sentence for all methods with the same meaning."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, knob in owners:
        bounds = f"{knob.low:g} to {knob.high:g}"
        allowed = ", ".join(knob.choices) if knob.kind == "choice" else bounds
        alike.setdefault(
            (knob.meaning, f"{allowed}; default {format_knob(knob.default)}"), []
        ).append(name)
    texts = [
        f"{meaning} [{allowed}] ({', '.join(names)})" for (meaning, allowed), names in alike.items()
    ]
    return "; or: ".join(texts).replace("%", "%%")


def _get_typed_knobs(args: argparse.Namespace) -> dict[str, str]:
    """Return the texts of the knobs on the command line."""
    values = {name: getattr(args, _PREFIX + name) for name in _list_knobs()}
    return {name: value for name, value in values.items() if value is not None}


def settings(method: Method, args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of all knobs of a method."""
    typed = _get_typed_knobs(args)
    knobs = {k.name: k.parse(typed[k.name]) for k in method.knobs if k.name in typed}
    preset = args.preset if args.preset in method.presets else None
    return method.settings(preset=preset, **knobs)


def check_used(methods: Sequence[Method], args: argparse.Namespace) -> None:
    """Raise if none of the chosen methods has the preset or a typed knob."""
    chosen = ", ".join(m.name for m in methods)
    presets = dict.fromkeys(name for m in methods for name in m.presets)
    if args.preset is not None and args.preset not in presets:
        known = ", ".join(presets) or "none"
        raise MethodError(f"{chosen} has no preset {args.preset!r}; presets: {known}")
    names = {knob.name for m in methods for knob in m.knobs}
    unused = sorted(set(_get_typed_knobs(args)) - names)
    if unused:
        raise KnobError(f"--{unused[0].replace('_', '-')} is not a knob of {chosen}")
