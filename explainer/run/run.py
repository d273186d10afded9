"""`Run`: a record that knows its own file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Self

from explainer.run import npz_file
from explainer.run.record import RunRecord


class Run(RunRecord):
    """One recorded answer, see `RunRecord` for what it holds."""

    def save(self, file: str | Path | BinaryIO) -> None:
        """Write the run as one `.npz` of plain arrays (no pickle); pictures are kept as PNG."""
        npz_file.write(self, file)

    @classmethod
    def load(cls, file: str | Path | BinaryIO, max_bytes: int = 1 << 30) -> Self:
        """Read a run that `save` wrote, whoever wrote it: nothing in the file is trusted.

        Raises `RunError` if the file is something else, is damaged, unpacks to more than
        `max_bytes`, or holds what no recording holds.
        """
        return npz_file.read(file, max_bytes, cls)
