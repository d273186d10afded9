"""What an agent can send to the MCP route, and what it is told.

Skipped without the package mcp, which asks for an older pydantic than the page itself takes. In an
environment of its own:

    python -m venv /tmp/mcp && /tmp/mcp/bin/pip install "gradio[mcp]==6.31.0" \\
        -r requirements.txt -r tests/requirements.txt
    /tmp/mcp/bin/python -m pytest tests/attack/test_mcp.py tests/ui/test_mcp.py
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from explainer.run.store import RunStore
from explainer.ui import gate
from explainer.ui.layout import build_demo, launch_options
from explainer.web import texts
from tests.attack.conftest import Server
from tests.attack.test_files import hostile_paths
from tests.ui.fake import FakeExplainer, fake_run

pytest.importorskip("mcp")

KEY = "a" * 32
HEADERS = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that offers its endpoints to agents."""
    patch, uploads = pytest.MonkeyPatch(), tmp_path_factory.mktemp("gradio")
    patch.setenv("GRADIO_TEMP_DIR", str(uploads))
    store = RunStore()
    store.put(KEY, fake_run())
    demo = build_demo(FakeExplainer(), store)
    options = launch_options()
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, mcp_server=True, **options)
    served = Server(demo, url, uploads, store)
    yield served
    served.http.close()
    demo.close(verbose=False)
    patch.undo()


def send(server: Server, body: Any) -> httpx.Response:
    address = f"{server.url}gradio_api/mcp/"
    return server.http.post(address, json=body, headers=HEADERS)


def call(server: Server, tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the result of a tool: its content, and whether it is an error."""
    params = {"name": tool, "arguments": arguments}
    answer = send(server, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    assert answer.status_code == 200, answer.text
    line = next(part for part in answer.text.splitlines() if part.startswith(("data: ", "{")))
    return json.loads(line.removeprefix("data: "))["result"]


def said(result: dict[str, Any]) -> str:
    assert result["isError"], result
    return result["content"][0]["text"]


def test_no_file_of_the_server_is_opened_for_an_agent(agent, private):
    before = {p for p in agent.uploads.rglob("*") if p.is_file()}
    paths = hostile_paths(agent, private)
    meta = {"_type": "gradio.FileData"}
    for form in (
        lambda path: path,
        lambda path: {"path": path},
        lambda path: {"path": path, "meta": meta},
    ):
        for place in (lambda value: {"picture": value}, lambda value: {"more": [value]}):
            told = {
                name: said(call(agent, "record", prompt="x", **place(form(path))))
                for name, path in paths.items()
            }
            for name, sentence in told.items():
                assert "Traceback" not in sentence, name
            own = {
                name: told[name].replace(str(paths[name]), "") for name in ("absolute", "missing")
            }
            assert own["absolute"] == own["missing"], "whether a file is there is not told"
    after = {p for p in agent.uploads.rglob("*") if p.is_file()}
    assert not [p for p in after - before if p.name == "private.png"]


def test_an_agent_learns_of_no_run_by_parts_of_its_name(agent):
    for key in ("b" * 32, KEY[:8], KEY + "a", "*", "../" + KEY, {"path": KEY}, [KEY], None, 7):
        for tool in ("tokens", "explain", "export"):
            arguments = {"run": key} | ({"subject": 8} if tool == "explain" else {})
            assert KEY not in said(call(agent, tool, **arguments)).replace(str(key), "")


@pytest.mark.parametrize(
    "subject", [-1, 10**9, {"chip": "x"}, {"tokens": [0] * 5000}, {}, [], None]
)
def test_values_of_a_wrong_form_are_said(agent, subject):
    told = said(call(agent, "explain", run=KEY, subject=subject, method="tam"))
    assert told
    assert "Traceback" not in told
    assert "/explainer/" not in told


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        7,
        {"jsonrpc": "2.0"},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "nothing"}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "maps"}},
        {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}},
        {"jsonrpc": "2.0", "id": 1, "method": "no/such", "params": {}},
    ],
)  # fmt: skip
def test_odd_requests_are_answered_without_paths(agent, body):
    answer = send(agent, body)
    assert answer.status_code < 500
    for part in ("Traceback", "site-packages", "root:"):
        assert part not in answer.text


def test_long_requests_are_refused(agent):
    address = f"{agent.url}gradio_api/mcp/"
    answer = agent.http.post(address, content=b" " * (gate.MOST_MCP + 1), headers=HEADERS)
    assert (answer.status_code, answer.json()["detail"][:12]) == (413, texts.LONG_BODY[:12])


def test_a_bomb_of_a_picture_is_refused(agent):
    file = io.BytesIO()
    Image.fromarray(np.zeros((9500, 9500), np.uint8)).save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert "pixels" in said(call(agent, "record", picture=picture, prompt="x"))
