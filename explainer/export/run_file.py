"""The record itself, from which everything else can be made again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from explainer.export.exhibit import Exhibit


def run_file(exhibit: Exhibit) -> bytes:
    """Return the `.npz` of the run, see `Run.save`; methods and words play no part."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        exhibit.run.save(path)
        return path.read_bytes()
