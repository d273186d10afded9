"""The state of a model that is being loaded."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

from explainer.errors import LoadCancelled
from explainer.models.loading.catalogue import Entry

TICK = 0.2  # seconds between two progress reports
_FOLDERS = re.compile(r"(?<![\w/:.])/(?:[^/\s'\"]+/)+")


@dataclass(frozen=True)
class LoadProgress:
    """Progress of a load.

    Attributes:
        name: id of the model.
        stage: the stage in words.
        fraction: 0 to 1 within the stage, or None if not known.
        seconds: time since the start.
        ticket: the argument of `Models.cancel`; "" for those who only watch.
    """

    name: str
    stage: str
    fraction: float | None
    seconds: float
    ticket: str = ""


@dataclass(eq=False)
class LoadTask:
    """A load in progress, in a thread of its own.

    Attributes:
        entry: the model that is loaded.
        stage, done, total: its progress, see `LoadStep`.
        began: start on the clock of `time.monotonic`.
        ticket: secret of the caller who started the load, needed to cancel it.
        cancelled: set to end the load at its next step.
        ended: set when the load has ended, by success, error or cancellation.
        error: the error that ended it, or None.
        freed: the model that was closed to make room for it, or None.
        at_start: whether the server starts with this model.
    """

    entry: Entry
    stage: str = "starting"
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.monotonic)
    ticket: str = field(default_factory=lambda: secrets.token_hex(8))
    cancelled: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)
    error: Exception | None = None
    freed: Entry | None = None
    at_start: bool = False

    def update(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Set the progress."""
        self.stage, self.done, self.total = stage, done, total

    def progress(self, ticket: str) -> LoadProgress:
        """Return the progress, with this ticket."""
        fraction = min(1.0, self.done / self.total) if self.total else None
        seconds = time.monotonic() - self.began
        return LoadProgress(self.entry.id, self.stage, fraction, seconds, ticket)

    def watch(self, ticket: str) -> Iterator[LoadProgress]:
        """Yield the progress until the load has ended; raise its error if there is one."""
        yield self.progress(ticket)
        while not self.ended.wait(TICK):
            yield self.progress(ticket)
        if self.error:
            raise self.error

    def make_cancelled(self) -> LoadCancelled:
        """Return the error of a load that was cancelled."""
        return LoadCancelled(f"loading {self.entry.id} was stopped")


def remove_folders(text: str, entry: Entry) -> str:
    """Shorten absolute paths in a message to their last part, so that visitors see no folders."""
    return _FOLDERS.sub("", text if entry.folder is None else text.replace(entry.source, entry.id))
