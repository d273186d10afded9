"""Export the run itself."""

from __future__ import annotations

import io

from explainer.export.exhibit import Exhibit


def run_file(exhibit: Exhibit) -> bytes:
    """Return the `.npz` file of the run, see `Run.save`; methods and words are not used."""
    buffer = io.BytesIO()
    exhibit.run.save(buffer)
    return buffer.getvalue()
