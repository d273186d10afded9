"""Links that restore a page, and settings that a browser remembers: what they say, checked.

A link never holds a picture. Its parameters, each of which may be missing:

    prompt, model                               what was asked
    tokens, temperature, seed, layers           how the answer was drawn and recorded
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

Anybody can write a link, so that nothing in it is believed: what cannot be used is left out, and a
sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar

import numpy as np

from explainer.errors import SightlineError
from explainer.export import SEQUENTIAL, Look
from explainer.images import fit
from explainer.methods.base import Knob
from explainer.run import Run
from explainer.service import Models
from explainer.store import RunStore
from explainer.ui import controls, link_words, texts
from explainer.ui.controls import OFFERED, Decoding
from explainer.ui.handlers import Example
from explainer.ui.maps import stored
from explainer.ui.messages import Value
from explainer.ui.texts import in_words

_WORDS = texts.VIEW
LONGEST = 2000  # characters of a parameter: the page sends its address with each request
# How maps are drawn, and how fast the answer plays.
_VIEW = {
    "opacity": Knob("opacity", "float", Look().opacity, "", 0.0, 1.0, 0.05),
    "colours": Knob("colours", "choice", Look().colours, "", choices=tuple(SEQUENTIAL)),
    "normalisation": Knob(
        "normalisation", "choice", "", "", choices=tuple(texts.VIEW["normalisations"])
    ),
    "drawing": Knob("drawing", "choice", "smooth", "", choices=tuple(_WORDS["drawings"])),
    "contour": Knob("contour", "choice", "off", "", choices=("off", "on")),
    "speed": Knob("speed", "float", 2, "", 0.5, 8),
}
_LAYER = Knob("layer", "int", 1, "", 1, 999)
_DECODING = (  # parameter of a link, field of `Decoding`, and what it can be
    ("tokens", "max_new_tokens", controls.MAX_NEW_TOKENS),
    ("temperature", "temperature", controls.TEMPERATURE),
    ("seed", "seed", controls.SEED),
    ("layers", "layers", controls.LAYERS),
)

T = TypeVar("T")


def defaults() -> Value:
    """Return the settings that a page starts with, by their names in the page's state."""
    return {
        "panel": controls.panel_value(),
        "options": controls.option_value(),
        **{name: knob.default for name, knob in _VIEW.items()},
    }


def all_options() -> Value:
    """Return the default of every option of every method that a link may show."""
    return {name: _options(name) for name in OFFERED}


class Asked(NamedTuple):
    """What a link asks: the fields of the page, the example None if it names none."""

    example: Example | None
    prompt: str
    decoding: Decoding
    model: str


