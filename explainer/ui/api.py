"""What programs can ask of the page, as plain functions with types; `endpoints` offers them.

Everything that comes in is checked, and what is wrong is said in a sentence. docs/api.md describes
the endpoints with examples that a test runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from explainer.errors import SightlineError
from explainer.export import Chosen, Exhibit, Look
from explainer.media.fills import FILLS
from explainer.methods.base import Heatmap
from explainer.methods.subjects import Span, candidates, probability
from explainer.probing.curves import PLAN, Curves
from explainer.probing.hiding import change
from explainer.probing.map_test import MapTest, make_map_test
from explainer.probing.regions import HOW, shown_by
from explainer.probing.reliance import reliance
from explainer.run import ANSWER, ROLE_NAMES, TEMPLATE, Run
from explainer.serving.jobs import HidingJob
from explainer.ui.handlers import Handlers, inputs
from explainer.ui.map_test import CurveReader, read_answer_word, read_plan
from explainer.web import controls, payload, texts
from explainer.web.controls import MethodSettings
from explainer.web.formats import find_format
from explainer.web.lacking import missing_maps, missing_of
from explainer.web.subjects import heat_of, lacking, read_subject

SCALES = list(controls.knob(controls.METHODS["msea_arc"], "scales").default)
LAYERS = controls.LAYERS.choices
METHODS_SHOWN = list(controls.SHOWN)
EVERYTHING: list[Any] = []
NO_KNOBS: dict[str, Any] = {}
MOST = 256  # entries of a list
MOST_CANDIDATES = 100


class EvidenceTold(TypedDict):
    """Probability of a word with the picture, with nothing on it, and what the picture adds."""

    shown: float
    empty: dict[str, float]
    delta: float


class ChipTold(TypedDict):
    """One clickable piece of text of a run; evidence only of the answer, once it was measured."""

    chip: int
    text: str
    role: str
    probability: float | None
    evidence: EvidenceTold | None


class AnswerMessage(TypedDict):
    """A recorded answer."""

    run: str
    model: str
    answer: str
    chips: list[ChipTold]
    scales: list[float]
    layers: list[int]
    notes: list[str]
    images: list[str]


class CandidateTold(TypedDict):
    """A token that the model could have said at this place."""

    id: int
    text: str
    probability: float


class TokenTold(TypedDict):
    """One token of a chip, with what else the model held probable there, best first."""

    token: int
    id: int
    text: str
    probability: float | None
    candidates: list[CandidateTold]


class ChipTokens(ChipTold):
    """A chip with its tokens; mostly one."""

    tokens: list[TokenTold]


class RunTokens(TypedDict):
    """The tokens of a recorded answer."""

    run: str
    model: str
    prompt: str
    answer: str
    chips: list[ChipTokens]


class MapTold(TypedDict):
    """A heatmap on one image: rows of values, the box (x0, y0, x1, y1) that they cover, and the
    edges of their columns `x` and rows `y`, all in pixels of the image."""

    values: list[list[float]]
    signed: bool
    extent: list[float]
    x: list[float]
    y: list[float]
    normalisation: str
    notes: dict[str, float]


class WordWithout(ChipTold):
    """A chip of the answer, and how probable it is with a place hidden, and with as much hidden
    elsewhere; null where there is not so much."""

    hidden: float
    elsewhere: float | None


class Trial(TypedDict):
    """How much of the picture was hidden, 0 to 1, and what became of the words of the answer."""

    share: float
    words: list[WordWithout]


class CurvesTold(TypedDict):
    """How probable a word is while a picture appears, and while it goes, in one order of places;
    the areas under both, 0 to 1, the first one's highest point, and its area above the lowest."""

    shown: list[float]
    taken: list[float]
    insertion: float
    deletion: float
    confidence: float
    reliance: float


class MapCurves(CurvesTold):
    """The curves for the order of a map, and what they mean, "" if the word needs no place."""

    method: str
    verdict: str


class ProofTold(TypedDict):
    """How probable a word is with the whole picture and with none of it, what that means, and its
    curves at these shares of the picture, for maps and for random orders."""

    whole: float
    empty: float
    verdict: str
    share: list[float]
    maps: list[MapCurves]
    random: list[CurvesTold]


