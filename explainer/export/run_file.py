"""The record itself, from which everything else can be made again."""

from __future__ import annotations

import io

from explainer.export.exhibit import Exhibit


def run_file(exhibit: Exhibit) -> bytes:
    """Return the `.npz` of the run, see `Run.save`; methods and words play no part."""
    buffer = io.BytesIO()
    exhibit.run.save(buffer)
    return buffer.getvalue()