class Links:
    """Reads and writes links for a page; `examples` are those that a link can name, and
    `with_words` brings words into a stored run, see `Handlers.with_words`."""

    def __init__(
        self,
        models: Models,
        store: RunStore,
        examples: Sequence[Example] = (),
        with_words: Callable[[str, tuple[str, ...]], Run] | None = None,
    ) -> None:
        self._models, self._store, self._examples = models, store, examples
        self._with_words = with_words

    def restore(self, told: Any) -> Value:
        """Return the settings to start with, whether the link asks something, and what was wrong.

        Args:
            told: {query, remembered}: the parameters of the page's address, and the settings that
                the browser remembers or null.

        Returns:
            {"settings": as in `defaults`, "asks": bool, "layer": that is looked at or None, "text":
            sentences or ""}.
        """
        try:
            query, doubts = _query(told), Doubts()
            settings = linked(query, remembered(told.get("remembered"), doubts), doubts)
            asks = self.asked(query, doubts) != self.asked({}, Doubts())
            if "example" not in query:
                for name in link_words.NAMES:
                    doubts.keep(query, name, _astray, None)
            layer = doubts.keep(query, "layer", lambda v: _read(_LAYER, v), None)
            return {"settings": settings, "asks": asks, "layer": layer, "text": doubts.text}
        except Exception as error:
            return {"settings": defaults(), "asks": False, "layer": None, "text": in_words(error)}

    def fill(self, told: Any) -> Asked:
        """Return what the link in {query} asks; what is wrong with it `restore` has told."""
        return self.asked(_query(told), Doubts())

    def asked(self, query: Mapping[str, str], doubts: Doubts) -> Asked:
        """Return what a link asks; the prompt of its example counts unless it has one."""
        example = doubts.keep(query, "example", self._example, None)
        prompt = query.get("prompt", example.prompt if example else "")
        decoding = {
            field: doubts.keep(query, name, lambda v, k=knob: _read(k, v), knob.default)
            for name, field, knob in _DECODING
        }
        model = doubts.keep(query, "model", self._model, "")
        return Asked(example, prompt, Decoding(**decoding), model)

    def parameters(self, told: Any) -> Value:
        """Return {"run", "query", "text"}: the part of a link that says how a run was asked for,
        and what cannot be in it.

        Args:
            told: {run} as the page's script sends it.
        """
        try:
            key = controls.read_run(told)
            query = self._parameters(stored(self._store, key))
        except SightlineError:
            return {"run": None, "query": {}, "text": ""}
        long = [name for name, value in query.items() if len(value) > LONGEST]
        kept = {name: value for name, value in query.items() if name not in long}
        return {"run": key, "query": kept, "text": texts.LINK_WITHOUT_PROMPT if long else ""}

    def chosen(self, told: Any) -> Value:
        """Return {"subject", "lacks", "text"}: what a link chooses in the answer to its example,
        None if there is nothing, the words of it that `bring` has to bring first, and what was
        wrong with it.

        Args:
            told: {run, query}: the run that is shown, and the parameters of the page's address.
        """
        doubts = Doubts()
        try:
            run, query = stored(self._store, controls.read_run(told)), _query(told)
            parts = [
                doubts.keep(query, name, lambda v: self._part(run, query, v), None)
                for name in link_words.NAMES
            ]
            lacks = [part.lacks for part in parts if part and part.lacks]
            plus, minus = (part and part.subject for part in parts)
            subject = {"plus": plus, "minus": minus} if plus and minus else plus
            return {"subject": None if lacks else subject, "lacks": lacks, "text": doubts.text}
        except Exception as error:
            return {"subject": None, "lacks": [], "text": in_words(error)}

    def bring(self, told: Any) -> Value:
        """Return what `chosen` does, and the run, once the model has brought the words of the link
        that the run lacks."""
        key = told.get("run") if isinstance(told, Mapping) else None
        try:
            found = self.chosen(told)
            if found["lacks"]:
                self._with_words(key, tuple(found["lacks"]))
                found = self.chosen(told)
            return {"run": key, **found}
        except Exception as error:
            return {"run": key, "subject": None, "lacks": [], "text": in_words(error)}

    def written(self, told: Any) -> Value:
        """Return {"query", "text"}: the parameters of a link that choose a subject, and why there
        are none.

        Args:
            told: {run, subject} as the page's script sends it.
        """
        try:
            run = stored(self._store, controls.read_run(told))
            return {"query": link_words.written(run, told.get("subject")), "text": ""}
        except Exception as error:
            return {"query": {}, "text": texts.LINK_WITHOUT_WORD.format(why=in_words(error))}

    def _part(self, run: Run, query: Mapping[str, str], text: str) -> link_words.Part:
        asked = self.asked(query, Doubts())
        if "word" not in query or not asked.example or asked.prompt != run.prompt:
            return _astray(text)
        return link_words.read(run, text) if _shows(run, asked.example) else _astray(text)

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
        told = {**run.settings, "layers": _layers(run)}
        for name, field, knob in _DECODING:
            value = told.get(field, knob.default)
            if value != knob.default:
                query[name] = value if isinstance(value, str) else f"{value:g}"
        return query

    def _example(self, text: str) -> Example:
        knob = Knob("example", "int", 1, "", 1, max(1, len(self._examples)))
        index = knob.check(number(text)) - 1
        if index >= len(self._examples):
            raise SightlineError(texts.NO_EXAMPLES)
        return self._examples[index]

    def _model(self, text: str) -> str:
        entry = self._models.entry(text)
        if not self._models.ready(entry.id):
            raise SightlineError(texts.LINK_MODEL.format(name=entry.name))
        return entry.id


