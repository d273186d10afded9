"""Does the word follow the map? Its curves, by the orders of the shown maps and at random.

The maps are worked out here from the same run and settings as those on the page. The model reads
many pictures for one word, so the page is told after each few how far that is, and can stop it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from explainer.errors import MethodError, TokenError
from explainer.methods import Heatmap
from explainer.methods.subjects import Span, text_of
from explainer.probing.curves import CurvePlan, Curves, Readings
from explainer.probing.map_test import ENOUGH, MapTest, check_word, proof_of, random_maps
from explainer.run import Run
from explainer.serving.jobs import CurvesJob
from explainer.ui.context import percent
from explainer.ui.handlers import Handlers
from explainer.web import controls, texts
from explainer.web.controls import OFFERED
from explainer.web.map_entry import heat_or_why
from explainer.web.messages import Value, busy, failed, said
from explainer.web.subjects import read_subject

KEPT = 32  # runs and plans whose random orders need not be read again
MOST_STEPS = 64
FIGURES = ("insertion", "deletion")


class Measured(NamedTuple):
    """How many pictures of how many were read, and what has come of it so far."""

    done: int
    total: int
    maps: tuple[Readings, ...] = ()
    random: tuple[Readings, ...] = ()


class Prover:
    """Has models read what curves are made of, and keeps it of the random orders."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._random: OrderedDict[tuple[str, CurvePlan], tuple[Readings, ...]] = OrderedDict()

    def steps(
        self, key: str, run: Run, maps: Sequence[Heatmap], plan: CurvePlan
    ) -> Iterator[Measured]:
        """Yield after each batch how far the readings of the maps of a stored run are, and of the
        random orders."""
        known = self._random.get((key, plan), ())
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
        self._keep((key, plan), known or tuple(made[len(maps) :]))

    def _keep(self, name: tuple[str, CurvePlan], random: tuple[Readings, ...]) -> None:
        self._random[name] = random
        self._random.move_to_end(name)
        while len(self._random) > KEPT:
            self._random.popitem(last=False)


@dataclass(frozen=True, eq=False)
class MapTestRequest:
    """What is to be measured, checked.

    Attributes:
        maps: of the word, by the names of their methods.
        left: sentences on the methods that have none.
    """

    key: str
    run: Run
    word: Span
    maps: Mapping[str, Heatmap]
    left: Sequence[str]
    plan: CurvePlan

    @property
    def name(self) -> str:
        return texts.visible(text_of(self.run, self.word))


