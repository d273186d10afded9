"""Switch between two models in a process of its own, and print its memory at each step as JSON.

    python -m tests.switching FOLDER FOLDER

The first switch has memory for both models, the second has not. Only for Linux.
"""

from __future__ import annotations

import json
import os
import sys
import threading

from explainer.models.loading.catalogue import entry_for
from explainer.recording.load import load
from explainer.serving.model_pool import Models
from tests import tiny


def main(*folders: str) -> None:
    """Load the models in turn, ask each a question, and come back to the first."""
    entries, free = [entry_for(f) for f in folders], [0]
    models = Models(
        entries, lambda entry, **how: load(entry.source, device="cpu", **how), free=lambda: free[0]
    )
    models.start()
    told = []
    for entry, free[0] in [(entries[0], 0), (entries[1], 10**12), (entries[0], 0)]:
        with Peak() as peak:
            for _ in models.load(entry.id):
                pass
            with models.use(entry.id):  # only now are all weights read from their file
                models.loaded(entry.id).record(tiny.image(), "What is this?", max_new_tokens=4)
        told.append((memory(), peak.highest))
    print(json.dumps({"told": told, "weights": max(e.parameters for e in entries) * 4}))


def memory() -> int:
    """Return the bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """Watches the memory of this process from a thread."""

    def __enter__(self) -> Peak:
        self.highest, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.highest = max(self.highest, memory())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
