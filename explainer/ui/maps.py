"""What the page asks of a stored run besides its evidence: maps that a model made, and the words at
the places of the pictures."""

from __future__ import annotations

from typing import Any

from explainer.errors import RunError, SightlineError
from explainer.methods import COMPARISON
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.web import controls, texts
from explainer.web.controls import MethodSettings
from explainer.web.lacking import missing_of
from explainer.web.map_entry import entry_of
from explainer.web.messages import Value, failed
from explainer.web.places import place_words

MOST_SUBJECTS = 32


class Maps:
    """Answers the page's requests from a store of runs; never asks a model."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def compared(self, asked: Any) -> Value:
        """Return the maps of comparison methods, which the page cannot compute.

        Args:
            asked: {run, subjects, options} as the page's scripts send it; options of comparison
                methods alone.

        Returns:
            {"maps": list of `payload.entry`}, each with "need" if the model has yet to make some of
            its maps; or {"text", "kind"} if something is wrong.
        """
        try:
            run, settings = stored(self._store, controls.read_run(asked)), _settings(asked)
            return {
                "maps": [
                    entry_of(run, subject, settings)
                    | {"need": bool(missing_of(run, subject, settings))}
                    for subject in _subjects(asked)
                ]
            }
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


def _settings(asked: Any) -> MethodSettings:
    settings = controls.read_settings(controls.panel_value(), asked.get("options"))
    if not settings.knobs.keys() <= COMPARISON.keys():
        raise SightlineError(texts.BAD_REQUEST)
    return settings


def _subjects(asked: Any) -> list[Any]:
    subjects = asked.get("subjects")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= MOST_SUBJECTS:
        raise SightlineError(texts.BAD_REQUEST)
    return subjects
