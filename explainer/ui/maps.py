"""The maps that the page asks for: of what is chosen at once, of all the rest in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from explainer.errors import RunError, SightlineError
from explainer.methods import Heatmap
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import Subject, Unsaid, Word, places, probability, text_of, words_of
from explainer.run.run import ANSWER, PROMPT, Run
from explainer.run.store import RunStore
from explainer.ui.missing import missing_of, missing_scales
from explainer.web import controls, payload, texts
from explainer.web.controls import OFFERED, Settings
from explainer.web.messages import Value, busy, failed
from explainer.web.places import place_words
from explainer.web.subjects import at_layer, heat_of, read_subject
from explainer.web.texts import listed

BATCH_BYTES = 600_000  # of map data in one reply, so that no click waits long behind it
BATCH_SECONDS = 0.3
MOST_SUBJECTS = 256


class Maps:
    """Answers the page's requests for maps from a store of runs; never asks a model."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def maps(self, asked: Any) -> Value:
        """Return the maps of as many of the asked subjects as fit in a batch, in their order.

        Args:
            asked: {run, subjects, panel, options} as the page's scripts send it.

        Returns:
            {"maps": list of `payload.entry`}, each with "need" if maps of methods that ask the
            model are still to be computed for it; or {"busy", "need"} if scales have to be recorded
            first, or {"text", "kind"} if something is wrong.
        """
        try:
            key, subjects = _read(asked)
            settings = controls.read_settings(asked.get("panel"), asked.get("options"))
            run = stored(self._store, key)
            missing = missing_scales(run, settings.needed)
            if missing:
                return busy(texts.BUSY_ADDING.format(scales=listed(missing))) | {"need": missing}
            return {"maps": list(_batch(run, subjects, settings))}
        except Exception as error:
            return failed(error)

    def places(self, asked: Any) -> Value:
        """Return the words at each place of the pictures of a run, as `place_words` gives them.

        Args:
            asked: {run} as the page's scripts send it.
        """
        try:
            return place_words(stored(self._store, controls.read_run(asked)))
        except Exception as error:
            return failed(error)


def stored(store: RunStore, key: str) -> Run:
    """Return a run by its id; `RunError` if it has expired."""
    run = store.get(key)
    if run is None:
        raise RunError(texts.EXPIRED)
    return run


def _read(asked: Any) -> tuple[str, list[Any]]:
    subjects = controls.read_mapping(asked).get("subjects")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MOST_SUBJECTS:
        raise SightlineError(texts.BAD_REQUEST)
    return controls.read_run(asked), subjects


def _batch(run: Run, subjects: Sequence[Any], settings: Settings) -> Iterator[Value]:
    begun, size = time.perf_counter(), 0
    for asked in subjects:
        started = time.perf_counter()
        entry = entry_of(run, asked, settings)
        ended = time.perf_counter()
        spent = texts.duration(ended - started)
        need = bool(missing_of(run, asked, settings))
        yield entry | {"line": f"{entry['line']}  ·  maps in {spent}", "need": need}
        size += sum(len(part["data"]) for sent in entry["maps"] for part in sent["parts"])
        if size > BATCH_BYTES or ended - begun > BATCH_SECONDS:
            return


def entry_of(run: Run, asked: Any, settings: Settings) -> Value:
    """Return the maps of what the page asks for, and the words beside them."""
    subject, looked = read_subject(run, asked), at_layer(run, asked)
    heats = {name: heat_or_why(run, asked, name, knobs) for name, knobs in settings.knobs.items()}
    line = "  ·  ".join(filter(None, [_line(run, subject), _depth(run, looked)]))
    return payload.entry(run, asked, _title(run, subject), heats, line)


def heat_or_why(run: Run, asked: Any, name: str, knobs: Mapping[str, Any]) -> Heatmap | str:
    """Return the map of what the page asks for, or why a method that asks the model has none."""
    method = OFFERED[name]
    if not isinstance(method, Comparison):
        return heat_of(run, asked, method, knobs)
    if missing_of(run, asked, Settings((), {name: knobs})):
        return texts.NOT_COMPUTED.format(method=method.label)
    try:
        return heat_of(run, asked, method, knobs)
    except SightlineError as error:
        return texts.in_words(error)


def _depth(run: Run, looked: Run) -> str:
    """Return at which layer the run is looked at, if that is not its last."""
    return "" if looked is run else texts.AT_LAYER.format(layer=looked.layer, all=run.layer)


def _title(run: Run, subject: Subject) -> str:
    """Return what people call a subject."""
    said = [texts.visible(text_of(run, word)) for word in words_of(subject)]
    return said[0] if len(said) == 1 else texts.AGAINST.format(plus=said[0], minus=said[1])


def _line(run: Run, subject: Subject) -> str:
    """Return the line beside the chosen word: probability, model, time."""
    parts = [
        _chance(run, subject),
        *_whereabouts(run, words_of(subject)[0]),
        run.model_id,
        _time(run),
    ]
    return "  ·  ".join(filter(None, parts))


def _time(run: Run) -> str:
    seconds = run.settings.get("seconds")
    total = sum(seconds.values()) if isinstance(seconds, Mapping) else seconds
    if not total:
        return ""
    spent = texts.duration(total)
    given = run.settings.get("decoding") == "given"
    return texts.GIVEN.format(time=spent) if given else f"answered in {spent}"


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
    role = run.tokens.roles[token]
    parts = ["" if role == ANSWER else texts.OF_PROMPT if role == PROMPT else texts.OF_TEMPLATE]
    if isinstance(word, Unsaid):
        spaced = text_of(run, word).startswith(" ")
        was = texts.visible(run.tokens.texts[token])
        parts += [texts.IN_PLACE.format(word=was), texts.SPACED if spaced else texts.UNSPACED]
    return parts
