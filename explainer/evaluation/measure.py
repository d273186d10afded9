"""Measure one sample: record a run, compute the maps of all methods, and their figures.

A `MeasurePlan` holds everything that determines the figures of a sample. Its `made_with` is stored
in the log, so that samples of different plans are never mixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from explainer.errors import (
    ImageError,
    KnobError,
    MethodError,
    ModelError,
    PromptError,
    ScaleError,
    SightlineError,
)
from explainer.evaluation import faithfulness, iou, why
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.datasets import Sample
from explainer.evaluation.datasets.photos import have_same_aspect
from explainer.evaluation.end_token import with_end_token
from explainer.evaluation.iou import Grey, NamedWords, Truth
from explainer.evaluation.tally import Tally, add_value, make_tally, round_tally
from explainer.evaluation.words import Grammar, Word, clean_words, tam_words
from explainer.methods import combine_maps
from explainer.methods.base import Heatmap
from explainer.probing.curves import Readings, read
from explainer.recording.request import check_scales
from explainer.run import ANSWER, Run

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

MODES = ("clean", "tam")

EMPTY = "the answer is empty"
TOKENISED_ANEW = "the answer's text has other tokens when it is tokenised anew"
NO_MASK = "there is no mask file"
OTHER_SHAPE = "its masks are {} x {} and its picture is {} x {}: other proportions"


@dataclass(frozen=True)
class MeasurePlan:
    """What to measure, and how.

    Attributes:
        candidates: the methods.
        mode: one of `MODES`, see `iou`.
        grammar: word classes and singulars.
        alphas: the scale factors to record.
        max_new_tokens: the longest answer.
        curves: insertion and deletion; None to leave them out.
        inspected: names of candidates with the figures of `why`.
    """

    candidates: tuple[ConfiguredMethod, ...]
    mode: str
    grammar: Grammar
    alphas: tuple[float, ...]
    max_new_tokens: int
    curves: faithfulness.CurveSettings | None = None
    inspected: tuple[str, ...] = ()

    @property
    def made_with(self) -> dict[str, Any]:
        """Return JSON values that identify the plan, without the grammar."""
        return {
            "mode": self.mode,
            "methods": {c.name: dict(c.settings) for c in self.candidates},
            "scales": list(self.alphas),
            "max_new_tokens": self.max_new_tokens,
            "curves": asdict(self.curves) if self.curves else None,
            "inspected": list(self.inspected),
        }


def measure(
    explainer: Explainer,
    sample: Sample,
    plan: MeasurePlan,
    curves: bool = False,
    cancel: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Return the judged sample as JSON values.

    "dropped" is the reason why a sample does not count, or ""; "unusable" names the annotations
    that were left out; "masked" is the number of kinds of things with a usable mask, "named" that
    of things in the answer; "methods" holds the sums of `iou.FIGURES` for each method; "refused"
    the methods that do not apply to the model, with reasons; "curves", if requested, the sums of
    `faithfulness.FIGURES` for each fill and method; "why" those of `why.FIGURES` for the inspected
    methods.

    Raises `Cancelled` if `cancel` returns True.
    """
    start = time.perf_counter()
    result = make_empty_sample(sample.key, "")
    beyond = _list_refused_scales(explainer, plan.alphas)
    try:
        truth = sample.truth()
    except SightlineError as error:  # its files are damaged, or do not fit its picture
        return result | {"dropped": str(error)}
    if plan.mode == "clean":
        categories, truth = iou.unite_names(sample.categories, truth, plan.grammar)
        sample = replace(sample, categories=categories)
    if unusable := [why for reasons in truth.unusable.values() for why in reasons]:
        result["unusable"] = unusable
    try:
        run = explainer.record(
            sample.image,
            sample.prompt,
            scales=[alpha for alpha in plan.alphas if alpha not in beyond],
            max_new_tokens=plan.max_new_tokens,
            cancel=cancel,
        )
    except (ImageError, PromptError, ModelError) as error:  # of this sample alone, such as its size
        return result | {"dropped": str(error)}
    recorded = time.perf_counter()
    result["answer"] = run.answer
    words, run = _words(explainer, run, plan.mode)
    result["dropped"] = _why_dropped(run, words, truth, plan.mode)
    if result["dropped"]:
        return result
    judged = _Judge(run, words or [], plan, sample, truth)
    result |= {"masked": sum(truth.of(label) is not None for label in truth.masks)}
    result |= {"named": judged.count_things()}
    maps: dict[str, dict[int, Heatmap]] = {}
    for candidate in plan.candidates:
        try:
            if lacking := [why for alpha, why in beyond.items() if alpha in candidate.alphas]:
                raise MethodError(lacking[0])
            maps[candidate.name] = judged.maps(explainer, candidate)
        except KnobError:
            raise
        except MethodError as error:  # such as: not for this vision tower
            result.setdefault("refused", {})[candidate.name] = str(error)
            continue
        result["methods"][candidate.name] = round_tally(judged.tally(maps[candidate.name]))
    done = time.perf_counter()
    result["seconds"] = {"record": round(recorded - start, 4), "maps": round(done - recorded, 4)}
    if plan.inspected:
        result["why"] = judged.why(maps)
    if curves and plan.curves:
        result["curves"] = _curves(explainer, run, judged.shown_things(maps), plan.curves, cancel)
    return result


def make_empty_sample(key: str, why: str) -> dict[str, Any]:
    """Return a sample without measurements; `why` is the reason if there will be none."""
    return {"key": key, "dropped": why, "answer": "", "methods": {}}


