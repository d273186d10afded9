"""What is left of visitors: memory stays level, closed pages are dropped, few threads are begun."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from gradio.queueing import Queue
from gradio.state_holder import SessionState

from explainer.ui.layout import MOST_SESSIONS, build_demo, launch_options
from tests.ui.fake import FakeExplainer, fake_run

STATUS = Path("/proc/self/status")
CALLS, MOST_MB = 2_000, 20


def memory() -> float:
    """Return the resident memory of this process in MB."""
    (line,) = [row for row in STATUS.read_text().splitlines() if row.startswith("VmRSS")]
    return int(line.split()[1]) / 1000


@pytest.mark.skipif(not STATUS.exists(), reason="reads memory as Linux tells it")
def test_two_thousand_calls_leave_no_memory_behind(url, store):
    key = store.key(b"sessions", "", "", {})
    store.put(key, fake_run())

    def call(number: int) -> None:
        name = ("tokens", "explain")[number % 2]
        data = [key, 3] if name == "tokens" else [key, 5, "tam", "", {}, 0]
        body = json.dumps({"data": data, "session_hash": f"visitor {number}"})
        http.request("POST", f"/gradio_api/run/{name}", body, {"Content-Type": "application/json"})
        answer = http.getresponse()
        text = answer.read()
        assert answer.status == 200, text

    with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as http:
        for number in range(MOST_SESSIONS + 100):
            call(number)
        before = memory()
        for number in range(CALLS):
            call(number + 10_000)
        assert memory() - before < MOST_MB
    assert threading.active_count() < 80


def test_a_session_keeps_no_copy_of_the_page(store):
    demo = build_demo(FakeExplainer(), store)
    session = SessionState(demo)
    assert not any(session.config_values.values())
    assert session.blocks_config.blocks == demo.blocks
    assert demo.config["components"], "the page itself keeps its settings"


def test_queues_of_calls_that_were_answered_are_dropped(monkeypatch, store):
    """Gradio keeps the set of events of every caller for ever, and 2,000 queues of messages."""
    monkeypatch.setattr("explainer.ui.uploads.EVERY", 0.0)
    key = store.key(b"queues", "", "", {})
    store.put(key, fake_run())
    demo = build_demo(FakeExplainer(), store)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    kept = demo._queue.pending_event_ids_session, demo._queue.pending_messages_per_session
    try:
        with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as http:
            for _ in range(3):
                event = http.post("call/v2/tokens", json={"run": key, "top": 1}).json()["event_id"]
                assert "event: complete" in http.get(f"call/tokens/{event}").text
            assert all(kept), "the newest is there"
            assert http.post("run/tokens", json={"data": [key, 1]}).status_code == 200
        assert not any(kept)
    finally:
        demo.close(verbose=False)


def test_an_idle_page_looks_rarely_for_events_that_wait(monkeypatch, store):
    """Gradio looks a thousand times a second, for which it takes a twentieth of a core."""
    idle, looks = build_demo(FakeExplainer(), store)._queue, []
    monkeypatch.setattr(Queue, "__len__", lambda queue: looks.append(queue) or 0)

    async def wait() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(idle.start_processing(), 0.3)

    asyncio.run(wait())
    assert 1 <= looks.count(idle) <= 31