class File(NamedTuple):
    """The content of a file, and how to call it."""

    name: str
    data: bytes


class Api:
    """What programs can ask for, as plain functions; errors are `SightlineError`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._curve_reader = CurveReader(handlers)

    def record(
        self,
        picture: str | None = None,
        prompt: str = "",
        max_new_tokens: int = controls.MAX_NEW_TOKENS.default,
        temperature: float = controls.TEMPERATURE.default,
        seed: int = controls.SEED.default,
        scales: list[float] = SCALES,
        model: str = "",
        more: list[str] | None = None,
        layers: str = LAYERS[0],
        evidence: bool = False,
        repetition_penalty: float | None = None,
        thinking: bool = False,
    ) -> AnswerMessage:
        """Ask a model about a picture and record its answer, so that each word can be explained.

        Args:
            picture: the picture; null if `more` holds a video
            prompt: the question
            max_new_tokens: longest answer, 1 to 256
            temperature: 0 for the most probable answer, else up to 2
            seed: of sampling, above temperature 0
            scales: scale factors at which the picture is read
            model: an id that /models lists; "" for the one that serves now
            more: further pictures, or a video in place of the picture
            layers: decoder layers that a subject can be looked at in: last, even or all
            evidence: whether to measure how much each word rests on the picture, one more reading
            repetition_penalty: 0.1 to 10, 1 for none; null for the model's own
            thinking: whether the answer opens with a thought, for models that leave the choice
        """
        media, asked, notes = inputs(picture, more, prompt)
        alphas = controls.read_alphas({"alphas": [[a, True] for a in _list(scales)]})
        decoding = controls.read_decoding(
            max_new_tokens, temperature, seed, layers, repetition_penalty, thinking
        )
        steps = self._handlers.steps(media, asked, decoding, alphas, model)
        *_, recorded = self._handlers.uploads.giving_up(steps, picture, more)
        run, key = recorded
        if controls.read_yes(evidence):
            run = self._handlers.with_evidence(key)
        return {
            "run": key,
            "model": run.model_id,
            "answer": run.answer,
            "chips": [_chip(run, i) for i in _shown(run)],
            "scales": sorted(run.alphas),
            "layers": list(run.layer_numbers),
            "notes": list(notes),
            "images": payload.picture_labels(run),
        }

    def tokens(self, run: str, top: int = 5) -> RunTokens:
        """Return the tokens of a recorded run, with what the model could have said instead.

        Args:
            run: as /record returned it
            top: how many candidates of each token, 0 to 100; a run holds about 30 of an answer
        """
        found = self._run(run)
        top = _whole(top, "top", 0, MOST_CANDIDATES)
        chips = [
            {**_chip(found, i), "tokens": [_token(found, t, top) for t in found.chips[i].tokens]}
            for i in _shown(found)
        ]
        return {
            "run": run,
            "model": found.model_id,
            "prompt": found.prompt,
            "answer": found.answer,
            "chips": chips,
        }

    def explain(
        self,
        run: str,
        subject: int | dict[str, Any],
        method: str = "msea_arc",
        preset: str = "",
        knobs: dict[str, Any] = NO_KNOBS,
        image: int = 0,
    ) -> MapTold:
        """Return the heatmap of a word of a recorded run on one of its images.

        The word is a chip by its number, or an object: {"chip": 12}; {"tokens": [3, 4]}, tokens as
        one; {"at": 7, "word": "cat"}, any other word in place of token 7, which the model brings
        if the run does not hold it; {"plus": ..., "minus": ...}, why the one and not the other.

        Args:
            run: as /record returned it
            subject: number of a chip as /record returned it, or an object
            method: a name that docs/api.md lists; some ask the model once more for the word
            preset: a preset of the method, "" for none
            knobs: knobs of the method by name
            image: which of several images, counted from 0
        """
        _, heat = self._explained(run, subject, _chosen(method, preset, knobs))
        part = heat.parts[_whole(image, "image", 0, len(heat.parts) - 1)]
        y, x = part.edges()
        return {
            "values": [[round(float(v), 4) for v in row] for row in part.values],
            "signed": heat.signed,
            "extent": list(part.extent),
            "x": x.tolist(),
            "y": y.tolist(),
            "normalisation": heat.normalisation,
            "notes": dict(heat.notes),
        }

    def hide(
        self,
        run: str,
        subject: int | dict[str, Any],
        method: str = "msea_arc",
        preset: str = "",
        knobs: dict[str, Any] = NO_KNOBS,
        image: int = 0,
        how: str = "hide",
        fill: str = "mean",
    ) -> Trial:
        """Return how probable each word of an answer is with a part of the picture hidden: the
        place that the map of a word shows, or all but that. The model reads the answer again.

        As a control, as much is hidden elsewhere, drawn at random.

        Args:
            run: as /record returned it
            subject: as for /explain
            method: as for /explain
            preset: as for /explain
            knobs: as for /explain
            image: in which of several images, counted from 0
            how: hide the place, or keep only that
            fill: what it is hidden under: mean (the mean colour), black or blur
        """
        if how not in (*HOW,) or fill not in (*FILLS,):
            raise SightlineError(f"how is {' or '.join(HOW)}, and fill one of {', '.join(FILLS)}")
        found, heat = self._explained(run, subject, _chosen(method, preset, knobs))
        regions = HOW[how](shown_by(heat, _whole(image, "image", 0, len(heat.parts) - 1)))
        probs = self._handlers.run_job(HidingJob(found, regions, fill))
        words = [_without(found, i, probs) for i in _shown(found) if found.chips[i].role == ANSWER]
        return {"share": regions[0].share, "words": words}

    def curves(
        self,
        run: str,
        subject: int | dict[str, Any],
        methods: list[str] = METHODS_SHOWN,
        knobs: dict[str, dict[str, Any]] = NO_KNOBS,
        fill: str = PLAN.fill,
        steps: int = PLAN.steps,
    ) -> ProofTold:
        """Return how probable a word of the answer is while the picture appears, and while it goes,
        strongest places of a map first, and in random orders: does the word follow the map?

        The model reads 2 * steps pictures for each method, and for each of four random orders,
        which words of a run share.

        Args:
            run: as /record returned it
            subject: as for /explain, of words that were said
            methods: which maps
            knobs: of each method, by its name; "preset" may be one of them
            fill: what is not shown lies under: mean (the mean colour), black or blur
            steps: into how many parts of equal area the picture is cut, 1 to 64
        """
        plan, chosen = read_plan(fill, steps), [_listed(name, knobs) for name in _list(methods)]
        if not chosen:
            raise SightlineError("there is no method to measure; name one at least")
        tokens = read_answer_word(self._run(run), _told(subject)).tokens
        found = {one.method.name: self._explained(run, subject, one)[1] for one in chosen}
        *_, made = self._curve_reader.steps(run, self._run(run), [*found.values()], plan)
        proof = make_map_test(tokens, dict(zip(found, made.maps, strict=True)), made.random)
        return _proof(proof)

    def export(
        self,
        run: str,
        format: str = "npz",
        subjects: list[int | dict[str, Any]] = EVERYTHING,
        methods: list[str] = METHODS_SHOWN,
        knobs: dict[str, dict[str, Any]] = NO_KNOBS,
        look: dict[str, Any] = NO_KNOBS,
    ) -> File:
        """Return a file of a recorded run: a figure, a film, or its data.

        Args:
            run: as /record returned it
            format: one of those that docs/api.md lists
            subjects: as for /explain; none for the words of the answer
            methods: which ones, in this order
            knobs: of each method, by its name; "preset" may be one of them
            look: colours, diverging, opacity and theme
        """
        kind, chosen = find_format(format), tuple(_listed(name, knobs) for name in _list(methods))
        found = self._with_words(run, _list(subjects))
        asked = [read_subject(found, _told(subject)) for subject in subjects]
        shown = tuple(asked or kind.pieces(found))
        settings = MethodSettings((), {c.method.name: c.settings for c in chosen})
        found = self._handlers.with_maps(run, missing_maps(found, shown, settings))
        data = kind.make(Exhibit(found, chosen, shown, Look.of(controls.read_mapping(look))))
        return File(f"sightline-{run[:8]}.{kind.name}", data)

    def _run(self, run: Any) -> Run:
        return self._handlers.run(controls.read_run({"run": run}))

    def _explained(self, key: str, asked: Any, chosen: Chosen) -> tuple[Run, Heatmap]:
        """Return a stored run and the heatmap of a subject; its model brings what it lacks."""
        told, run = _told(asked), self._with_words(key, [asked])
        settings = MethodSettings((), {chosen.method.name: chosen.settings})
        run = self._handlers.with_maps(key, missing_of(run, told, settings))
        return run, heat_of(run, told, chosen.method, chosen.settings)

    def _with_words(self, key: str, subjects: list[Any]) -> Run:
        """Return a stored run; its model brings the words of subjects that it lacks first."""
        run = self._run(key)
        lacks = [word for subject in subjects for word in lacking(run, subject)]
        return self._handlers.with_words(key, tuple(dict.fromkeys(lacks))) if lacks else run


def _shown(run: Run) -> list[int]:
    """Return the numbers of the chips that are no template."""
    return [i for i, chip in enumerate(run.chips) if chip.role != TEMPLATE]


def _chip(run: Run, index: int) -> ChipTold:
    chip = run.chips[index]
    return {
        "chip": index,
        "text": chip.text,
        "role": ROLE_NAMES[chip.role],
        "probability": probability(run, Span(chip.tokens)),
        "evidence": rests.told if (rests := reliance(run, chip.tokens)) else None,
    }


def _token(run: Run, token: int, top: int) -> TokenTold:
    return {
        "token": token,
        "id": int(run.tokens.ids[token]),
        "text": run.tokens.texts[token],
        "probability": probability(run, Span((token,))),
        "candidates": [
            {"id": c.token_id, "text": c.text, "probability": c.probability}
            for c in candidates(run, token)[:top]
        ],
    }


def _told(asked: Any) -> Mapping[str, Any]:
    """Return a subject as the page has it."""
    return asked if isinstance(asked, Mapping) else {"chip": asked}


def _without(run: Run, index: int, probs: npt.NDArray[np.float32]) -> WordWithout:
    found = change(run, run.chips[index].tokens, probs)
    return {**_chip(run, index), "hidden": found.hidden, "elsewhere": found.control}


def _proof(proof: MapTest) -> ProofTold:
    word, chance = proof.verdict_of_word(), proof.chance
    return {
        "whole": chance.whole,
        "empty": chance.empty,
        "verdict": word,
        "share": chance.share.tolist(),
        "maps": [
            {
                "method": name,
                **_curves(curves),
                "verdict": proof.verdict_of_map(name) if word == "rests" else "",
            }
            for name, curves in proof.curves.items()
        ],
        "random": [_curves(curves) for curves in proof.random],
    }


def _curves(curves: Curves) -> CurvesTold:
    return {
        "shown": curves.insertion.tolist(),
        "taken": curves.deletion.tolist(),
        **curves.figures(),
        "reliance": curves.reliance,
    }


def _chosen(name: Any, preset: Any, knobs: Any) -> Chosen:
    """Return a method with its knobs checked, those that are not given at their defaults."""
    method = controls.known_method(name)
    return Chosen(method, method.settings(**controls.read_knobs(preset, knobs)))


def _listed(name: Any, knobs: Any) -> Chosen:
    """Return a method with its own of the knobs of several."""
    method = controls.known_method(name)
    given = dict(controls.read_mapping(controls.read_mapping(knobs).get(method.name, {})))
    return _chosen(name, given.pop("preset", ""), given)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MOST:
        raise SightlineError(texts.BAD_REQUEST)
    return value


def _whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number within bounds; `SightlineError` for anything else."""
    number = controls.read_number(value)
    if not low <= number <= high:
        raise SightlineError(f"{name} {number} is outside {low}..{high}")
    return number
