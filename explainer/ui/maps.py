"""What the page asks of a stored run besides its evidence.

These are maps that a model made, and the words at the places of the pictures.
"""

from __future__ import annotations

from typing import Any

from explainer.errors import RunError, SightlineError
from explainer.methods import COMPARISON
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.web import controls, texts
from explainer.web.calls import Explained, SubjectsCall, read_call
from explainer.web.controls import MethodSettings
from explainer.web.lacking import missing_of
from explainer.web.map_entry import entry_of
from explainer.web.messages import Value, failed
from explainer.web.page_messages import ComparedMaps, DrawnEntry
from explainer.web.places import place_words


class Maps:
    """Answers the page's requests from a store of runs; never asks a model."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def compared(self, message: Any) -> Value:
        """Return `ComparedMaps`, which the page cannot compute itself.

        Args:
            message: a `SubjectsCall`, with options of comparison methods alone.
        """
        try:
            call = read_call(SubjectsCall, message)
            run, settings = stored(self._store, call.run), _settings(call)
            return ComparedMaps(
                maps=[_entry(run, subject, settings) for subject in call.subjects]
            ).as_json()
        except Exception as error:
            return failed(error)

    def places(self, message: Any) -> Value:
        """Return the words at each place of the pictures of a run, as `place_words` gives them.

        Args:
            message: a `RunCall`.
        """
        try:
            return place_words(stored(self._store, controls.read_run(message)))
        except Exception as error:
            return failed(error)


def stored(store: RunStore, key: str) -> Run:
    """Return a run by its id; `RunError` if it has expired."""
    run = store.get(key)
    if run is None:
        raise RunError(texts.EXPIRED)
    return run


def _entry(run: Run, subject: Explained, settings: MethodSettings) -> DrawnEntry:
    need = bool(missing_of(run, subject, settings))
    return entry_of(run, subject, settings).model_copy(update={"need": need})


def _settings(call: SubjectsCall) -> MethodSettings:
    settings = controls.read_settings(controls.panel_value(), call.options)
    if not settings.knobs.keys() <= COMPARISON.keys():
        raise SightlineError(texts.BAD_REQUEST)
    return settings
