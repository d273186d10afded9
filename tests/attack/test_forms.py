"""Requests of a wrong form: a sentence each, of one line in the log, and never a traceback."""

from __future__ import annotations

import json
import logging

import pytest

from explainer.ui import gate
from explainer.web import texts
from tests.attack.conftest import Server


def raw(server: Server, route: str, body: str | bytes):
    headers = {"Content-Type": "application/json"}
    return server.http.post(f"{server.url}gradio_api/{route}", content=body, headers=headers)


def component(server: Server, **changes) -> dict:
    number, block = next(
        (i, b) for i, b in server.demo.blocks.items() if getattr(b, "server_fns", None)
    )
    name = block.server_fns[0].__name__
    body = {"data": {}, "component_id": number, "fn_name": name, "session_hash": "attacker"}
    return body | changes


@pytest.mark.parametrize(
    ("route", "body", "status", "sentence"),
    [
        ("run/nothing", {"data": []}, 404, texts.NO_SUCH_NAME),
        ("call/nothing", {"data": []}, 404, texts.NO_SUCH_NAME),
        ("call/v2/nothing", {}, 404, texts.NO_SUCH_NAME),
        ("call/v2/tokens", {}, 400, texts.BAD_INPUTS),
        ("call/v2/tokens", {"run": "a", "what": 3}, 400, texts.BAD_INPUTS),
        ("run/predict", {"data": [], "fn_index": 99_999}, 404, texts.NO_SUCH_NAME),
        ("queue/join", {"data": [], "fn_index": -1, "session_hash": "a"}, 404, texts.NO_SUCH_NAME),
    ],
)
def test_what_does_not_exist_or_lacks_a_field_is_said(server, route, body, status, sentence):
    answer = server.post(route, body)
    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)


def test_an_unknown_component_is_said(server):
    answer = server.post("component_server", component(server, component_id=10**9))
    assert (answer.status_code, answer.json()["detail"]) == (404, texts.NO_SUCH_NAME)
    for number in ("x", [], None):
        answer = server.post("component_server", component(server, component_id=number))
        assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid JSON body.")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("NaN", texts.NOT_FINITE),
        ("1e999", texts.NOT_FINITE),
        (json.dumps("x" * 300_000), texts.LONG_TEXT.format(most=200_000)),
        ("[" * 100 + "]" * 100, texts.BAD_FORM),
    ],
)
def test_numbers_and_texts_are_refused_by_their_form(server, caplog, value, sentence):
    caplog.set_level(logging.INFO)
    answer = raw(server, "run/tokens", f'{{"data": [{value}, 5]}}')
    assert answer.json()["error"] == sentence
    assert [r.exc_info for r in caplog.records if r.name.startswith("explainer")] == [None]


def test_too_few_inputs_are_said(server):
    assert server.run(server.index("record"), []).json()["error"] == texts.BAD_INPUTS


def test_long_bodies_are_refused_before_they_are_read(server):
    answer = raw(server, "run/tokens", b" " * (gate.MOST_BODY + 1))
    assert answer.status_code == 413
    assert "4 MB" in answer.json()["detail"]
    answer = raw(server, "run/tokens", iter([b" " * 1_000_000] * 6))
    assert answer.status_code == 400, "nor are they where no length was stated"


@pytest.mark.parametrize(
    "address",
    [
        "gradio_api/deep_link?session_hash=attacker",
        "gradio_api/proxy=http://192.0.2.1/",
        "gradio_api/file=http://192.0.2.1/",
        "gradio_api/file/etc/passwd",
        "gradio_api/stream/a/b/c/playlist.m3u8",
        "gradio_api/vibe-code",
        "gradio_api/dev/reload",
        "gradio_api/runs",
        "gradio_api/custom_component/a/client/b/c",
        "monitoring",
        "monitoring/summary",
        "openapi.json",
        "docs",
        "logout",
    ],
)
def test_what_gradio_serves_besides_is_closed(server, address):
    answer = server.http.get(server.url + address)
    assert answer.status_code in (403, 404)
    assert answer.json()["detail"] in (texts.NO_SUCH_ADDRESS, texts.NO_UPLOAD)


def test_what_the_page_needs_is_open(server):
    for address in ("", "config", "theme.css", "gradio_api/info", "gradio_api/queue/status"):
        assert server.http.get(server.url + address).status_code == 200, address


def test_two_sessions_share_no_state(server):
    """Values of `gr.State` belong to a session, and are never taken from a request."""
    index = next(
        i
        for i, fn in server.demo.fns.items()
        if any(type(block).__name__ == "State" for block in fn.inputs)
    )
    inputs = server.demo.fns[index].inputs
    states = [n for n, block in enumerate(inputs) if type(block).__name__ == "State"]
    data = [None] * len(inputs)
    for n in states:
        data[n] = {"run": "a" * 32}
    told = server.run(index, data).text
    assert "a" * 32 not in told
