"""Turns at work that takes memory or processors, with bounds on who works and who waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from explainer.errors import SightlineError

BUSY = "others keep this server busy with the same just now; try again in a moment"


class Turns:
    """Lets so many callers work at once and so many wait; who waits in vain is told to come again.

    Args:
        at_once: callers that work at the same time.
        waiting: callers that wait for it; each holds a thread of the server.
        patience: seconds that a caller waits.
    """

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._work = BoundedSemaphore(at_once)
        self._room = BoundedSemaphore(at_once + waiting)
        self._patience = patience

    @contextmanager
    def take(self) -> Iterator[None]:
        """Work within this; raises `SightlineError` if too many do, or wait already."""
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
