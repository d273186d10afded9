"""Limit how many callers do expensive work at once, and how many wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from explainer.errors import SightlineError

BUSY = "this server is busy with the same work for others; try again in a moment"


class Turns:
    """A semaphore with a bounded queue and a timeout.

    Args:
        at_once: number of callers that work at the same time.
        waiting: number of callers that may wait; each holds a thread of the server.
        patience: seconds that a caller waits before it is refused.
    """

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._work = BoundedSemaphore(at_once)
        self._room = BoundedSemaphore(at_once + waiting)
        self._patience = patience

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a place within the context; raise `SightlineError` if none becomes free in time."""
        if not self._room.acquire(blocking=False):
            raise SightlineError(BUSY)
        try:
            if not self._work.acquire(timeout=self._patience):
                raise SightlineError(BUSY)
            try:
                yield
            finally:
                self._work.release()
        finally:
            self._room.release()