def _list_refused_scales(explainer: Explainer, alphas: Sequence[float]) -> dict[float, str]:
    """Return the scale factors that the model does not support, and why."""
    found = {}
    for alpha in alphas:
        try:
            check_scales(explainer.family, [alpha])
        except ScaleError as error:
            found[alpha] = str(error)
    return found


def _words(explainer: Explainer, run: Run, mode: str) -> tuple[list[Word] | None, Run]:
    """Return the words of the answer, and the run whose tokens spell them.

    In mode `tam` the end token is one of them.
    """
    if mode == "clean":
        return clean_words(run), run
    codec = explainer.family.codec
    pieces = [codec.piece(i) for i in codec.encode_template(run.answer)]
    if len(run.indices(ANSWER)) and "end" in run.settings:
        pieces.append(codec.piece(int(run.settings["end"])))
        run = with_end_token(run, pieces[-1])
    return tam_words(run, pieces), run


def _why_dropped(run: Run, words: Sequence[Word] | None, truth: Truth, mode: str) -> str:
    if not len(run.indices(ANSWER)):
        return EMPTY
    if words is None:
        return TOKENISED_ANEW
    if truth.shape is None:
        return NO_MASK if mode == "clean" else ""
    if not have_same_aspect(truth.shape, run.image.shape[:2]):
        return OTHER_SHAPE.format(*truth.shape[::-1], *run.image.shape[1::-1])
    return ""


class _Judge:
    """Judge the maps of any method for the words of one answer."""

    def __init__(
        self, run: Run, words: Sequence[Word], plan: MeasurePlan, sample: Sample, truth: Truth
    ) -> None:
        self._run, self._words, self._truth = run, words, truth
        self._inspected = [c for c in plan.candidates if c.name in plan.inspected]
        self._grammar, self._categories = plan.grammar, sample.categories
        self._is_tam = plan.mode == "tam"
        self._things = iou.find_things(words, plan.grammar, sample.categories)
        self._sources = (
            iou.tam_sources(run) if self._is_tam else {int(i): int(i) for i in run.indices(ANSWER)}
        )

    def count_things(self) -> int:
        """Return how many things the answer names."""
        return len(self._things)

    def maps(self, explainer: Explainer, candidate: ConfiguredMethod) -> dict[int, Heatmap]:
        """Return the map that stands for each answer token."""
        wanted = list(dict.fromkeys(self._sources.values()))
        found = dict(zip(wanted, candidate.maps(explainer, self._run, wanted), strict=True))
        return {token: found[source] for token, source in self._sources.items()}

    def tally(self, maps: Mapping[int, Heatmap]) -> Tally:
        greys = {t: Grey.of(heat, self._run) for t, heat in maps.items()}
        if self._is_tam:
            return iou.judge_tam(self._words, greys, self._grammar, self._categories, self._truth)
        shown = {
            thing.tokens: Grey.of(_combine_maps(maps, thing), self._run)
            for thing in self._things
            if len(thing.tokens) > 1
        }
        return iou.judge_clean(self._words, self._things, greys, shown, self._grammar, self._truth)

    def why(self, maps: Mapping[str, Mapping[int, Heatmap]]) -> dict[str, Tally]:
        """Return the sums of `why.FIGURES` for each inspected method."""
        sites = why.find_sites(self._run, self._things, self._truth)
        classes = why.token_classes(self._words, self._things, self._grammar)
        tallies = {}
        for candidate in self._inspected:
            if found := maps.get(candidate.name):
                greys = {t: Grey.of(heat, self._run) for t, heat in found.items()}
                tallies[candidate.name] = why.measure_sites(
                    candidate, self._run, sites, greys, classes
                )
        return tallies

    def shown_things(
        self, maps: Mapping[str, Mapping[int, Heatmap]]
    ) -> list[tuple[tuple[int, ...], dict[str, Heatmap]]]:
        """Return the tokens of each thing in the picture, and each method's map as shown."""
        return [
            (thing.tokens, {name: _combine_maps(found, thing) for name, found in maps.items()})
            for thing in self._things
            if self._truth.of(thing.label) is not None
        ]


def _combine_maps(maps: Mapping[int, Heatmap], thing: NamedWords) -> Heatmap:
    """Return the map that the page shows for a thing: the maximum over its tokens."""
    return combine_maps([maps[token] for token in thing.tokens])


def _curves(
    explainer: Explainer,
    run: Run,
    things: Sequence[tuple[tuple[int, ...], Mapping[str, Heatmap]]],
    settings: faithfulness.CurveSettings,
    cancel: Callable[[], bool] | None,
) -> dict[str, dict[str, Tally]]:
    """Return the sums over things for each fill and method.

    Things that share a map, such as that of a control, share its forward passes.
    """
    tallies: dict[str, dict[str, Tally]] = {fill: {} for fill in settings.fills}
    readings: dict[tuple[str | bytes, ...], Readings] = {}
    for tokens, maps in things:
        for fill in settings.fills:
            for name, heat in maps.items():
                key: tuple[str | bytes, ...]
                key = (fill, *(part.values.tobytes() for part in heat.parts))
                if key not in readings:
                    readings[key] = read(explainer, run, heat, settings.plan(fill), cancel)
                tally = tallies[fill].setdefault(name, make_tally(faithfulness.FIGURES))
                for figure, value in readings[key].of(tokens).figures().items():
                    add_value(tally, figure, value)
    return {
        fill: {name: round_tally(tally) for name, tally in tallies[fill].items()}
        for fill in settings.fills
    }