class Doubts:
    """What could not be used, in sentences."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    @property
    def text(self) -> str:
        return " ".join(self._sentences)

    def add(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def keep(
        self, query: Mapping[str, str], name: str, read: Callable[[str], T], otherwise: T
    ) -> T:
        """Return what a parameter says, or `otherwise` if there is none or it cannot be used."""
        if name not in query:
            return otherwise
        try:
            return read(query[name])
        except SightlineError as error:
            self.add(texts.LINK_IGNORED.format(name=name, why=str(error).rstrip(".")))
            return otherwise


# Settings ----------------------------------------------------------------------------------------


def remembered(told: Any, doubts: Doubts) -> Value:
    """Return the settings that a browser remembers, or the defaults if they cannot be used."""
    if told is None:
        return defaults()
    try:
        return checked(told)
    except (SightlineError, TypeError):
        doubts.add(texts.FORGOTTEN)
        return defaults()


def checked(settings: Any) -> Value:
    """Return settings as in `defaults` if each can be used; `SightlineError` if not."""
    if not isinstance(settings, Mapping) or set(settings) != set(defaults()):
        raise SightlineError(texts.BAD_REQUEST)
    panel, options = settings["panel"], settings["options"]
    controls.read_settings(panel, options)
    if len(panel["alphas"]) != len(controls.panel_value()["alphas"]):
        raise SightlineError(texts.BAD_REQUEST)
    if any(set(told) != set(_options(name)) for name, told in options.items()):
        raise SightlineError(texts.BAD_REQUEST)
    for name, knob in _VIEW.items():
        knob.check(settings[name])
    return {name: settings[name] for name in defaults()}


def linked(query: Mapping[str, str], settings: Value, doubts: Doubts) -> Value:
    """Return the settings with what a link says in place of their own."""
    found, method = deepcopy(settings), OFFERED["msea_arc"]
    panel = found["panel"]
    panel["alphas"] = doubts.keep(query, "scales", _alphas, panel["alphas"])
    if "weights" in query:
        told = doubts.keep(query, "weights", lambda v: _weights(v, panel["alphas"]), None)
        panel |= {"weights": told} if told else {}
    for name in ("k", "beta"):
        knob = controls.knob(method, name)
        panel[name] = doubts.keep(query, name, lambda v, k=knob: _read(k, v), panel[name])
    names = doubts.keep(query, "methods", _methods, list(found["options"]))
    found["options"] = {name: found["options"].get(name, _options(name)) for name in names}
    for name, value in query.items():
        if "." in name:
            doubts.keep({name: value}, name, lambda v, n=name: _set(found["options"], n, v), None)
    for name, knob in _VIEW.items():
        found[name] = doubts.keep(query, name, lambda v, k=knob: _read(k, v), found[name])
    try:
        return checked(found)
    except SightlineError as error:  # each can be used, but not together
        doubts.add(texts.LINK_REFUSED.format(why=str(error).rstrip(".")))
        return settings


def number(text: str) -> int | float:
    """Return the number that a parameter spells; `SightlineError` if it is none."""
    try:
        value = float(text)
    except ValueError:
        raise SightlineError(texts.NO_NUMBER.format(got=text[:40])) from None
    return int(value) if value.is_integer() else value  # not finite: no knob takes it


def _query(told: Any) -> Mapping[str, str]:
    """Return the parameters of an address; `SightlineError` if they cannot be those."""
    query = told.get("query") if isinstance(told, Mapping) else None
    if not isinstance(query, Mapping) or not all(
        isinstance(part, str) and len(part) <= LONGEST for pair in query.items() for part in pair
    ):
        raise SightlineError(texts.LINK_TOO_LONG)
    return query


def _alphas(text: str) -> list[list[Any]]:
    """Return the scale sliders for a list of factors: those are on, all others off."""
    slots = [[factor, False] for factor, _ in controls.panel_value()["alphas"]]
    on = controls.knob(OFFERED["msea_arc"], "scales").check([number(t) for t in text.split(",")])
    if len(on) > len(slots):
        raise SightlineError(texts.TOO_MANY_SCALES.format(most=len(slots)))
    known = [factor for factor, _ in slots]
    for factor in on:
        if factor in known:
            slots[known.index(factor)][1] = True
    free = (slot for slot in reversed(slots) if not slot[1])  # those that are off at first go first
    for factor in on:
        if factor not in known:
            next(free)[:] = [factor, True]
    return slots


def _weights(text: str, alphas: Sequence[Sequence[Any]]) -> list[int | float]:
    """Return the weight of each scale slider for pairs FACTOR:WEIGHT, 1 where none is told."""
    told = dict.fromkeys((factor for factor, _ in alphas), 1)
    for pair in text.split(","):
        factor, _, weight = pair.partition(":")
        if number(factor) not in told:
            raise SightlineError(texts.NO_SUCH_SCALE.format(got=factor[:40]))
        told[number(factor)] = number(weight)
    controls.knob(OFFERED["msea_arc"], controls.SCALE_WEIGHTS).check(list(told.values()))
    return list(told.values())


def _astray(text: str) -> Any:
    """Raise `SightlineError`, as a word was chosen in another answer than that to an example."""
    raise SightlineError(texts.LINK_WORD)


def _methods(text: str) -> list[str]:
    return list(dict.fromkeys(controls.known_method(name).name for name in text.split(",")))


def _options(method: str) -> Value:
    return {k.name: k.default for k in controls.options(OFFERED[method])}


def _set(options: Value, name: str, text: str) -> None:
    """Set "METHOD.OPTION" to what a link says."""
    method, _, option = name.partition(".")
    if method not in options or option not in options[method]:
        raise SightlineError(texts.NO_OPTION)
    knob = controls.knob(OFFERED[method], option)
    options[method][option] = _read(knob, text)


def _read(knob: Knob, text: str) -> Any:
    """Return the checked value of a knob that a parameter spells."""
    return knob.check(text if knob.kind == "choice" else number(text))


def _layers(run: Run) -> str:
    """Return which layers were asked for, by the names of `controls.LAYERS`, as far as one fits."""
    for name, step in (("all", 1), ("even", 2)):
        if len(run.layers) and run.layer_numbers == tuple(range(run.layer, 0, -step))[::-1]:
            return name
    return controls.LAYERS.default


def _shows(run: Run, example: Example) -> bool:
    """Return whether a run is about the picture of an example, and nothing else."""
    return len(run.images) == 1 and np.array_equal(run.images[0], fit(example.picture.pixels))
