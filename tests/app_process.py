"""The app, or a recorder, as a process of its own, for tests that end or kill it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.apart import ROOT, forked_python

PICTURE = ROOT / "assets" / "examples" / "fruit.png"
META = {"_type": "gradio.FileData"}
PATIENCE = 120  # seconds


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def started_app(uploads: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Start the app, and yield its process and a client for its address."""
    command = [*forked_python(), "-u", "app.py", "--device", "cpu", "--port", str(free_port())]
    env = os.environ | {"GRADIO_TEMP_DIR": str(uploads)}
    log = uploads / "log.txt"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*command, *flags], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            url = next(m[0] for line in process.stdout if (m := re.search(r"http://\S+", line)))
            with httpx.Client(base_url=url, timeout=PATIENCE) as http:
                yield process, http
        finally:
            process.kill()


@contextmanager
def started_recorder(folder: Path, replicas: int, *more: str) -> Iterator[str]:
    """Start a recorder on the CPU with Ray, of the bundled model, and yield its address.

    `more` are further flags. Raises `RuntimeError` with what it said if it did not start.
    """
    log, port = folder / "recorder.txt", free_port()
    flags = ["--device", "cpu", "--replicas", str(replicas), "--port", str(port), *more]
    command = [sys.executable, "-u", "-m", "explainer", "recorder", *flags]
    kept = {n: v for n, v in os.environ.items() if n not in ("OMP_NUM_THREADS", "RAY_ADDRESS")}
    env = kept | {"RAY_worker_niceness": "0"}  # Ray adds 15 otherwise
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            urls = (m[0] for line in process.stdout if (m := re.search(r"http://\S+", line)))
            url = next(urls, None)
            if url is None:
                raise RuntimeError(log.read_text())
            yield url
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                process.kill()


def upload(http: httpx.Client) -> str:
    """Return the path of the picture in the upload folder."""
    return http.post("gradio_api/upload", files={"files": PICTURE.open("rb")}).json()[0]


def record(http: httpx.Client, path: str, prompt: str) -> list | None:
    """Return the answer to a prompt; None if the server refused it or broke off."""
    picture = {"path": path, "meta": META}
    try:
        lines = listen(http, "record", {"picture": picture, "prompt": prompt, "scales": [1]})
    except httpx.HTTPError:
        return None
    if "event: complete" not in lines:
        return None
    return json.loads(lines[lines.index("event: complete") + 1].removeprefix("data: "))


def listen(http: httpx.Client, name: str, body: dict) -> list[str]:
    """Return the lines of the events of a call."""
    event = http.post(f"gradio_api/call/v2/{name}", json=body).json()["event_id"]
    return http.get(f"gradio_api/call/{name}/{event}").text.splitlines()
