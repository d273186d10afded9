"""Files to keep of what the page shows: figures, films, data, one page for everything.

A file goes straight to the browser that asked and is kept nowhere: there is nothing that another
visitor could come upon, and nothing to clean up.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Any

from explainer.errors import SightlineError
from explainer.export import Chosen, Exhibit, Look, chips, title, words
from explainer.export.film import film_gif, film_webp
from explainer.export.fonts import warn_about_undrawable
from explainer.methods.subjects import Subject
from explainer.run import PROMPT
from explainer.run.store import RunStore
from explainer.ui.maps import stored
from explainer.ui.recent import Recent
from explainer.web import controls, texts
from explainer.web.calls import SaveCall, read_call
from explainer.web.controls import OFFERED
from explainer.web.formats import DRAWN, RECORD, WORD, Format, find_format
from explainer.web.lacking import check_saved
from explainer.web.messages import SavedFile, Value, failed
from explainer.web.page_messages import FilmProgress
from explainer.web.subjects import at_layer, read_subject

AT_ONCE = 2  # files that are made at the same time
PATIENCE = 60.0  # seconds to wait for one's turn
MOST_TICKETS = 64
FILMS = {"gif": film_gif, "webp": film_webp}


class Saving:
    """Make the files that visitors ask for, from a store of runs; never asks a model."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._turns = BoundedSemaphore(AT_ONCE)
        self._progress: Recent[str, FilmProgress] = Recent(MOST_TICKETS)

    def save(self, message: Any) -> Value:
        """Return a `SavedFile` of what the page shows, or a message.

        Args:
            message: a `SaveCall`. The layer of the subject is that of all words; a record keeps
                every layer.
        """
        try:
            call = read_call(SaveCall, message)
            form = find_format(call.format)
            exhibit = self._exhibit(call, form)
            if not self._turns.acquire(timeout=PATIENCE):
                raise SightlineError(texts.SAVE_LATER)
            try:
                data = self._make(exhibit, form, call.ticket)
            finally:
                self._turns.release()
            name = f"{_stem(exhibit, form)}.{form.name}"
            note = (
                warn_about_undrawable((exhibit.run.prompt, exhibit.run.answer))
                if form.name in DRAWN
                else ""
            )
            encoded = base64.b64encode(data).decode()
            return SavedFile(name=name, mime=form.mime, note=note, data=encoded).as_json()
        except Exception as error:
            return failed(error)

    def progress(self, ticket: Any) -> Value:
        """Return the `FilmProgress` of the film with this ticket."""
        known = self._progress.get(ticket) if isinstance(ticket, str) else None
        return (known or FilmProgress()).as_json()

    def _exhibit(self, call: SaveCall, form: Format) -> Exhibit:
        run = stored(self._store, call.run)
        settings = controls.read_settings(call.panel, call.options)
        chosen = tuple(Chosen(OFFERED[name], knobs) for name, knobs in settings.knobs.items())
        subjects: Sequence[Subject]
        if form.scope == WORD:
            subjects = [read_subject(run, call.subject)]
        else:
            subjects = form.pieces(run) or words(run, PROMPT) or chips(run, PROMPT)
        looked = run if form.scope == RECORD else at_layer(run, call.subject)
        if form.scope != RECORD:
            check_saved(run, looked, subjects, settings)
        if looked is not run:  # maps of comparison methods are of the whole model
            looked = replace(looked, attributions={}, attribution_notes={})
        look = Look.of(call.look)
        return Exhibit(looked, chosen, tuple(subjects), look)

    def _make(self, exhibit: Exhibit, form: Format, ticket: str | None) -> bytes:
        if form.name not in FILMS or ticket is None:
            return form.make(exhibit)

        def hear(done: int, total: int) -> None:
            self._progress.keep(ticket[:64], FilmProgress(done=done, total=total))

        return FILMS[form.name](exhibit, hear)


def _stem(exhibit: Exhibit, form: Format) -> str:
    """Return the name of a file: letters, digits and dashes, whatever the words are."""
    about = title(exhibit.run, exhibit.subjects[0]) if form.scope == WORD else exhibit.run.prompt
    slug = re.sub(r"[^a-z0-9]+", "-", about.lower()).strip("-")[:40].strip("-")
    return f"sightline-{slug}" if slug else "sightline"
