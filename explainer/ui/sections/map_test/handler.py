"""Test the maps of a word: insertion and deletion curves of each shown map and of random orders.

The maps are worked out here from the same run and settings as those on the page. The model reads
many pictures for one word, so the page is told after each few how far that is, and can stop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from explainer.errors import MethodError, TokenError
from explainer.methods import Heatmap
from explainer.methods.subjects import Span, text_of
from explainer.probing.curves import CurvePlan, Curves, Readings
from explainer.probing.map_test import ENOUGH, MapTest, check_word, make_map_test, random_maps
from explainer.run import Run
from explainer.serving.jobs import CurvesJob
from explainer.ui.handlers import Handlers
from explainer.ui.recent import Recent
from explainer.ui.sections.map_test import words
from explainer.web import controls, texts, token_text
from explainer.web.calls import MapTestCall, read_call
from explainer.web.controls import OFFERED
from explainer.web.map_entry import heat_or_why
from explainer.web.messages import (
    ChanceLine,
    CurveBounds,
    CurveChart,
    CurveLine,
    MapTestProgress,
    MapTestResult,
    Value,
    busy,
    failed,
    said,
)
from explainer.web.subjects import read_subject

KEPT = 32  # runs and plans whose random orders need not be read again
MOST_STEPS = 64
FIGURES = ("insertion", "deletion")


class Measured(NamedTuple):
    """Progress: pictures read, their total, and the readings that are complete."""

    done: int
    total: int
    maps: tuple[Readings, ...] = ()
    random: tuple[Readings, ...] = ()


class CurveReader:
    """Have models read the curves of maps; those of the random orders are kept."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._random: Recent[tuple[str, CurvePlan], tuple[Readings, ...]] = Recent(KEPT)

    def steps(
        self, key: str, run: Run, maps: Sequence[Heatmap], plan: CurvePlan
    ) -> Iterator[Measured]:
        """Yield the progress after each batch of readings, of maps and of random orders."""
        known = self._random.get((key, plan)) or ()
        wanted = (*maps, *(() if known else random_maps(run)))
        made: list[Readings] = []
        for item in self._handlers.job_steps(CurvesJob(run, wanted, plan)):
            made += [item] if isinstance(item, Readings) else []
            done = plan.readings * len(made) + (0 if isinstance(item, Readings) else item)
            yield Measured(
                done,
                plan.readings * len(wanted),
                tuple(made[: len(maps)]),
                known or tuple(made[len(maps) :]),
            )
        self._random.keep((key, plan), known or tuple(made[len(maps) :]))


@dataclass(frozen=True, eq=False)
class MapTestRequest:
    """A checked request for curves.

    Attributes:
        maps: of the word, by the names of their methods.
        failures: sentences on the methods that have no map.
    """

    key: str
    run: Run
    word: Span
    maps: Mapping[str, Heatmap]
    failures: Sequence[str]
    plan: CurvePlan

    @property
    def name(self) -> str:
        return token_text.visible(text_of(self.run, self.word))


