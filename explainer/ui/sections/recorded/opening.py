"""Recorded runs that are opened: files that visitors bring, and those of the gallery.

An opened run is a run of the store like any other: chips, maps and sliders work at the scales that
were read; a new scale or word needs the model that recorded it.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from explainer.errors import RunError, SightlineError
from explainer.run import ANSWER, Run
from explainer.run.store import RunStore
from explainer.serving.turns import Turns
from explainer.ui.gallery import GalleryRun
from explainer.ui.handlers import NOTHING
from explainer.ui.sections.recorded import words
from explainer.web import controls, payload, texts
from explainer.web.lacking import missing_scales
from explainer.web.messages import Value, failed, said

MOST_BYTES = 64_000_000  # of a file; a run of a large model at five scales has a third of it
MOST_IN_USE = 256_000_000  # that a run may take once it is looked at
AT_ONCE, MOST_WAITING = 1, 8  # files that are opened at the same time, and that wait for it
PATIENCE = 20.0  # seconds to wait for one's turn


class OpenedRun(NamedTuple):
    """New values of the drawn components, and of the sliders, when a run is opened."""

    bar: Value
    view: Value
    backdrop: Value
    notice: Value
    panel: Any


class Opening:
    """Opens recorded runs into a store.

    Args:
        store: where they go, under names that nobody can guess.
        gallery: the runs that `choose` opens by number.
    """

    def __init__(self, store: RunStore, gallery: Sequence[GalleryRun] = ()) -> None:
        self._store, self._gallery = store, tuple(gallery)
        self._turns = Turns(AT_ONCE, MOST_WAITING, PATIENCE)

    def upload(self, path: Any, panel: Any) -> OpenedRun:
        """Return the page with the run of an uploaded file; or a message, and the rest stays."""
        try:
            if not isinstance(path, str):
                raise RunError(texts.BAD_REQUEST)
            return self._page(Path(path), panel)
        except Exception as error:
            return OpenedRun(NOTHING, NOTHING, NOTHING, failed(error), panel)

    def choose(self, index: Any, panel: Any) -> OpenedRun:
        """Return the page with a run of the gallery."""
        try:
            shown = self._gallery[controls.read_index(index, len(self._gallery))]
            return self._page(shown.path, panel)
        except Exception as error:
            return OpenedRun(NOTHING, NOTHING, NOTHING, failed(error), panel)

    def _page(self, path: Path, panel: Any) -> OpenedRun:
        run, key = self._open(path)
        note = _describe(run) if len(run.indices(ANSWER)) else texts.EMPTY_ANSWER
        return OpenedRun(
            payload.bar(run, key),
            said(note, "note"),
            payload.picture(run, key),
            said("", ""),
            with_scales(panel, run),
        )

    def _open(self, path: Path) -> tuple[Run, str]:
        """Return a run from a file and its name in the store; the same file has the same name."""
        if path.stat().st_size > MOST_BYTES:
            raise RunError(words.RUN_TOO_LARGE.format(most=MOST_BYTES // 1_000_000))
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        key = self._store.key(digest, "", "", {"opened": True})
        run = self._store.get(key)
        if run is None:
            with self._turns.take():
                run = Run.load(path, min(MOST_IN_USE, self._store.max_bytes))
            if payload.first_chip(run) is None:
                raise RunError(words.RUN_EMPTY)
            self._store.put(key, run)
        return run, key


def _describe(run: Run) -> str:
    """Return whose answer it is and what can be done with it."""
    prompt = textwrap.shorten(run.prompt, words.LONGEST_PROMPT, placeholder="…")
    return words.OPENED.format(model=run.model_id, prompt=prompt)


def with_scales(panel: Any, run: Run) -> Any:
    """Return the value of the sliders with scales on that the run was read at.

    If all that are on were read, it comes back as it is; else those of the run take their places.
    """
    try:
        wanted = controls.read_alphas(panel)
    except SightlineError:
        return panel
    if not missing_scales(run, wanted):
        return panel
    bounds = controls.panel_spec().scales
    spare = [alpha for alpha, _ in bounds.defaults]
    read = [round(a, 4) for a in run.alphas if bounds.low <= a <= bounds.high][: len(spare)]
    pairs = [[alpha, True] for alpha in sorted(read)]
    pairs += [[alpha, False] for alpha in spare if alpha not in read]
    return {**panel, "alphas": pairs[: len(spare)], "weights": None}
