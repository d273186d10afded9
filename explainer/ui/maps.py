"""The maps that the page asks for: of what is chosen at once, of all the rest in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from explainer.errors import RunError, SightlineError
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.web import controls, texts
from explainer.web.controls import MethodSettings
from explainer.web.lacking import missing_of, missing_scales
from explainer.web.map_entry import entry_of
from explainer.web.messages import Value, busy, failed
from explainer.web.places import place_words
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


def _batch(run: Run, subjects: Sequence[Any], settings: MethodSettings) -> Iterator[Value]:
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
