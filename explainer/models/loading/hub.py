"""Resolve a hub id to a folder: look it up once, then download it or use the cache.

The look-up is one request without retries, so that a machine without network fails at once. The
download uses the retries of the hub client.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import HfApi, constants, errors

from explainer.errors import ModelError
from explainer.models.loading.download import Download, LargeFile
from explainer.models.loading.options import DOWNLOADING, LoadStep, OnProgress
from explainer.models.loading.weights import weight_files

# Seconds to wait for a connection, for a piece of the answer, for room to write, for a free socket.
# A slow link is slow after it is connected; only the first figure decides that there is no network.
# The hub's client hands them on to httpx, which takes all four.
_PATIENCE: Any = (4.0, 20.0, 20.0, 4.0)
_TELL_EVERY = 0.2  # seconds
_AT_ONCE = 4  # files
RESERVE = 0.1  # bytes of disk space that models of visitors leave free
_WORDS = ("*.json", "*.txt", "*.model", "*.jinja", "README.md")  # all but the weights


@dataclass(frozen=True, eq=False)
class Listing:
    """The files of a hub id.

    Attributes:
        name: the hub id.
        revision: the requested revision.
        commit: the commit that it refers to.
        sizes: bytes of each file in its top folder.
        digests: SHA-256 in hex of those that the hub keeps by it, which all large ones are.
        token: as passed to `look_up`.
    """

    name: str
    revision: str | None
    commit: str
    sizes: Mapping[str, int]
    digests: Mapping[str, str]
    token: bool | None = None

    @property
    def words(self) -> list[str]:
        """Return the names of the small files: configs, tokenizer, templates, the card."""
        return [n for n in self.sizes if any(fnmatch.fnmatch(n, p) for p in _WORDS)]

    @property
    def weights(self) -> list[str]:
        """Return the names of the safetensors files that transformers would read."""
        if "model.safetensors" in self.sizes:
            return ["model.safetensors"]
        return sorted(n for n in self.sizes if fnmatch.fnmatch(n, "model-*-of-*.safetensors"))

    def large(self, names: Iterable[str]) -> list[LargeFile]:
        """Return those of these files that can go on where a download of them was stopped."""
        return [
            LargeFile(self.name, self.commit, n, self.digests[n], self.sizes[n])
            for n in names
            if n in self.digests
        ]

    @property
    def nbytes(self) -> int:
        """Return the bytes of all weights."""
        return sum(self.sizes[name] for name in self.weights)


def look_up(name: str, revision: str | None, token: bool | None = None) -> Listing | Path:
    """Return the files of a hub id, or the cached folder if the hub cannot be reached.

    Args:
        name: the hub id.
        revision: a branch, tag or commit, None for the main one.
        token: None to send the token of this machine, False to send none.

    Raises:
        ModelError: there is no such id or revision, it is gated, or neither hub nor cache has it.
    """
    if constants.is_offline_mode():
        return cached(name, revision) or _raise_unreachable(name, "HF_HUB_OFFLINE is set")
    try:
        info = HfApi(token=token).model_info(
            name, revision=revision, files_metadata=True, timeout=_PATIENCE
        )
    except errors.HFValidationError:
        raise ModelError(f"{name!r} is no hub id; write OWNER/NAME, or a folder") from None
    except errors.HfHubHTTPError as error:
        return _raise_refusal(name, revision, error)
    except Exception:  # of many types: no route, name service, proxy, certificate
        return cached(name, revision) or _raise_unreachable(name, "the hub does not answer")
    top = [s for s in info.siblings or () if "/" not in s.rfilename]
    files = {s.rfilename: s.size or 0 for s in top}
    digests = {s.rfilename: s.lfs.sha256 for s in top if s.lfs}
    return Listing(name, revision, str(info.sha), files, digests, token)


def check_disk(listing: Listing) -> None:
    """Raise `ModelError` if a download would leave less than `RESERVE` of the disk free."""
    place = Path(constants.HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    disk = shutil.disk_usage(place)
    wanted = {*listing.words, *listing.weights}
    names = [n for n in wanted if not _in_cache(listing.name, n, listing.commit)]
    held = sum(file.held() for file in listing.large(names))
    missing = sum(listing.sizes[n] for n in names) - held
    if missing > disk.free - RESERVE * disk.total:
        raise ModelError(
            f"{listing.name} has {missing / 1e9:.1f} GB to download, for which this server has no "
            "room; choose a smaller model"
        )


def fetch(listing: Listing, names: Iterable[str], on_progress: OnProgress) -> Path:
    """Download the files that the cache lacks, and return the folder that holds all.

    Large files go on where an earlier download was stopped, and what it left counts as done. The
    download runs in threads of its own; `on_progress` is called in this thread, and an exception
    from it ends the download.
    """
    wanted = list(names)
    missing = [n for n in wanted if not _in_cache(listing.name, n, listing.commit)]
    total, download = sum(listing.sizes[n] for n in missing), Download()
    large = listing.large(missing)
    for file in large:
        download.count(file.name, file.held())
    pool = ThreadPoolExecutor(1)
    job = pool.submit(_download, listing, wanted, large, download)
    try:
        on_progress(LoadStep(DOWNLOADING, min(download.done, total), total))
        while not wait([job], timeout=_TELL_EVERY).done:
            on_progress(LoadStep(DOWNLOADING, min(download.done, total), total))
    finally:  # not awaited: the caller has stopped it
        download.stop()
        pool.shutdown(wait=False)
    folder = _result(job, listing)
    on_progress(LoadStep(DOWNLOADING, total, total))
    return folder


def _download(
    listing: Listing, wanted: list[str], large: list[LargeFile], download: Download
) -> str:
    """Download large files, then the others, and return the folder that links to all."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            list(pool.map(lambda file: download.fetch(file, listing.token), large))
        except BaseException:
            download.stop()
            raise
    return huggingface_hub.snapshot_download(
        listing.name,
        revision=listing.revision,
        token=listing.token,
        allow_patterns=[n.replace("[", "[[]") for n in wanted],
        tqdm_class=download.bar_class("the others"),
        max_workers=_AT_ONCE,
    )


