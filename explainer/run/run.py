"""`Run`: a record with methods to save and load it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Self

from explainer.run import npz_file
from explainer.run.record import RunRecord


class Run(RunRecord):
    """One recorded answer, see `RunFields` for what it holds."""

    def save(self, file: str | Path | BinaryIO) -> None:
        """Write the run to an `.npz` file of plain arrays, without pickle; pictures are PNGs."""
        npz_file.write(self, file)

    @classmethod
    def load(cls, file: str | Path | BinaryIO, max_bytes: int = 1 << 30) -> Self:
        """Read a run that `save` wrote. The file may come from anybody, so everything is checked.

        Raises `RunError` if the file is not a run, is damaged, needs more memory than `max_bytes`,
        or holds values that no recording makes.
        """
        return npz_file.read(file, max_bytes, cls)
