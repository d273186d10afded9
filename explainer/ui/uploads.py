"""The files in the upload folder: bounded in number and bytes, and gone once they were recorded.

A picture is deleted when its run is recorded. For a page that still shows it, or asks about it
again, it is written again from the run, with the pixels that the model was given. Pictures of
examples stay, since they can be asked about after their run has expired, too. Videos stay until
they are old or make room.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gradio.utils import get_upload_folder
from PIL import Image

from explainer.run.store import RunStore
from explainer.ui.doors import Refused, upload_folder, uploaded_file
from explainer.ui.recent import Recent
from explainer.web import texts

MOST_BYTES, MOST_FILES = 2_000_000_000, 2_000  # in the upload folder
OLDEST = 7200.0  # seconds since a file was last asked for
GRACE = 60.0  # seconds since then in which it is not deleted
EVERY = 5.0  # seconds between two looks at the folder
MOST_REMEMBERED = 4_000  # pictures that can be written again from their runs


class _Kept(NamedTuple):
    """A file in the upload folder."""

    used: float  # when it was last asked for
    size: int
    path: Path


class Uploads:
    """Keep the upload folder small. Thread-safe.

    Args:
        store: of the runs that deleted pictures are written again from.
        examples: (H, W, 3) uint8 each, pictures that are not deleted after a recording.

    Attributes:
        waiting: returns the paths in requests that wait for their turn.
    """

    def __init__(self, store: RunStore, examples: Sequence[npt.NDArray[np.uint8]] = ()) -> None:
        self._store, self._examples = store, examples
        self.waiting: Callable[[], Iterable[str]] = tuple
        self._runs: Recent[Path, tuple[str, int]] = Recent(MOST_REMEMBERED)
        self._recorded: set[Path] = set()  # to be deleted by the last who uses them
        self._used: Counter[Path] = Counter()
        self._lock, self._swept, self._full = Lock(), 0.0, False

    def find(self, path: Any) -> Path:
        """Return the resolved path of an uploaded file, and note that it was asked for.

        A picture that was deleted is written again from its run. Raises as `uploaded_file` does.
        """
        try:
            found = uploaded_file(path)
        except Refused:
            found = self._restore(path)
        try:
            os.utime(found)
        except OSError:  # deleted just now
            raise Refused(texts.NO_UPLOAD) from None
        return found

    @contextmanager
    def using(self, paths: Iterable[str]) -> Iterator[None]:
        """Keep files within the context; those that were recorded are deleted at its end."""
        used = [found for path in paths if (found := _given_out(path))]
        with self._lock:
            self._used.update(used)
        try:
            yield
        finally:
            with self._lock:
                self._used.subtract(used)
                self._used += Counter()  # drops what nobody uses
                for path in self._recorded.intersection(used):
                    if not self._used[path]:
                        self._delete_recorded(path)

    def giving_up(self, steps: Iterator[Any], *sources: Any) -> Iterator[Any]:
        """Yield the steps of a recording; at its end delete the pictures that it was made of.

        Args:
            steps: the last one is a run and its name in the store.
            sources: paths of the pictures, lists of them, or None, in the order of the run's.
        """
        last: Any = None
        for last in steps:
            yield last
        paths = [part for s in sources for part in (s if isinstance(s, (list, tuple)) else [s])]
        given = [path for path in paths if path is not None]
        run, key = last
        if run.video is None and len(run.images) == len(given):
            for number, path in enumerate(given):
                if not self._is_example(run.images[number]):
                    self._give_up(path, key, number)

    def _is_example(self, picture: npt.NDArray[np.uint8]) -> bool:
        return any(np.array_equal(picture, example) for example in self._examples)

    def _give_up(self, path: Any, key: str, number: int) -> None:
        try:
            found = uploaded_file(path)
        except Refused:  # an array, or no upload
            return
        with self._lock:
            self._runs.keep(found, (key, number))
            self._recorded.add(found)
            if not self._used[found]:  # else the last who uses it deletes it
                self._delete_recorded(found)

    def _delete_recorded(self, path: Path) -> None:
        self._recorded.discard(path)
        _delete(path)

    def _restore(self, path: Any) -> Path:
        """Write a picture again from its run, and return its path."""
        known = _given_out(path)
        with self._lock:
            key, number = (known and self._runs.get(known)) or ("", 0)
            run = self._store.get(key)
            if known is None or run is None:
                raise Refused(texts.NO_UPLOAD)
            known.parent.mkdir(exist_ok=True)
            draft = known.with_name(f".{known.name}")
            Image.fromarray(run.images[number]).save(draft, "PNG", compress_level=1)
            os.replace(draft, known)
            self._recorded.discard(known)  # it stays until it was recorded again
        return known

    @property
    def due(self) -> bool:
        """Return whether it is time to `sweep` again."""
        return time.monotonic() - self._swept > EVERY

    def sweep(self) -> None:
        """Delete what is too old, and the oldest files as long as there is too much."""
        with self._lock:
            self._swept = time.monotonic()
            wanted = {_given_out(path) for path in self.waiting()}
            files = sorted(_files(upload_folder()))
            size, count, at = sum(f.size for f in files), len(files), time.time()
            for file in files:
                over = size > MOST_BYTES or count > MOST_FILES
                old = at - file.used > OLDEST
                if not (over or old) or at - file.used < GRACE:
                    break
                if not self._used[file.path] and file.path not in wanted:
                    _delete(file.path)
                    size, count = size - file.size, count - 1
            self._full = size > MOST_BYTES or count > MOST_FILES

    def check_room(self) -> None:
        """Raise `Refused` if there is no room for another upload."""
        if self._full or self.due:
            self.sweep()
        if self._full:
            raise Refused(texts.NO_ROOM)


def paths_in(value: Any) -> Iterator[str]:
    """Yield the paths of all files in a value."""
    if isinstance(value, Mapping):
        if isinstance(value.get("path"), str):
            yield value["path"]
        for part in value.values():
            yield from paths_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from paths_in(part)


def _given_out(path: Any) -> Path | None:
    """Return the path that this server could have given to a file of that name.

    None if it gives out no such paths. The disk is not looked at.
    """
    if not isinstance(path, str) or "\0" in path:
        return None
    given, folder = Path(path), upload_folder()
    if given.parent.parent not in (folder, Path(get_upload_folder())):
        return None
    return folder / given.parent.name / given.name


def _files(folder: Path) -> Iterator[_Kept]:
    """Yield the files in the folder, those that are being received too."""
    for path in (*folder.glob("*/*"), *folder.glob("*")):
        try:
            status = path.lstat()
        except OSError:
            continue
        if not path.is_dir() or path.is_symlink():
            yield _Kept(status.st_mtime, status.st_size, path)


def _delete(path: Path) -> None:
    """Delete a file, and the folder of its hash if nothing else is in it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or the upload folder
        path.parent.rmdir()