def cached(name: str, revision: str | None = None) -> Path | None:
    """Return the cached folder with the config of this id, or None."""
    try:
        found = huggingface_hub.try_to_load_from_cache(name, "config.json", revision=revision)
    except errors.HFValidationError:
        return None
    return Path(found).parent if isinstance(found, (str, os.PathLike)) else None


def is_downloaded(name: str, revision: str | None = None) -> bool:
    """Return whether the cache holds this id with all its weights."""
    folder = cached(name, revision)
    if folder is None:
        return False
    try:
        return bool(weight_files(folder))
    except ModelError:  # a download that was stopped
        return False


def is_offline() -> bool:
    """Return whether the hub is not to be asked (HF_HUB_OFFLINE)."""
    return constants.is_offline_mode()


def page_of(name: str) -> str:
    """Return the address of the page of a hub id."""
    return f"{constants.ENDPOINT}/{name}"


def download_command(name: str) -> str:
    """Return the command that fetches a hub id, without the ONNX files that some bring, too."""
    return f'hf download {name} --exclude "onnx/*"'


# What can go wrong -------------------------------------------------------------------------------


def _raise_refusal(name: str, revision: str | None, error: errors.HfHubHTTPError) -> Path:
    """Raise the meaning of the hub's refusal; after a server error the cache may be used."""
    if isinstance(error, errors.GatedRepoError):
        raise ModelError(
            f"{name} is gated: its owner wants its terms accepted. Open "
            f"{constants.ENDPOINT}/{name}, accept them, then log in with `hf auth login` "
            "(or set HF_TOKEN) and load it again"
        ) from None
    if isinstance(error, errors.RevisionNotFoundError):
        raise ModelError(
            f"{name} has no revision {revision!r}; name a branch, tag or commit of it"
        ) from None
    if isinstance(error, errors.RepositoryNotFoundError):
        raise ModelError(
            f"the hub has no model {name}, or it is private; check the spelling, and for a private "
            "one log in with `hf auth login` (or set HF_TOKEN)"
        ) from None
    code = getattr(error.response, "status_code", None)
    if code in (401, 403):
        raise ModelError(
            f"the hub refuses {name} (error {code}); log in with `hf auth login`, or set HF_TOKEN "
            "to a token that may read it"
        ) from None
    return cached(name, revision) or _raise_unreachable(name, f"the hub answers with error {code}")


def _raise_unreachable(name: str, why: str) -> Path:
    raise ModelError(
        f"{name} is not on this machine and cannot be downloaded: {why}. Connect and load it "
        f"again, or run `{download_command(name)}` while there is a network, or name a model that "
        "is here: a folder, or the bundled one"
    ) from None


def _result(job: Future[str], listing: Listing) -> Path:
    """Return the folder of a finished download, or raise its error as a `ModelError`."""
    try:
        return Path(job.result())
    except ModelError:
        raise
    except errors.HfHubHTTPError as error:
        _raise_refusal(listing.name, listing.revision, error)
        raise ModelError(_describe_interruption(listing.name)) from error
    except Exception as error:  # the network, the disk, the hub's storage: each its own
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        raise ModelError(_describe_interruption(listing.name, full)) from error


def _describe_interruption(name: str, full: bool = False) -> str:
    if full:
        return f"the disk is full; {name} was not downloaded. Make room, or set HF_HOME elsewhere"
    return f"the download of {name} broke off; load it again, it goes on where it stopped"


# The download ------------------------------------------------------------------------------------


def _in_cache(name: str, file: str, commit: str) -> bool:
    found = huggingface_hub.try_to_load_from_cache(name, file, revision=commit)
    return isinstance(found, (str, os.PathLike))
