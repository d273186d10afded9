"""A launched page to attack over loopback, and what an attacker can send it.

Nothing here leaves this machine, and every attack is bounded in requests and bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from explainer.media.images import open_image
from explainer.run.store import RunStore
from explainer.ui.handlers import PageExample
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import FakeExplainer

META = {"_type": "gradio.FileData"}


@dataclass
class Server:
    """A served page and ways to call it from outside."""

    demo: gr.Blocks
    url: str
    uploads: Path
    store: RunStore
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def post(self, route: str, body: Any) -> httpx.Response:
        return self.http.post(f"{self.url}gradio_api/{route}", json=body)

    def upload(self, data: bytes, name: str = "picture.png") -> str:
        """Return the path that the server gives an uploaded file."""
        answer = self.http.post(f"{self.url}gradio_api/upload", files={"files": (name, data)})
        (path,) = answer.raise_for_status().json()
        return path

    def events(self, route: str) -> list[tuple[str, Any]]:
        """Return all events of a stream: their names ("data" if they have none) and values."""
        told, name = [], "data"
        with self.http.stream("GET", f"{self.url}gradio_api/{route}") as answer:
            for line in answer.iter_lines():
                kind, _, text = line.partition(": ")
                if kind == "event":
                    name = text
                elif kind == "data":
                    told.append((name, json.loads(text)))
        return told

    def call(self, name: str, body: Any, route: str = "call") -> tuple[str, Any]:
        """Return the last event of a named endpoint that takes a list, or by v2 an object."""
        started = self.post(f"{route}/{name}", body)
        if started.status_code != 200:
            return "refused", started.json()
        return self.events(f"call/{name}/{started.json()['event_id']}")[-1]

    def run(self, index: int, data: list[Any]) -> httpx.Response:
        """Return what a function answers when it is called past the queue."""
        body = {"data": data, "fn_index": index, "session_hash": "attacker"}
        return self.post("run/predict", body)

    def join(self, index: int, data: list[Any], session: str) -> Any:
        """Return what a function answers through the queue, as the page calls it."""
        body = {"data": data, "fn_index": index, "session_hash": session}
        self.post("queue/join", body).raise_for_status()
        told = self.events(f"queue/data?session_hash={session}")
        return next(value for _, value in told if value["msg"] == "process_completed")["output"]

    def index(self, name: str) -> int:
        """Return the number of the function of an endpoint."""
        return next(i for i, fn in self.demo.fns.items() if fn.api_name == name)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    uploads = tmp_path_factory.mktemp("gradio")
    patch = pytest.MonkeyPatch()
    patch.setenv("GRADIO_TEMP_DIR", str(uploads))
    store = RunStore()
    example = PageExample(open_image(np.full((64, 64, 3), 90, np.uint8)), "Describe it.", "Grey")
    demo = build_demo(FakeExplainer(), store, examples=[example])
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    served = Server(demo, url, uploads, store)
    yield served
    served.http.close()
    demo.close(verbose=False)
    patch.undo()


@pytest.fixture(scope="package")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture on the server's disk that no visitor may learn of."""
    path = tmp_path_factory.mktemp("private") / "private.png"
    Image.fromarray(np.full((48, 48, 3), (201, 13, 77), np.uint8)).save(path)
    return path
