"""A hub of our own on this machine: the part of the protocol that the hub client speaks to load."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories by id, ids that are refused, and what was asked for.

    Attributes:
        repos: folder of each id.
        refused: (status, error code) of each id that is refused.
        slow: seconds to wait before each piece of a file.
        hold: after how many bytes of each file to wait for `go`.
        go: what is held goes on.
        ranges: whether parts of files can be asked for; else they are refused with 416.
        sent: path, first byte and length of each body that was sent, in part or whole.
        address: where it listens.
        asked: the paths of all requests.
        tokens: what each request authorised itself by.
    """

    repos: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    slow: float = 0.0
    hold: int | None = None
    go: threading.Event = field(default_factory=threading.Event)
    ranges: bool = True
    sent: list[tuple[str, int, int]] = field(default_factory=list)
    address: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Hub]:
    """Serve a `Hub` on a free port."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def connected(cache: Path, patch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve a `Hub` that the hub client of this process asks, with this cache."""
    with running() as hub:
        patch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()
        yield hub
        huggingface_hub.close_session()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        self.hub.asked.append(self.path)
        self.hub.tokens.append(self.headers.get("Authorization"))
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._about("/".join(parts[2:4]), parts[4:])
        return self._file("/".join(parts[:2]), "/".join(parts[4:]), with_body)

    def _refuse(self, name: str) -> bool:
        status, code = self.hub.refused.get(name, (404, "RepoNotFound"))
        if name in self.hub.repos and name not in self.hub.refused:
            return False
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})
        return True

    def _about(self, name: str, rest: list[str]) -> None:
        if self._refuse(name):
            return
        if rest and rest[1] not in ("main", COMMIT):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = sorted(p for p in self.hub.repos[name].iterdir() if p.is_file())
        if rest and rest[0] == "tree":
            found = [
                {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": _git_id(p)}
                | _large(p, "oid")
                for p in files
            ]
            self._send(200, json.dumps(found).encode())
            return
        siblings = [
            {"rfilename": p.name, "size": p.stat().st_size} | _large(p, "sha256") for p in files
        ]
        about = {"id": name, "sha": COMMIT, "siblings": siblings, "private": False}
        self._send(200, json.dumps(about).encode())

    def _file(self, name: str, file: str, with_body: bool) -> None:
        path = self.hub.repos.get(name, Path("/nowhere")) / file
        if self._refuse(name):
            return
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        large = _large(path, "sha256").get("lfs")
        tag = large["sha256"] if large else _git_id(path)
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        body, status, start = path.read_bytes(), 200, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked:
            start = int(asked[1])
            if not self.hub.ranges or start >= len(body):
                self._send(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        if with_body:
            self.hub.sent.append((file, start, len(body)))
        self._send(status, body, headers, with_body, self.hub.slow, self.hub.hold)

    def _send(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        with_body: bool = True,
        slow: float = 0.0,
        hold: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if not with_body or self.command == "HEAD":
            return
        first = body if hold is None else body[:hold]
        step = 20_000 if slow else max(1, len(first))
        try:
            for i in range(0, len(first), step):
                time.sleep(slow)
                self.wfile.write(first[i : i + step])
            if len(first) < len(body):
                self.hub.go.wait()
                self.wfile.write(body[len(first) :])
        except OSError:  # the client went away
            pass


def _large(path: Path, key: str) -> dict[str, Any]:
    """Return what the hub says of a file that it keeps by its checksum, under this key."""
    if path.suffix != ".safetensors":
        return {}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"lfs": {key: digest, "size": path.stat().st_size, "pointerSize": 134}}


def _git_id(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
