"""Keep recent runs in memory, up to a number of bytes, under keys that cannot be guessed."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.run.memory import estimate_memory
from explainer.run.run import Run

MAX_BYTES = 1 << 30


class RunStore:
    """A thread-safe LRU of runs, bounded in bytes.

    A run that is larger than the bound all by itself is kept alone, in place of all others: it was
    just recorded, and somebody is waiting to look at it.

    Args:
        max_bytes: bound on the sum of `estimate_memory` of all runs held.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be positive, got {max_bytes}")
        self.max_bytes = max_bytes
        self._secret = secrets.token_bytes(32)
        self._runs: OrderedDict[str, tuple[Run, int]] = OrderedDict()
        self._nbytes = 0
        self._lock = Lock()

    def key(
        self,
        image: bytes | npt.NDArray[np.uint8],
        prompt: str,
        model_id: str,
        settings: Mapping[str, Any],
    ) -> str:
        """Return the key of the run for this request: 32 hex digits.

        Equal requests have equal keys in one store. Keys are derived with a random secret of the
        store, so they cannot be computed by others, and a key serves as permission to see the run.
        `settings` must be JSON values.
        """
        picture = image if isinstance(image, bytes) else _array_bytes(image)
        request = json.dumps([prompt, model_id, dict(settings)], sort_keys=True).encode()
        hashed = hashlib.blake2b(key=self._secret, digest_size=16)
        for part in (picture, request):
            hashed.update(len(part).to_bytes(8, "big") + part)
        return hashed.hexdigest()

    def get(self, key: str) -> Run | None:
        """Return the run and mark it as recently used; None if it is not in the store."""
        with self._lock:
            if key not in self._runs:
                return None
            self._runs.move_to_end(key)
            return self._runs[key][0]

    def put(self, key: str, run: Run) -> None:
        """Store a run, replacing one of the same key, and evict the least recently used."""
        size = estimate_memory(run)
        with self._lock:
            self._drop(key)
            self._runs[key] = (run, size)
            self._nbytes += size
            while self._nbytes > self.max_bytes and len(self._runs) > 1:
                self._drop(next(iter(self._runs)))

    def _drop(self, key: str) -> None:
        _, size = self._runs.pop(key, (None, 0))
        self._nbytes -= size

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def nbytes(self) -> int:
        """Return the sum of `estimate_memory` of all runs held."""
        return self._nbytes


def _array_bytes(image: npt.NDArray[np.uint8]) -> bytes:
    return repr((image.shape, image.dtype.str)).encode() + np.ascontiguousarray(image).tobytes()
