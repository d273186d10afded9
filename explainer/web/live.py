"""What maps are computed from in the browser: the modules and declarations of the methods.

The one-file page also holds the evidence of the run, and the controls as the exhibit has them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from explainer.export import Chosen, Exhibit
from explainer.methods import METHODS
from explainer.methods.subjects import Unsaid, probability, read_words
from explainer.run import TEMPLATE, Run
from explainer.web import controls, file_words, payload, step_words, texts, token_text
from explainer.web.declared import declared
from explainer.web.evidence_message import evidence_message
from explainer.web.scripts import COMPUTED, module_script
from explainer.web.subjects import read_subject
from explainer.web.words_beside import places

_SHARED = (*controls.SLIDERS, controls.SCALE_WEIGHTS)  # one slider for all methods


class MethodsModule(NamedTuple):
    """An ES module with all methods: its file name, which tells its content, and its text."""

    name: str
    text: str


@cache
def methods_module() -> MethodsModule:
    """Return the module that the page loads to compute maps and to draw them."""
    text = module_script(COMPUTED, {"told": {**computing_data(), "tables": payload.tables()}})
    return MethodsModule(f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.js", text)


def computing_data() -> dict[str, Any]:
    """Return what the scripts compute with besides evidence: declarations, and words."""
    return {"declared": declared(), "words": texts.COMPUTED, "steps": step_words.CAPTIONS}


def live(exhibit: Exhibit, compared: Sequence[Chosen] = ()) -> dict[str, Any] | None:
    """Return what the scripts compute maps from, or None.

    It holds all recorded layers, and the words that the model might have said in place of others.

    Args:
        exhibit: what the scripts begin with.
        compared: methods whose maps come from Python.

    There is none if the scripts could not begin with what the exhibit shows: its methods differ in
    a value for which there is one slider, or one of them has the name of a method here and is
    another.
    """
    values = _shared_values(exhibit)
    if values is None or any(
        METHODS.get(c.method.name, c.method) is not c.method for c in exhibit.chosen
    ):
        return None
    run, others = exhibit.run, _candidates(exhibit.run)
    ids = {token_id for word in others for token_id in word.ids}
    earlier = [number for number in run.layer_numbers if number != run.layer]
    return {
        "evidence": _evidence(run, ids),
        "layers": {number: _evidence(run.at_layer(number), ids) for number in earlier},
        "held": [_held(run, word) for word in others],
        "known": _known(run, ids),
        "told": computing_data(),
        "sliders": {
            "spec": _slider_spec(),
            "value": _slider_value(run, values),
            "words": file_words.SLIDERS,
            "layer": texts.LAYER,
        },
        "options": {
            **_option_props(exhibit, compared),
            "value": {c.method.name: _option_value(c) for c in exhibit.chosen},
            "title": texts.METHOD_OPTIONS,
            "words": texts.OPTIONS,
        },
    }


def _evidence(run: Run, ids: Iterable[int]) -> str:
    return base64.b64encode(evidence_message(run, ids)).decode()


def _candidates(run: Run) -> list[Unsaid]:
    """Return the words that the model might have said in place of those that it said."""
    subjects = [read_subject(run, item.subject) for place in places(run) for item in place]
    return [word for word in subjects if isinstance(word, Unsaid)]


def _known(run: Run, ids: Iterable[int]) -> dict[str, list[int]]:
    """Return the ids of all words that can be explained in place of others, by their text.

    Those are the words of prompt and answer, and the pieces with these ids.
    """
    known = {token_text.spelled(run.pieces.get(i, f"⟨{i}⟩")): [i] for i in sorted(ids)}
    for word in read_words(run):
        if run.chips[word.chips[0]].role != TEMPLATE:
            text = "".join(token_text.spelled(run.tokens.texts[token]) for token in word.tokens)
            known[text] = run.tokens.ids[list(word.tokens)].tolist()
    return known


def _held(run: Run, word: Unsaid) -> dict[str, Any]:
    """Return a word that was not said as the scripts keep it."""
    pieces = [run.pieces.get(i, f"⟨{i}⟩") for i in word.ids]
    return {
        "subject": {"at": word.at, "ids": list(word.ids)},
        "ids": list(word.ids),
        "texts": [token_text.spelled(piece) for piece in pieces],
        "probability": probability(run, word),
    }


def _shared_values(exhibit: Exhibit) -> dict[str, Any] | None:
    values = {name: METHODS["msea_arc"].settings()[name] for name in _SHARED}
    known = set(exhibit.run.alphas)
    values["scales"] = tuple(a for a in values["scales"] if a in known) or exhibit.run.alphas[:1]
    for name in _SHARED:
        chosen = [c.settings[name] for c in exhibit.chosen if name in c.settings]
        if any(value != chosen[0] for value in chosen):
            return None
        values[name] = chosen[0] if chosen else values[name]
    return values


def _slider_spec() -> dict[str, Any]:
    weights = controls.weight_spec()
    return controls.panel_spec().model_copy(update={"weights": weights}).as_json()


def _slider_value(run: Run, values: dict[str, Any]) -> dict[str, Any]:
    """Return the scales of the exhibit first, in its order, then the others that were recorded."""
    on = list(values["scales"])
    off = [alpha for alpha in run.alphas if alpha not in on]
    weights = values[controls.SCALE_WEIGHTS]
    return {
        "alphas": [[alpha, alpha in on] for alpha in (*on, *off)],
        "weights": weights and [*weights, *(1.0 for _ in off)],
        "k": values["k"],
        "beta": values["beta"],
    }


def _option_props(exhibit: Exhibit, compared: Sequence[Chosen]) -> dict[str, Any]:
    """Return the options of all methods that the file can show.

    Methods whose maps come from Python have none.
    """
    props = controls.option_props().as_json()
    names = {c.method.name for c in (*exhibit.chosen, *compared)}
    fixed: dict[str, Any] = {"knobs": [], "presets": {}}
    spec = [
        part if part["name"] in METHODS else {**part, **fixed}
        for part in props["spec"]
        if part["name"] in {*METHODS, *names}
    ]
    return {**props, "spec": spec}


def _option_value(chosen: Chosen) -> dict[str, Any]:
    if chosen.method.name not in METHODS:
        return {}
    return {k.name: chosen.settings[k.name] for k in controls.options(chosen.method)}
