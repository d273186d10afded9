"""A load under way: how far it is, who watches it, and what became of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

from explainer.errors import LoadCancelled
from explainer.models.loading.catalogue import Entry

TICK = 0.2  # seconds between two looks at a load


@dataclass(frozen=True)
class LoadProgress:
    """How far a load is.

    Attributes:
        name: of the model.
        stage: in words.
        fraction: 0 to 1 within the stage, None if not known.
        seconds: since the start.
        ticket: what `cancel` takes; "" for those who only watch.
    """

    name: str
    stage: str
    fraction: float | None
    seconds: float
    ticket: str = ""


@dataclass(eq=False)
class LoadTask:
    """A load under way, in a thread of its own.

    Attributes:
        entry: what is loaded.
        stage, done, total: how far it is, see `LoadStep`.
        began: on the clock of `time.monotonic`.
        ticket: known to who asked for it, and what it can be cancelled with.
        cancelled: set when it shall end at its next step.
        ended: set when it has, by itself or not.
        error: what it has failed with.
        freed: the model that went to make room for it.
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

    def at(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Remember how far it is."""
        self.stage, self.done, self.total = stage, done, total

    def progress(self, ticket: str) -> LoadProgress:
        """Return how far it is, for somebody who holds this ticket."""
        fraction = min(1.0, self.done / self.total) if self.total else None
        seconds = time.monotonic() - self.began
        return LoadProgress(self.entry.id, self.stage, fraction, seconds, ticket)

    def watch(self, ticket: str) -> Iterator[LoadProgress]:
        """Yield how far it is until it has ended; raise what it has failed with."""
        yield self.progress(ticket)
        while not self.ended.wait(TICK):
            yield self.progress(ticket)
        if self.error:
            raise self.error

    def stopped(self) -> LoadCancelled:
        """Return the error that ends it once it was cancelled."""
        return LoadCancelled(f"loading {self.entry.id} was stopped")
