"""Values of the last few requests, such as results that a later request may use."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Kept = TypeVar("Kept")


class Recent(Generic[Key, Kept]):
    """Keep values by key; the oldest goes when there are more than `most`. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._values: OrderedDict[Key, Kept] = OrderedDict()

    def keep(self, key: Key, value: Kept) -> None:
        """Keep a value as the newest."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def get(self, key: Key) -> Kept | None:
        """Return the value of a key; None if there is none, or no longer."""
        with self._lock:
            return self._values.get(key)
