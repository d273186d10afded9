"""What endpoints share: the form of chips, runs and maps by their ids, and checked parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from explainer.errors import SightlineError
from explainer.export import Chosen
from explainer.methods.base import Heatmap
from explainer.methods.subjects import Span, probability
from explainer.probing.reliance import reliance
from explainer.run import ROLE_NAMES, TEMPLATE, Run
from explainer.ui.handlers import Handlers
from explainer.web import controls, texts
from explainer.web.controls import MethodSettings
from explainer.web.lacking import missing_of
from explainer.web.subjects import heat_of, lacking

METHODS_SHOWN = list(controls.SHOWN)
NO_KNOBS: dict[str, Any] = {}
MOST = 256  # entries of a list


class ChipEvidence(TypedDict):
    """Probability of a word with the picture, with nothing on it, and what the picture adds."""

    shown: float
    empty: dict[str, float]
    delta: float


class ChipRecord(TypedDict):
    """One clickable piece of text of a run; evidence only of the answer, once it was measured."""

    chip: int
    text: str
    role: str
    probability: float | None
    evidence: ChipEvidence | None


class RunReader:
    """Stored runs and maps for endpoints; the model brings what they lack."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def run(self, run: Any) -> Run:
        return self._handlers.run(controls.read_run({"run": run}))

    def explained(self, key: str, subject: Any, chosen: Chosen) -> tuple[Run, Heatmap]:
        """Return a stored run and the heatmap of a subject; its model brings what it lacks."""
        value, run = subject_value(subject), self.with_words(key, [subject])
        settings = MethodSettings((), {chosen.method.name: chosen.settings})
        run = self._handlers.with_maps(key, missing_of(run, value, settings))
        return run, heat_of(run, value, chosen.method, chosen.settings)

    def with_words(self, key: str, subjects: list[Any]) -> Run:
        """Return a stored run; its model brings the words of subjects that it lacks first."""
        run = self.run(key)
        lacks = [word for subject in subjects for word in lacking(run, subject_value(subject))]
        return self._handlers.with_words(key, tuple(dict.fromkeys(lacks))) if lacks else run


def shown_chips(run: Run) -> list[int]:
    """Return the numbers of the chips that are no template."""
    return [i for i, chip in enumerate(run.chips) if chip.role != TEMPLATE]


def describe_chip(run: Run, index: int) -> ChipRecord:
    chip = run.chips[index]
    rests = reliance(run, chip.tokens)
    evidence: ChipEvidence | None = None
    if rests is not None:
        evidence = {"shown": rests.shown, "empty": dict(rests.empty), "delta": rests.delta}
    return {
        "chip": index,
        "text": chip.text,
        "role": ROLE_NAMES[chip.role],
        "probability": probability(run, Span(chip.tokens)),
        "evidence": evidence,
    }


def subject_value(subject: Any) -> Mapping[str, Any]:
    """Return a subject as the page has it."""
    return subject if isinstance(subject, Mapping) else {"chip": subject}


def choose_method(name: Any, preset: Any, knobs: Any) -> Chosen:
    """Return a method with its knobs checked, those that are not given at their defaults."""
    method = controls.known_method(name)
    return Chosen(method, method.settings(**controls.read_knobs(preset, knobs)))


def choose_listed(name: Any, knobs: Any) -> Chosen:
    """Return a method with its own of the knobs of several."""
    method = controls.known_method(name)
    given = dict(controls.read_mapping(controls.read_mapping(knobs).get(method.name, {})))
    return choose_method(name, given.pop("preset", ""), given)


def read_list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST:
        raise SightlineError(texts.BAD_REQUEST)
    return value


def read_whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number within bounds; `SightlineError` for anything else."""
    number = controls.read_number(value)
    if not low <= number <= high:
        raise SightlineError(f"{name} {number} is outside {low}..{high}")
    return number
