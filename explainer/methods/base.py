"""The interface of a method: its knobs, and a pure function from a run to heatmaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import KnobError, MethodError
from explainer.run import Run
from explainer.run.geometry import Extent, Placement


@dataclass(frozen=True)
class Knob:
    """One control of a method, from which sliders, flags and API parameters are generated.

    `kind` is "float", "int", "choice", "scales" or "weights" (a list with one weight for each
    scale). `default` may be None for a "float" or "weights" knob whose value the method works out
    itself (shown as automatic). `low`, `high` and `step` bound numbers; of a list they bound each
    entry and `most` their count; `choices` lists the allowed names.
    `advanced` knobs settle a question that the paper leaves open; a page may fold them away.
    """

    name: str
    kind: str
    default: Any
    meaning: str
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    choices: tuple[str, ...] = ()
    most: int = 5
    advanced: bool = False

    def check(self, value: Any) -> Any:
        """Return `value` in its proper type, or raise `KnobError` naming what is allowed."""
        return _CHECKS[self.kind](self, value)

    def parse(self, text: str) -> Any:
        """Parse the text of a value; numbers of a list are separated by commas or slashes.

        Limits are left to `check`. Raises `KnobError` for text where a number is needed.
        """
        if self.kind == "choice":
            return text
        if text == "auto" and self.default is None:
            return None
        is_list = self.kind in ("scales", "weights")
        try:
            if is_list:
                return tuple(map(float, text.replace(",", " ").replace("/", " ").split()))
            return float(text)
        except ValueError:
            form = "numbers such as 0.5,0.75,1" if is_list else "a number"
            raise KnobError(f"{self.name} takes {form}, got {text!r}") from None


@dataclass(frozen=True, eq=False)
class MapPart:
    """A map over the patch grid of one image.

    Attributes:
        values: (h, w) float32, in [0, 1], or in [-1, 1] when the heatmap is signed.
        placement: where its cells lie in the image, in pixels.
    """

    values: npt.NDArray[np.float32]
    placement: Placement

    @property
    def extent(self) -> Extent:
        """Return (x0, y0, x1, y1), the part of the image that the cells hold, in pixels."""
        return self.placement.extent

    def edges(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return y (h + 1,) and x (w + 1,): the edges of the cells, in pixels of the image."""
        return self.placement.edges(self.values.shape)


@dataclass(frozen=True, eq=False)
class Heatmap:
    """The map of one token: a part for each of `Run.images`, all on one scale of values.

    Attributes:
        parts: one for each image, in order.
        signed: whether values may be negative (drawn with a diverging colour map).
        normalisation: a phrase for the reader on what 1.0 means.
        notes: numbers to show beside the map, such as "beta".
    """

    parts: tuple[MapPart, ...]
    signed: bool
    normalisation: str
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Return the (h, w) values of the only part; `MethodError` if there are several."""
        return self._only.values

    @property
    def extent(self) -> Extent:
        """Return the extent of the only part; `MethodError` if there are several."""
        return self._only.extent

    @property
    def _only(self) -> MapPart:
        if len(self.parts) != 1:
            raise MethodError(f"this heatmap covers {len(self.parts)} images; look at its `parts`")
        return self.parts[0]


@dataclass(frozen=True)
class Method:
    """A way to explain tokens.

    `explain(run, tokens, **knobs)` returns one `Heatmap` for each token index. It may work on many
    tokens at once; each map must be the same as if its token were explained alone.
    """

    name: str
    label: str
    summary: str
    paper: str
    signed: bool
    knobs: tuple[Knob, ...]
    explain: Callable[..., list[Heatmap]]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __call__(self, run: Run, token: int, **knobs: Any) -> Heatmap:
        """Return the heatmap of one text token (an index into `run.tokens`)."""
        return self.explain_many(run, [token], **knobs)[0]

    def explain_many(self, run: Run, tokens: Sequence[int], **knobs: Any) -> list[Heatmap]:
        """Return one heatmap for each token, after checking tokens and knobs.

        `preset="name"` starts from a named setting of all knobs instead of the defaults.
        """
        checked = [run.check_token(token) for token in tokens]
        settings = self.settings(**knobs)
        return self.explain(run, checked, **settings) if checked else []

    def settings(self, preset: str | None = None, **knobs: Any) -> dict[str, Any]:
        """Return the values of all knobs, with these set; raise `KnobError` for a wrong one."""
        known = {knob.name: knob for knob in self.knobs}
        unknown = sorted(set(knobs) - set(known))
        if unknown:
            raise KnobError(f"{self.name} has no knob {unknown[0]!r}; it has {', '.join(known)}")
        if preset is not None and preset not in self.presets:
            names = ", ".join(self.presets) or "none"
            raise MethodError(f"{self.name} has no preset {preset!r}; it has {names}")
        values = {knob.name: knob.default for knob in self.knobs}
        values |= self.presets.get(preset, {}) if preset else {}
        values |= {name: known[name].check(value) for name, value in knobs.items()}
        return values


def _number(knob: Knob, value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise KnobError(f"{knob.name} is a number, got {type(value).__name__}")
    if not knob.low - 1e-9 <= value <= knob.high + 1e-9:  # NaN fails too
        bounds = f"{shown_number(knob.low)}..{shown_number(knob.high)}"
        raise KnobError(f"{knob.name} must lie in {bounds}, got {shown_number(value)}")
    return float(value)


def shown_number(value: Any) -> str:
    """Format a number: whole ones in full, unless they have more than 20 digits."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of more than 20 digits"
    is_whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if is_whole else f"{value:g}"


def _float(knob: Knob, value: Any) -> float | None:
    return None if value is None and knob.default is None else _number(knob, value)


def _int(knob: Knob, value: Any) -> int:
    number = _number(knob, value)
    if number != int(number):
        raise KnobError(f"{knob.name} is a whole number, got {value}")
    if (number - knob.low) % knob.step:
        steps = f"{knob.low:g}, {knob.low + knob.step:g}, ... {knob.high:g}"
        raise KnobError(f"{knob.name} must be one of {steps}, got {value:g}")
    return int(number)


def _choice(knob: Knob, value: Any) -> str:
    if not isinstance(value, str) or value not in knob.choices:
        raise KnobError(f"{knob.name} must be one of {', '.join(knob.choices)}, got {value!r}")
    return value


def _scales(knob: Knob, value: Any) -> tuple[float, ...]:
    return _few(knob, tuple(dict.fromkeys(_numbers(knob, value, "scale factors"))), "factors")


def _weights(knob: Knob, value: Any) -> tuple[float, ...] | None:
    if value is None and knob.default is None:
        return None
    weights = _few(knob, _numbers(knob, value, "weights"), "weights")
    if not any(weights):
        raise KnobError(f"{knob.name}: at least one weight must be above 0")
    return weights


def _numbers(knob: Knob, value: Any, entries: str) -> tuple[float, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, np.ndarray)):
        raise KnobError(f"{knob.name} is a list of {entries}, got {type(value).__name__}")
    return tuple(_number(knob, number) for number in value)


def _few(knob: Knob, numbers: tuple[float, ...], entries: str) -> tuple[float, ...]:
    if not 1 <= len(numbers) <= knob.most:
        raise KnobError(f"{knob.name} takes 1 to {knob.most} {entries}, got {len(numbers)}")
    return numbers


_CHECKS: Mapping[str, Callable[[Knob, Any], Any]] = {
    "float": _float,
    "int": _int,
    "choice": _choice,
    "scales": _scales,
    "weights": _weights,
}
