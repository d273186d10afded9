"""The endpoints as tools of an MCP server, called over its protocol.

Skipped without the package mcp, which asks for an older pydantic than the page itself takes:
`pip install "gradio[mcp]"` in an environment of its own brings it.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import io
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from explainer.methods import METHODS
from explainer.run import ANSWER
from explainer.run.store import RunStore
from explainer.ui.layout import build_demo, launch_options
from tests.ui.fake import FakeExplainer, fake_run

mcp = pytest.importorskip("mcp")

KEY = "a" * 32


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """A function that does something with a session of a launched server, and returns it."""
    from mcp.client.streamable_http import streamable_http_client

    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("gradio"))
    store = RunStore()
    store.put(KEY, fake_run())
    demo = build_demo(FakeExplainer(), store)
    _, url, _ = demo.launch(
        prevent_thread_lock=True, quiet=True, mcp_server=True, **launch_options()
    )

    async def within(act: Callable[..., Any]) -> Any:
        async with (
            streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await act(session)

    yield lambda act: asyncio.run(within(act))
    demo.close(verbose=False)


def call(ask: Callable[..., Any], tool: str, **arguments: Any) -> Any:
    return ask(lambda session: session.call_tool(tool, arguments))


def told(ask: Callable[..., Any], tool: str, **arguments: Any) -> Any:
    """Return what a tool tells, as docs/api.md says to read it."""
    answer = call(ask, tool, **arguments)
    assert not answer.isError, answer.content
    return ast.literal_eval(answer.content[0].text)


def test_each_endpoint_is_a_tool_that_says_what_it_takes(ask):
    tools = {tool.name: tool for tool in ask(lambda session: session.list_tools()).tools}
    assert set(tools) == {
        "record",
        "tokens",
        "explain",
        "hide",
        "curves",
        "export",
        "models",
        "load",
    }
    assert tools["explain"].inputSchema["required"] == ["run", "subject"]
    assert '{"at": 7, "word": "cat"}' in tools["explain"].description
    for tool in tools.values():
        assert tool.description
        assert all("description" in part for part in tool.inputSchema["properties"].values())


def test_an_agent_asks_and_has_a_word_explained(ask):
    file = io.BytesIO()
    Image.fromarray(np.full((60, 80, 3), 128, np.uint8)).save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    answer = told(ask, "record", picture=picture, prompt="What is this?")
    assert answer["answer"].startswith("A cat")
    chip = answer["chips"][-2]["chip"]
    heat = told(ask, "explain", run=answer["run"], subject=chip, method="tam")
    assert heat["extent"] == [0, 0, 80, 60]
    assert 0 < max(map(max, heat["values"])) <= 1


def test_maps_and_tokens_are_those_of_the_run(ask):
    run = fake_run()
    at = int(run.indices(ANSWER)[1])
    heat = told(ask, "explain", run=KEY, subject={"tokens": [at]}, method="logit_lens")
    assert np.allclose(heat["values"], METHODS["logit_lens"](run, at).values, atol=1e-4)
    tokens = told(ask, "tokens", run=KEY, top=2)
    assert tokens["answer"] == run.answer
    assert all(len(t["candidates"]) <= 2 for chip in tokens["chips"] for t in chip["tokens"])
    assert told(ask, "explain", run=KEY, subject={"at": at, "word": "sheep"}, method="tam")[
        "values"
    ]


def test_a_figure_comes_as_an_image_and_an_address(ask):
    answer = call(ask, "export", run=KEY, format="png", subjects=[8], methods=["tam"])
    image, address = answer.content
    assert Image.open(io.BytesIO(base64.b64decode(image.data))).format == "PNG"
    assert "sightline-aaaaaaaa.png" in address.text


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("explain", {"run": "b" * 32, "subject": 8}, "expired"),
        ("explain", {"run": KEY, "subject": 8, "method": "no_such"}, "no method"),
        ("tokens", {"run": KEY, "top": -1}, "top -1 is outside"),
        ("record", {"picture": "/etc/passwd"}, "Invalid file data"),
    ],
)
def test_what_cannot_be_done_is_an_error_with_a_sentence(ask, tool, arguments, said):
    answer = call(ask, tool, **arguments)
    assert answer.isError
    assert said in answer.content[0].text
    assert "Traceback" not in answer.content[0].text
