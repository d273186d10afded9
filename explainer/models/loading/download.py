"""Download large files of the hub so that a stopped download goes on where it was.

huggingface_hub deletes what it has of a file when it is stopped. Here it stays in the cache, and
the next download asks for the rest. A whole file lies where huggingface_hub itself would put it: in
`blobs`, named by its checksum.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from huggingface_hub import constants, hf_hub_url
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import HfHubHTTPError, WeakFileLock, build_hf_headers
from tqdm import tqdm

from explainer.errors import ModelError

_BEYOND_END = 416  # the hub's file is shorter than the part that is here
_PIECE = 1 << 22  # bytes read at once for a checksum


@dataclass(frozen=True)
class LargeFile:
    """A file that the hub keeps by its checksum.

    Attributes:
        repo: the hub id.
        commit: the commit to take it from.
        name: its name in the repository.
        digest: SHA-256 of its bytes, in hex.
        nbytes: its size.
    """

    repo: str
    commit: str
    name: str
    digest: str
    nbytes: int

    @property
    def path(self) -> Path:
        """Return where the whole file lies in the cache of huggingface_hub."""
        return Path(constants.HF_HUB_CACHE, self._folder, "blobs", self.digest)

    @property
    def part(self) -> Path:
        """Return where its first bytes lie until it is whole."""
        return self.path.with_suffix(".incomplete")

    @property
    def lock(self) -> Path:
        """Return the file that huggingface_hub locks while it writes this one."""
        return Path(constants.HF_HUB_CACHE, ".locks", self._folder, f"{self.digest}.lock")

    @property
    def _folder(self) -> str:
        return repo_folder_name(repo_id=self.repo, repo_type="model")

    def held(self) -> int:
        """Return how many of its bytes are here already."""
        for file in (self.path, self.part):
            if file.is_file():
                return min(self.nbytes, file.stat().st_size)
        return 0


class Download:
    """How far a download is, and whether it is to stop."""

    def __init__(self) -> None:
        self._stop = Event()
        self._received: dict[str, int] = {}

    @property
    def done(self) -> int:
        """Return the bytes that are here, those of an earlier download too."""
        return sum(self._received.values())

    def stop(self) -> None:
        """Let the threads of the download end with `InterruptedError` at their next piece."""
        self._stop.set()

    def count(self, name: str, nbytes: int) -> None:
        """Note how many bytes of a file are here."""
        self._received[name] = nbytes

    def check(self) -> None:
        """Raise `InterruptedError` once the download is to stop."""
        if self._stop.is_set():
            raise InterruptedError("the download was stopped")

    def bar_class(self, name: str) -> type[tqdm]:
        """Return a class of progress bars for the hub client, which count one file; none is shown.

        Several files may share a name: the client counts small ones together.
        """
        download = self

        class Bar(tqdm):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs.pop("name", None)
                self._counts = kwargs.get("unit") == "B"
                super().__init__(*args, **{**kwargs, "file": _NullFile(), "disable": False})
                self._tell()

            def update(self, n: float | None = 1) -> bool | None:
                download.check()
                shown = super().update(n)
                self._tell()
                return shown

            def _tell(self) -> None:
                if self._counts:
                    download.count(name, int(self.n))

        return Bar

    def fetch(self, file: LargeFile, token: bool | None) -> None:
        """Download what is missing of a file; raise `ModelError` if its checksum is wrong.

        Args:
            file: the file.
            token: None to send the token of this machine, False to send none.
        """
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.lock.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(file.lock):
            self.check()
            if file.path.is_file():
                return
            try:
                self._receive(file, token)
            except HfHubHTTPError as error:
                if error.response.status_code != _BEYOND_END:
                    raise
                file.part.unlink()
                self._receive(file, token)
            if self._digest(file.part) != file.digest:
                file.part.unlink()
                raise ModelError(f"{file.repo} arrived damaged; load it again")
            file.part.replace(file.path)

    def _receive(self, file: LargeFile, token: bool | None) -> None:
        """Append to the part what is missing of it."""
        url = hf_hub_url(file.repo, file.name, revision=file.commit)
        with file.part.open("ab") as out:
            if out.tell() > file.nbytes:
                out.truncate(0)
                out.seek(0)
            http_get(
                url,
                out,
                resume_size=out.tell(),
                headers=build_hf_headers(token=token),
                expected_size=file.nbytes,
                tqdm_class=self.bar_class(file.name),
            )

    def _digest(self, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                self.check()
                digest.update(piece)
        return digest.hexdigest()


class _NullFile:
    """A file that discards everything."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass
