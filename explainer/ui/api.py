"""What programs can ask of the page, as plain functions with types; `endpoints` offers them.

Everything that comes in is checked, and what is wrong is said in a sentence. docs/api.md describes
the endpoints with examples that a test runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

from explainer.errors import SightlineError
from explainer.export import Exhibit, Look
from explainer.run import NOTHING_SAID, Conversation
from explainer.run.conversation import read_turns
from explainer.ui.api_common import (
    METHODS_SHOWN,
    NO_KNOBS,
    ChipRecord,
    RunReader,
    choose_listed,
    choose_method,
    describe_chip,
    read_list,
    read_whole,
    shown_chips,
    subject_value,
)
from explainer.ui.handlers import Handlers
from explainer.ui.media_inputs import inputs
from explainer.web import controls, payload, texts
from explainer.web.controls import MethodSettings
from explainer.web.formats import find_format
from explainer.web.lacking import missing_maps
from explainer.web.subjects import read_subject

SCALES = list(controls.knob(controls.METHODS["msea_arc"], "scales").default)
LAYERS = controls.LAYERS.choices
EVERYTHING: list[Any] = []


class AnswerMessage(TypedDict):
    """A recorded answer."""

    run: str
    model: str
    answer: str
    chips: list[ChipRecord]
    scales: list[float]
    layers: list[int]
    notes: list[str]
    images: list[str]


class MapValues(TypedDict):
    """A heatmap on one image: rows of values, and where they lie in pixels of the image.

    `extent` is the box (x0, y0, x1, y1) that they cover, `x` and `y` the edges of their columns and
    rows.
    """

    values: list[list[float]]
    signed: bool
    extent: list[float]
    x: list[float]
    y: list[float]
    normalisation: str
    notes: dict[str, float]


class File(NamedTuple):
    """The content of a file, and how to call it."""

    name: str
    data: bytes


class Api:
    """What programs can ask for, as plain functions; errors are `SightlineError`."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers, self._reader = handlers, RunReader(handlers)

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
        system: str = "",
        history: list[dict[str, str]] = EVERYTHING,
        run: str = "",
    ) -> AnswerMessage:
        """Ask a model about a picture and record its answer, so that each word can be explained.

        Args:
            picture: the picture; null if `more` holds a video
            prompt: the question
            max_new_tokens: longest answer, 1 to 2048
            temperature: 0 for the most probable answer, else up to 2
            seed: of sampling, above temperature 0
            scales: scale factors at which the picture is read
            model: an id that /models lists; "" for the one that serves now
            more: further pictures, or a video in place of the picture
            layers: decoder layers that a subject can be looked at in: last, even or all
            evidence: whether to measure how much each word rests on the picture, one more reading
            repetition_penalty: 0.1 to 10, 1 for none; null for the model's own
            thinking: whether the answer opens with a thought, for models that leave the choice
            system: a system prompt in place of the model's own
            history: earlier turns about the picture, oldest first: objects with prompt and answer
            run: an answer to go on from, in place of a picture; what was said stays
        """
        alphas = controls.check_scales(read_list(scales))
        decoding = controls.read_decoding(
            max_new_tokens, temperature, seed, layers, repetition_penalty, thinking
        )
        said = Conversation(controls.read_text(system), read_turns(history))
        notes: Sequence[str] = ()
        if run:
            _check_alone(picture, more, said)
            steps = self._handlers.follow_up(controls.read_run({"run": run}), prompt, decoding)
        else:
            media, asked, notes = inputs(picture, more, prompt)
            steps = self._handlers.steps(media, asked, decoding, alphas, model, said)
        *_, (found, key) = self._handlers.uploads.giving_up(steps, picture, more)
        if controls.read_yes(evidence):
            found = self._handlers.with_evidence(key)
        return {
            "run": key,
            "model": found.model_id,
            "answer": found.answer,
            "chips": [describe_chip(found, i) for i in shown_chips(found)],
            "scales": sorted(found.alphas),
            "layers": list(found.layer_numbers),
            "notes": list(notes),
            "images": payload.picture_labels(found),
        }

    def explain(
        self,
        run: str,
        subject: int | dict[str, Any],
        method: str = "msea_arc",
        preset: str = "",
        knobs: dict[str, Any] = NO_KNOBS,
        image: int = 0,
    ) -> MapValues:
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
        _, heat = self._reader.explained(run, subject, choose_method(method, preset, knobs))
        part = heat.parts[read_whole(image, "image", 0, len(heat.parts) - 1)]
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
        kind, chosen = (
            find_format(format),
            tuple(choose_listed(name, knobs) for name in read_list(methods)),
        )
        found = self._reader.with_words(run, read_list(subjects))
        asked = [read_subject(found, subject_value(subject)) for subject in subjects]
        shown = tuple(asked or kind.pieces(found))
        settings = MethodSettings((), {c.method.name: c.settings for c in chosen})
        found = self._handlers.with_maps(run, missing_maps(found, shown, settings))
        data = kind.make(Exhibit(found, chosen, shown, Look.of(controls.read_mapping(look))))
        return File(f"sightline-{run[:8]}.{kind.name}", data)


def _check_alone(picture: Any, more: Any, said: Conversation) -> None:
    """Raise `SightlineError` where a run to go on from comes with what it has itself."""
    if picture is not None or more or said != NOTHING_SAID:
        raise SightlineError(texts.GOES_ON)
