"""SIGTERM cuts off a search, and lets answers end; what a server says of itself until then."""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.app_process import META, listen, record, started_app, upload

SECRET = "Where is the heliotrope?"


def test_sigterm_ends_a_running_search(tmp_path):
    with started_app(tmp_path) as (process, http):
        run = record(http, upload(http), "Describe the image.")[0]
        word = next(c["chip"] for c in run["chips"] if c["role"] == "answer")
        search = {"run": run["run"], "subject": word, "method": "eagle"}
        started = http.post("gradio_api/call/v2/explain", json=search).json()
        assert "event_id" in started
        time.sleep(1.5)
        assert process.poll() is None
        assert list(tmp_path.rglob("*.png")), "the upload"
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, "ended by its own handler"
        assert time.monotonic() - begun < 2
        assert not list(tmp_path.rglob("*.png"))


def test_sigterm_lets_an_answer_end_and_nothing_told_repeats_it(tmp_path):
    flags = ("--metrics", "--log", "json", "--end-within", "60")
    with started_app(tmp_path, *flags) as (process, http), ThreadPoolExecutor(6) as threads:
        assert http.get("healthz").json() == {"status": "ok"}
        while http.get("readyz").json()["status"] == "loading":
            time.sleep(0.1)
        assert http.get("readyz").json()["status"] == "ready"
        path = upload(http)
        refused = {"picture": {"path": path, "meta": META}, "prompt": SECRET, "model": SECRET}
        assert "event: error" in listen(http, "record", refused)
        asks = [threads.submit(record, http, path, f"{SECRET} {i}") for i in range(6)]
        while not http.get("readyz").json()["queue"]["answers"]["running"]:
            time.sleep(0.01)
        metrics = http.get("metrics").text
        told = metrics + http.get("readyz").text
        process.send_signal(signal.SIGTERM)
        answers = [ask.result(60) for ask in asks]
        assert process.wait(70) == 0
    assert any(answer is not None for answer in answers), "what ran was answered"
    assert "sightline_queue_running" in metrics
    log = (tmp_path / "log.txt").read_text()
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {e["job"] for e in events if e["message"] == "job ended"} == {"record"}
    assert [e["running"] for e in events if e["message"] == "ending"] > [0]
    for private in ("heliotrope", path, "/gradio_api", str(tmp_path)):
        assert private not in log + told
