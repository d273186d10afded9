"""The maps of one word as the page gets them, with the line beside the word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explainer.errors import SightlineError
from explainer.methods import Heatmap
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import (
    Subject,
    Unsaid,
    Word,
    places,
    probability,
    text_of,
    words_of,
)
from explainer.run import ROLE_NAMES, Run
from explainer.web import payload, texts, token_text
from explainer.web.controls import OFFERED, MethodSettings
from explainer.web.lacking import missing_of
from explainer.web.page_messages import DrawnEntry
from explainer.web.subjects import at_layer, heat_of, read_subject


def entry_of(run: Run, message: Any, settings: MethodSettings) -> DrawnEntry:
    """Return the maps of the subject that the page asks for, and the words beside them."""
    subject, looked = read_subject(run, message), at_layer(run, message)
    heats = {n: heat_or_why(run, message, n, knobs) for n, knobs in settings.knobs.items()}
    line = "  ·  ".join(filter(None, [_line(run, subject), _depth(run, looked)]))
    return payload.entry(run, message, _title(run, subject), heats, line)


def heat_or_why(run: Run, message: Any, name: str, knobs: Mapping[str, Any]) -> Heatmap | str:
    """Return the map of a subject, or why a method that asks the model has none."""
    method = OFFERED[name]
    if not isinstance(method, Comparison):
        return heat_of(run, message, method, knobs)
    if missing_of(run, message, MethodSettings((), {name: knobs})):
        return texts.NOT_COMPUTED.format(method=method.label)
    try:
        return heat_of(run, message, method, knobs)
    except SightlineError as error:
        return texts.in_words(error)


def _depth(run: Run, looked: Run) -> str:
    """Return at which layer the run is looked at, if that is not its last."""
    return "" if looked is run else texts.AT_LAYER.format(layer=looked.layer, all=run.layer)


def _title(run: Run, subject: Subject) -> str:
    """Return what people call a subject."""
    said = [token_text.visible(text_of(run, word)) for word in words_of(subject)]
    return said[0] if len(said) == 1 else texts.AGAINST.format(plus=said[0], minus=said[1])


def _line(run: Run, subject: Subject) -> str:
    """Return the line beside the chosen word: probability, model, time."""
    parts = [
        _chance(run, subject),
        *_whereabouts(run, words_of(subject)[0]),
        run.model_id,
        texts.time_spent(run.settings),
    ]
    return "  ·  ".join(filter(None, parts))


def _chance(run: Run, subject: Subject) -> str:
    """Return how probable the word was, or both words of a contrast; "" if it is not known."""
    shares = [texts.share(probability(run, word)) for word in words_of(subject)]
    if not all(shares):
        return ""
    if len(shares) == 1:
        return f"probability {shares[0]}"
    return texts.CHANCES.format(plus=shares[0], minus=shares[1])


def _whereabouts(run: Run, word: Word) -> list[str]:
    """Return where a word stands, if not in the answer, or would stand, and how it is spelled."""
    token = places(word)[0]
    parts = [texts.PLACES[ROLE_NAMES[run.tokens.roles[token]]]]
    if isinstance(word, Unsaid):
        spaced = text_of(run, word).startswith(" ")
        was = token_text.visible(run.tokens.texts[token])
        parts += [texts.IN_PLACE.format(word=was), texts.SPACED if spaced else texts.UNSPACED]
    return parts