class Proving:
    """The event of the section."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers, self._prover = handlers, Prover(handlers)

    def measure(self, asked: Any) -> Iterator[Value]:
        """Yield how many pictures the model has read and the curves that are ready, and then all of
        them with what they mean.

        Args:
            asked: {run, subject, panel, options, fill, steps}, and {ask}, which comes back with
                every value.
        """
        ticket = controls.read_ticket(asked)
        try:
            found = self._read(asked)
            yield {"asked": ticket, **busy(texts.PROOF_BUSY)}
            for at in self._prover.steps(found.key, found.run, [*found.maps.values()], found.plan):
                yield {"asked": ticket, **_so_far(found, at)}
            yield {"asked": ticket, **_told(found, at)}
        except Exception as error:
            yield {"asked": ticket, **failed(error)}

    def stopped(self, asked: Any) -> Value:
        """Return what the page is told once measuring was stopped; asked is {ask}."""
        return {"asked": controls.read_ticket(asked), **said(texts.PROOF_STOPPED, "note")}

    def _read(self, asked: Any) -> MapTestRequest:
        key = controls.read_run(asked)
        run, subject = self._handlers.run(key), asked.get("subject")
        settings = controls.read_settings(asked.get("panel"), asked.get("options"))
        plan = read_plan(asked.get("fill"), asked.get("steps"))
        word = said_word(run, subject)
        heats = {n: heat_or_why(run, subject, n, knobs) for n, knobs in settings.knobs.items()}
        maps = {name: heat for name, heat in heats.items() if isinstance(heat, Heatmap)}
        left = [heat for heat in heats.values() if isinstance(heat, str)]
        if not maps:
            raise MethodError(" ".join(left))
        return MapTestRequest(key, run, word, maps, left, plan)


def read_plan(fill: Any, steps: Any) -> CurvePlan:
    """Return how curves are measured, checked; `SightlineError` for what cannot be."""
    steps = controls.read_number(steps)
    if steps > MOST_STEPS:
        raise MethodError(texts.PROOF_STEPS.format(most=MOST_STEPS))
    return CurvePlan(fill if isinstance(fill, str) else "", steps)


def said_word(run: Run, asked: Any) -> Span:
    """Return what the page asks for if it is a word of the answer; else `TokenError`."""
    word = read_subject(run, asked)
    if not isinstance(word, Span):
        raise TokenError(texts.PROOF_UNSAID)
    check_word(run, word.tokens)
    return word


# What the page is told ---------------------------------------------------------------------------


def _so_far(asked: MapTestRequest, at: Measured) -> Value:
    line = texts.PROOF_READ.format(done=at.done, total=at.total)
    chart = _chart(_proof(asked, at))
    return {**busy(line), "done": at.done, "total": at.total, "word": asked.name, "chart": chart}


def _proof(asked: MapTestRequest, at: Measured) -> MapTest:
    maps = dict(zip(asked.maps, at.maps, strict=False))
    return proof_of(asked.word.tokens, maps, at.random)


def _chart(proof: MapTest) -> Value:
    """Return what is drawn: {lines, chance}, each line {label, share, insertion, deletion}; chance
    has also the lowest and the highest of the random orders, and is None before there is one."""
    lines = [_line(OFFERED[name].label, curves) for name, curves in proof.curves.items()]
    return {"lines": lines, "chance": _chance(proof) if proof.random else None}


def _line(label: str, curves: Curves) -> Value:
    figures = {name: _short(getattr(curves, name)) for name in FIGURES}
    return {"label": label, "share": _short(curves.share), **figures}


def _chance(proof: MapTest) -> Value:
    bounds = {
        bound: {name: _short(pick(getattr(c, name) for c in proof.random)) for name in FIGURES}
        for bound, pick in (("low", _lowest), ("high", _highest))
    }
    return {**_line(texts.PROOF_CHANCE, proof.chance), **bounds}


def _lowest(curves: Iterator[Any]) -> list[float]:
    return [min(values) for values in zip(*curves, strict=True)]


def _highest(curves: Iterator[Any]) -> list[float]:
    return [max(values) for values in zip(*curves, strict=True)]


def _short(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def _told(asked: MapTestRequest, at: Measured) -> Value:
    """Return {chart, word, line, verdict, columns, rows, rest}."""
    proof = _proof(asked, at)
    chance = proof.chance
    ends = {"empty": texts.share(chance.empty), "whole": texts.share(chance.whole)}
    named = {OFFERED[name].label: curves for name, curves in proof.curves.items()}
    rows = [[label, *_cells(curves)] for label, curves in named.items()]
    return {
        "chart": _chart(proof),
        "word": asked.name,
        "line": texts.PROOF_LINE.format(**ends),
        "verdict": " ".join([*_verdict(asked, proof), *asked.left]),
        "columns": texts.PROOF_COLUMNS,
        "rows": [*rows, [texts.PROOF_CHANCE, *_cells(chance)]],
        "rest": texts.PROOF_REST.format(count=len(proof.random), steps=asked.plan.steps),
    }


def _cells(curves: Curves) -> list[str]:
    figures = curves.figures()
    numbers = (figures["insertion"], figures["deletion"], curves.reliance)
    return [percent(curves.reaches(ENOUGH)), *(f"{number:.2f}" for number in numbers)]


def _verdict(asked: MapTestRequest, proof: MapTest) -> Iterator[str]:
    """Yield in plain words what the curves mean."""
    word, name = asked.name, proof.verdict_of_word()
    if name != "rests":
        yield texts.PROOF_WORD[name].format(
            word=word,
            share=percent(proof.chance.reaches(ENOUGH)),
            empty=texts.share(proof.chance.empty),
            fill=texts.PROOF["fills"][asked.plan.fill],
        )
        return
    groups: dict[str, list[str]] = {}
    for method in proof.curves:
        groups.setdefault(proof.verdict_of_map(method), []).append(method)
    for name, sentence in texts.PROOF_MAPS.items():
        if name in groups:
            labels = [OFFERED[method].label for method in groups[name]]
            yield sentence.format(word=word, maps=texts.maps_of(labels))
            yield from _sooner(proof, groups[name]) if name in ("follows", "back") else ()


def _sooner(proof: MapTest, methods: Sequence[str]) -> Iterator[str]:
    """Yield how much of the picture is enough by these maps and at random, if that is more."""
    shares = [proof.curves[method].reaches(ENOUGH) for method in methods]
    chance = proof.chance.reaches(ENOUGH)
    if max(shares) < chance:
        needed = texts.joined(list(dict.fromkeys(map(percent, shares))))
        yield texts.PROOF_SHARES.format(shares=needed, chance=percent(chance), part=percent(ENOUGH))
