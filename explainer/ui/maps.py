"""The maps that the page asks for: of what is chosen at once, of all the rest in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from explainer.errors import RunError, SightlineError
from explainer.run import ANSWER, Run
from explainer.store import RunStore
from explainer.subjects import Subject, places, probability, text_of, words_of
from explainer.ui import controls, payload, texts
from explainer.ui.controls import Settings
from explainer.ui.subjects import heatmaps, read_subject
from explainer.ui.texts import in_words, listed

Value = dict[str, Any]
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
            {"maps": list of `payload.entry`}, or {"busy", "need"} if scales have to be recorded
            first, or {"text", "kind"} if something is wrong.
        """
        try:
            key, subjects = _read(asked)
            settings = controls.read_settings(asked.get("panel"), asked.get("options"))
            run = stored(self._store, key)
            missing = missing_scales(run, settings.needed)
            if missing:
                return {"busy": texts.BUSY_ADDING.format(scales=listed(missing)), "need": missing}
            return {"maps": list(_batch(run, subjects, settings))}
        except Exception as error:
            return {"text": in_words(error), "kind": "error"}


def stored(store: RunStore, key: str) -> Run:
    """Return a run by its id; `RunError` if it has expired."""
    run = store.get(key)
    if run is None:
        raise RunError(texts.EXPIRED)
    return run


def missing_scales(run: Run | None, scales: Sequence[float]) -> tuple[float, ...]:
    """Return the scales that were not recorded yet."""
    known = run.alphas if run else ()
    return tuple(a for a in scales if all(abs(a - b) >= 1e-6 for b in known))


def _read(asked: Any) -> tuple[str, list[Any]]:
    if not isinstance(asked, Mapping):
        raise SightlineError(texts.BAD_REQUEST)
    subjects = asked.get("subjects")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MOST_SUBJECTS:
        raise SightlineError(texts.BAD_REQUEST)
    return controls.read_run(asked), subjects


def _batch(run: Run, subjects: Sequence[Any], settings: Settings) -> Iterator[Value]:
    begun, size = time.perf_counter(), 0
    for asked in subjects:
        started = time.perf_counter()
        subject = read_subject(run, asked)
        heats = heatmaps(run, subject, settings)
        ended = time.perf_counter()
        line = _line(run, subject, ended - started)
        entry = payload.entry(run, asked, _title(run, subject), heats, line)
        yield entry
        size += sum(len(part["data"]) for sent in entry["maps"] for part in sent["parts"])
        if size > BATCH_BYTES or ended - begun > BATCH_SECONDS:
            return


def _title(run: Run, subject: Subject) -> str:
    """Return what people call a subject."""
    return texts.visible(text_of(run, words_of(subject)[0]))


def _line(run: Run, subject: Subject, spent: float) -> str:
    """Return the line beside the chosen word: probability, model, times."""
    word = words_of(subject)[0]
    seconds = run.settings.get("seconds")
    total = sum(seconds.values()) if isinstance(seconds, Mapping) else seconds
    chance = texts.share(probability(run, word))
    of_answer = all(run.tokens.roles[list(places(word))] == ANSWER)
    parts = [
        f"probability {chance}" if chance else "",
        "" if of_answer else "word of the prompt",
        run.model_id,
        f"answered in {texts.duration(total)}" if total else "",
        f"maps in {texts.duration(spent)}",
    ]
    return "  ·  ".join(filter(None, parts))