class MapTestHandler:
    """The events of the fold."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers, self._reader = handlers, CurveReader(handlers)

    def measure(self, message: Any) -> Iterator[Value]:
        """Yield `MapTestProgress` after each batch of readings, and then a `MapTestResult`.

        Args:
            message: a `MapTestCall`, and {ask}, which comes back with every value.
        """
        ticket = controls.read_ticket(message)
        try:
            request = self._read(message)
            yield {"asked": ticket, **busy(words.BUSY)}
            for at in self._reader.steps(
                request.key, request.run, [*request.maps.values()], request.plan
            ):
                yield {"asked": ticket, **_progress(request, at)}
            yield {"asked": ticket, **_result(request, at)}
        except Exception as error:
            yield {"asked": ticket, **failed(error)}

    def stopped(self, message: Any) -> Value:
        """Return the message after measuring was stopped, for {ask}."""
        return {"asked": controls.read_ticket(message), **said(words.STOPPED, "note")}

    def _read(self, message: Any) -> MapTestRequest:
        call = read_call(MapTestCall, message)
        run, subject = self._handlers.run(call.run), call.subject
        settings = controls.read_settings(call.panel, call.options)
        plan = read_plan(call.fill, call.steps)
        word = read_answer_word(run, subject)
        heats = {n: heat_or_why(run, subject, n, knobs) for n, knobs in settings.knobs.items()}
        maps = {name: heat for name, heat in heats.items() if isinstance(heat, Heatmap)}
        failures = [heat for heat in heats.values() if isinstance(heat, str)]
        if not maps:
            raise MethodError(" ".join(failures))
        return MapTestRequest(call.run, run, word, maps, failures, plan)


def read_plan(fill: Any, steps: Any) -> CurvePlan:
    """Check the settings of curves; raise `SightlineError` for what cannot be measured."""
    steps = controls.read_number(steps)
    if steps > MOST_STEPS:
        raise MethodError(words.STEPS.format(most=MOST_STEPS))
    return CurvePlan(fill if isinstance(fill, str) else "", steps)


def read_answer_word(run: Run, message: Any) -> Span:
    """Read the subject of a message; raise `TokenError` if it is no word of the answer."""
    word = read_subject(run, message)
    if not isinstance(word, Span):
        raise TokenError(words.UNSAID)
    check_word(run, word.tokens)
    return word


# Messages to the page ----------------------------------------------------------------------------


def _progress(request: MapTestRequest, at: Measured) -> Value:
    return MapTestProgress(
        busy=words.READ.format(done=at.done, total=at.total),
        done=at.done,
        total=at.total,
        word=request.name,
        chart=_chart(_map_test(request, at)),
    ).as_json()


def _map_test(request: MapTestRequest, at: Measured) -> MapTest:
    maps = dict(zip(request.maps, at.maps, strict=False))
    return make_map_test(request.word.tokens, maps, at.random)


def _chart(test: MapTest) -> CurveChart:
    lines = [_line(OFFERED[name].label, curves) for name, curves in test.curves.items()]
    return CurveChart(lines=lines, chance=_chance(test) if test.random else None)


def _line(label: str, curves: Curves) -> CurveLine:
    figures = {name: _short(getattr(curves, name)) for name in FIGURES}
    return CurveLine(label=label, share=_short(curves.share), **figures)


def _chance(test: MapTest) -> ChanceLine:
    low, high = (
        CurveBounds(**{n: _short(pick(getattr(c, n) for c in test.random)) for n in FIGURES})
        for pick in (_lowest, _highest)
    )
    mean = _line(words.CHANCE, test.chance)
    return ChanceLine(**mean.as_json(), low=low, high=high)


def _lowest(curves: Iterator[Any]) -> list[float]:
    return [min(values) for values in zip(*curves, strict=True)]


def _highest(curves: Iterator[Any]) -> list[float]:
    return [max(values) for values in zip(*curves, strict=True)]


def _short(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def _result(request: MapTestRequest, at: Measured) -> Value:
    test = _map_test(request, at)
    chance = test.chance
    ends = {"empty": texts.share(chance.empty), "whole": texts.share(chance.whole)}
    named = {OFFERED[name].label: curves for name, curves in test.curves.items()}
    rows = [[label, *_cells(curves)] for label, curves in named.items()]
    return MapTestResult(
        chart=_chart(test),
        word=request.name,
        line=words.LINE.format(**ends),
        verdict=" ".join([*_verdict(request, test), *request.failures]),
        columns=list(words.COLUMNS),
        rows=[*rows, [words.CHANCE, *_cells(chance)]],
        rest=words.REST.format(count=len(test.random), steps=request.plan.steps),
    ).as_json()


def _cells(curves: Curves) -> list[str]:
    figures = curves.figures()
    numbers = (figures["insertion"], figures["deletion"], curves.reliance)
    return [texts.percent(curves.reaches(ENOUGH)), *(f"{number:.2f}" for number in numbers)]


def _verdict(request: MapTestRequest, test: MapTest) -> Iterator[str]:
    """Yield sentences on what the curves mean."""
    word, name = request.name, test.verdict_of_word()
    if name != "rests":
        yield words.WORD[name].format(
            word=word,
            share=texts.percent(test.chance.reaches(ENOUGH)),
            empty=texts.share(test.chance.empty),
            fill=texts.FILLS[request.plan.fill],
        )
        return
    groups: dict[str, list[str]] = {}
    for method in test.curves:
        groups.setdefault(test.verdict_of_map(method), []).append(method)
    for name, sentence in words.MAPS.items():
        if name in groups:
            labels = [OFFERED[method].label for method in groups[name]]
            yield sentence.format(word=word, maps=words.maps_of(labels))
            yield from _sooner(test, groups[name]) if name in ("follows", "back") else ()


def _sooner(test: MapTest, methods: Sequence[str]) -> Iterator[str]:
    """Yield the share of the picture that these maps need, if random orders need more."""
    shares = [test.curves[method].reaches(ENOUGH) for method in methods]
    chance = test.chance.reaches(ENOUGH)
    if max(shares) < chance:
        needed = texts.joined(list(dict.fromkeys(map(texts.percent, shares))))
        yield words.SHARES.format(
            shares=needed, chance=texts.percent(chance), part=texts.percent(ENOUGH)
        )
