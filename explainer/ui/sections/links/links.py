"""Links that restore a page: what they say, checked.

A link never holds a picture. Its parameters, each of which may be missing:

    prompt, model                               what was asked
    tokens, temperature, seed, layers, penalty  how the answer was drawn and recorded
    example                                     number of the example it was asked about, from 1
    layer                                       number of the decoder layer that maps are read from
    word, against                               what is chosen in the answer to the example, and
                                                what it is set against, see `link_words`
    scales, k, beta                             as the sliders have them: 0.5,0.75,1
    weights                                     of scales in the mean, where not 1: 0.5:2,1:0.3
    methods                                     those shown, in order: msea_arc,tam
    METHOD.OPTION                               any other option of a method that is shown
    opacity, colours, normalisation,
    drawing, contour, speed                     how maps are drawn, and how fast the answer plays
    present                                     1 for large maps without controls

The settings among them are those of `settings`, and how each parameter is read is in `parameters`.

Anybody can write a link, so that nothing in it is believed: what cannot be used is left out, and a
sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from explainer.errors import SightlineError
from explainer.media.images import fit
from explainer.methods.base import Knob
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.handlers import PageExample
from explainer.ui.maps import stored
from explainer.ui.sections.links import link_words, words
from explainer.ui.sections.links.parameters import Doubts, number, read_knob
from explainer.ui.sections.links.settings import defaults, linked, remembered
from explainer.web import controls
from explainer.web.calls import (
    LONGEST_PARAMETER,
    Explained,
    QueryCall,
    RunCall,
    SubjectCall,
    read_call,
)
from explainer.web.controls import DecodingControls
from explainer.web.messages import (
    LinkChoice,
    LinkParameters,
    RestoredLink,
    Value,
)
from explainer.web.texts import in_words

_LAYER = Knob("layer", "int", 1, "", 1, 999)
_DECODING = (  # parameter of a link, field of `DecodingControls`, and what it can be
    ("tokens", "max_new_tokens", controls.MAX_NEW_TOKENS),
    ("temperature", "temperature", controls.TEMPERATURE),
    ("seed", "seed", controls.SEED),
    ("layers", "layers", controls.LAYERS),
    ("penalty", "repetition_penalty", controls.REPETITION_PENALTY),
)


class LinkRequest(NamedTuple):
    """A parsed link: the fields of the page, the example None if it names none."""

    example: PageExample | None
    prompt: str
    decoding: DecodingControls
    model: str


class Links:
    """Read and write links for a page.

    Args:
        models, store: those of the server.
        examples: those that a link can name.
        with_words: adds words to a stored run, see `Handlers.with_words`.
    """

    def __init__(
        self,
        models: Models,
        store: RunStore,
        examples: Sequence[PageExample] = (),
        with_words: Callable[[str, tuple[str, ...]], Run] | None = None,
    ) -> None:
        self._models, self._store, self._examples = models, store, examples
        self._with_words = with_words

    def restore(self, message: Any) -> Value:
        """Return a `RestoredLink`: the settings to start with, and the problems of a link.

        Args:
            message: a `QueryCall`: the parameters of the page's address, and the settings that the
                browser remembers.
        """
        try:
            call, doubts = _read(message), Doubts()
            query = call.query
            settings = linked(query, remembered(call.remembered, doubts), doubts)
            asks = self.parse(query, doubts) != self.parse({}, Doubts())
            if "example" not in query:
                for name in link_words.NAMES:
                    doubts.keep(query, name, _astray, None)
            layer = doubts.keep(query, "layer", partial(read_knob, _LAYER), None)
            return RestoredLink(
                settings=settings, asks=asks, layer=layer, text=doubts.text
            ).as_json()
        except Exception as error:
            return RestoredLink(
                settings=defaults(), asks=False, layer=None, text=in_words(error)
            ).as_json()

    def fill(self, message: Any) -> LinkRequest:
        """Parse a link's query. Problems are reported by `restore`."""
        return self.parse(_read(message).query, Doubts())

    def parse(self, query: Mapping[str, str], doubts: Doubts) -> LinkRequest:
        """Parse a link; the prompt of its example counts unless it has one of its own."""
        example = doubts.keep(query, "example", self._example, None)
        prompt = query.get("prompt", example.prompt if example else "")
        decoding = {
            field: doubts.keep(query, name, partial(read_knob, knob), knob.default)
            for name, field, knob in _DECODING
        }
        model = doubts.keep(query, "model", self._model, "")
        return LinkRequest(example, prompt, DecodingControls(**decoding), model)

    def parameters(self, message: Any) -> Value:
        """Return the `LinkParameters` that say how a run was asked for.

        Args:
            message: a `RunCall`.
        """
        try:
            key = read_call(RunCall, message).run
            query = self._parameters(stored(self._store, key))
        except SightlineError:
            return LinkParameters(run=None, query={}, text="").as_json()
        long = [name for name, value in query.items() if len(value) > LONGEST_PARAMETER]
        kept = {name: value for name, value in query.items() if name not in long}
        text = words.WITHOUT_PROMPT if long else ""
        return LinkParameters(run=key, query=kept, text=text).as_json()

    def chosen(self, message: Any) -> Value:
        """Return the `LinkChoice`: what a link chooses in the answer to its example.

        Args:
            message: a `RunCall` with the {query} of the page's address.
        """
        doubts = Doubts()
        try:
            run, query = stored(self._store, read_call(RunCall, message).run), _read(message).query
            parts = [
                doubts.keep(query, name, lambda v: self._part(run, query, v), None)
                for name in link_words.NAMES
            ]
            lacks = [part.lacks for part in parts if part and part.lacks]
            plus, minus = (part and part.subject for part in parts)
            subject = Explained(plus=plus, minus=minus) if plus and minus else plus
            subject = None if lacks else subject
            return LinkChoice(subject=subject, lacks=lacks, text=doubts.text).as_json()
        except Exception as error:
            return LinkChoice(subject=None, lacks=[], text=in_words(error)).as_json()

    def bring(self, message: Any) -> Value:
        """Have the model look up words of a link that a run lacks; return what `chosen` does."""
        key = message.get("run") if isinstance(message, Mapping) else None
        try:
            found = self.chosen(message)
            if found["lacks"] and self._with_words and isinstance(key, str):
                self._with_words(key, tuple(found["lacks"]))
                found = self.chosen(message)
            return {"run": key, **found}
        except Exception as error:
            choice = LinkChoice(subject=None, lacks=[], text=in_words(error))
            return {"run": key, **choice.as_json()}

    def written(self, message: Any) -> Value:
        """Return the `LinkParameters` that choose a subject, or why there are none.

        Args:
            message: a `SubjectCall`.
        """
        try:
            call = read_call(SubjectCall, message)
            run = stored(self._store, call.run)
            query = link_words.written(run, call.subject or Explained())
            return LinkParameters(query=query, text="").as_json()
        except Exception as error:
            why = words.WITHOUT_WORD.format(why=in_words(error))
            return LinkParameters(query={}, text=why).as_json()

    def _part(self, run: Run, query: Mapping[str, str], text: str) -> link_words.LinkPart:
        link = self.parse(query, Doubts())
        if "word" not in query or not link.example or link.prompt != run.prompt:
            return _astray(text)
        return link_words.read(run, text) if _shows(run, link.example) else _astray(text)

    def _parameters(self, run: Run) -> dict[str, str]:
        number = next((i for i, e in enumerate(self._examples, 1) if _shows(run, e)), None)
        query = {"prompt": run.prompt}
        if number is not None:
            query |= {"example": str(number)}
            if self._examples[number - 1].prompt == run.prompt:
                del query["prompt"]
        try:
            model = self._models.maker_of(run)
        except SightlineError:
            model = run.model_id
        if model != self._models.default:
            query["model"] = model
        settings = {**run.settings, "layers": _layers(run)}
        own = self._models.facts(model).get("repetition_penalty")
        if settings.get("repetition_penalty") == own:
            settings["repetition_penalty"] = None  # what a link without one says
        for name, field, knob in _DECODING:
            value = settings.get(field, knob.default)
            if value != knob.default:
                query[name] = value if isinstance(value, str) else f"{value:g}"
        return query

    def _example(self, text: str) -> PageExample:
        knob = Knob("example", "int", 1, "", 1, max(1, len(self._examples)))
        index = knob.check(number(text)) - 1
        if index >= len(self._examples):
            raise SightlineError(words.NO_EXAMPLES)
        return self._examples[index]

    def _model(self, text: str) -> str:
        entry = self._models.entry(text)
        if not self._models.ready(entry.id):
            raise SightlineError(words.MODEL.format(name=entry.id))
        return entry.id


def _read(message: Any) -> QueryCall:
    """Return a link and what the browser remembers; `SightlineError` if it cannot be a link."""
    try:
        return read_call(QueryCall, message)
    except SightlineError:
        raise SightlineError(words.TOO_LONG) from None


def _astray(text: str) -> Any:
    """Raise `SightlineError`, as a word was chosen in another answer than that to an example."""
    raise SightlineError(words.WORD)


def _layers(run: Run) -> str:
    """Return which layers were asked for, by the names of `controls.LAYERS`, as far as one fits."""
    last = run.layer if run.layers else None
    for name, step in (("all", 1), ("even", 2)):
        if last is not None and run.layer_numbers == tuple(range(last, 0, -step))[::-1]:
            return name
    return controls.LAYERS.default


def _shows(run: Run, example: PageExample) -> bool:
    """Return whether a run is about the picture of an example, and nothing else."""
    return len(run.images) == 1 and np.array_equal(run.images[0], fit(example.picture.pixels))
