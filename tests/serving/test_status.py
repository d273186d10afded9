"""What a server tells probes, Prometheus and its log, and how it ends."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from explainer.errors import BusyError, ModelError, SightlineError
from explainer.models.loading.catalogue import BUNDLED, OWN, Entry
from explainer.run.store import RunStore
from explainer.serving.calls import Calls, Client
from explainer.serving.ending import drain
from explainer.serving.json_log import JsonFormatter
from explainer.serving.lanes import ANSWERS, ENDING, SEARCHES, Caller, Scheduler, Stopped
from explainer.serving.metrics import BOUNDS, Metrics
from explainer.serving.model_pool import Models
from explainer.serving.no_models import NoModels
from explainer.serving.startup import is_on, read_log_format, read_seconds
from explainer.serving.status import ServerStatus
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.ui.health import respond
from tests.ui.fake import FakeExplainer

GREY = np.full((60, 80, 3), 128, np.uint8)
SAMPLE = re.compile(r'(sightline_\w+)((?:\{(?:\w+="[^"\n]*",?)+\})?) (\d+(?:\.\d+)?(?:e[+-]\d+)?)')


def read_metrics(text: str) -> dict[str, float]:
    """Return the samples of a text in Prometheus's format; each belongs to the TYPE above it."""
    found, family = {}, ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            family = line.split()[2]
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert re.sub("_(bucket|sum|count)$", "", name) == family or name == family
            found[name + labels] = float(value)
    return found


def make_status(models: Models, calls: Calls | None = None) -> ServerStatus:
    return ServerStatus(models, RunStore(), calls or Calls())


# Metrics -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (SightlineError("no"), "refused"),
        (Stopped(), "stopped"),
        (GeneratorExit(), "stopped"),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_jobs_are_counted_by_outcome(error, outcome):
    metrics = Metrics()

    def work() -> None:
        with metrics.measure_job("record"):
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            work()
    else:
        work()
    found = read_metrics(metrics.format())
    assert found[f'sightline_jobs_total{{job="record",outcome="{outcome}"}}'] == 1
    assert found.get('sightline_job_seconds_count{job="record"}', 0) == (outcome == "done")


def test_seconds_are_counted_up_to_each_bound(monkeypatch):
    metrics, durations = Metrics(), [0.05, 0.1, 0.2, 7.0, 1000.0]
    clock = iter([t for d in durations for t in (0.0, d)])
    monkeypatch.setattr("explainer.serving.metrics.time.monotonic", lambda: next(clock))
    for _ in durations:
        with metrics.measure_job("maps"):
            pass
    found = read_metrics(metrics.format())
    for bound in BOUNDS:
        below = sum(d <= bound for d in durations)
        assert found[f'sightline_job_seconds_bucket{{job="maps",le="{bound}"}}'] == below
    assert found['sightline_job_seconds_bucket{job="maps",le="+Inf"}'] == len(durations)
    assert found['sightline_job_seconds_count{job="maps"}'] == len(durations)
    assert found['sightline_job_seconds_sum{job="maps"}'] == sum(durations)


def test_a_recording_is_counted_and_kept():
    explainer = FakeExplainer()
    calls, store = Calls(), RunStore()
    status = ServerStatus(Models.of_one(explainer), store, calls)
    api = Api(Handlers(explainer, store, (), calls.guard))
    asyncio.run(ask(calls, api.record, GREY, "one"))
    found = read_metrics(status.format_metrics())
    assert found['sightline_jobs_total{job="record",outcome="done"}'] == 1
    assert (found["sightline_runs"], found["sightline_runs_bytes"]) == (1, store.nbytes)
    assert found["sightline_ready"] == 1
    assert found['sightline_queue_waiting{lane="answers"}'] == 0


async def ask(calls: Calls, handler, *values, visitor: str = "a") -> list:
    async def is_here() -> bool:
        return True

    client = Client(Caller(visitor, ""), is_here)
    return [value async for value in calls.values(handler, values, client)]


# Readiness ---------------------------------------------------------------------------------------


def test_a_server_is_ready_with_a_model_that_answers():
    status = make_status(Models.of_one(FakeExplainer()))
    status.calls.scheduler.enter(ANSWERS, Caller(), lambda: None)
    response = respond("/readyz", status)
    told = json.loads(response.body)
    assert (response.status_code, told["status"]) == (200, "ready")
    assert told["model"] == status.models.default
    assert told["loading"] == []
    assert told["queue"]["answers"] == {"running": 1, "waiting": 0}
    assert respond("/readyz", make_status(NoModels())).status_code == 200


def test_a_server_whose_model_loads_or_failed_is_not_ready():
    begun, go_on = threading.Event(), threading.Event()

    def load(entry: Entry, on_progress, **_) -> FakeExplainer:
        begun.set()
        assert go_on.wait(30)
        raise ModelError("no such file: /home/somebody/weights")

    models = Models([Entry("mine", kind=OWN)], load)
    status = make_status(models)
    assert json.loads(respond("/readyz", status).body)["status"] == "failed"
    steps = models.load("mine")
    next(steps)
    assert begun.wait(30)
    response = respond("/readyz", status)
    told = json.loads(response.body)
    assert (response.status_code, told["status"]) == (503, "loading")
    assert told["loading"] == [{"model": "mine", "stage": "starting", "fraction": None}]
    go_on.set()
    with pytest.raises(ModelError):
        list(steps)
    response = respond("/readyz", status)
    assert (response.status_code, json.loads(response.body)["status"]) == (503, "failed")
    assert b"somebody" not in response.body


def test_a_bundled_model_is_ready_before_it_is_loaded():
    models = Models([Entry("small", kind=BUNDLED)], lambda entry, **_: FakeExplainer())
    assert make_status(models).state == "ready"


def test_metrics_are_answered_behind_their_flag_only():
    status = make_status(NoModels())
    assert respond("/healthz", status).status_code == 200
    assert respond("/metrics", status) is None
    assert respond("/", status) is None
    status.has_metrics = True
    response = respond("/metrics", status)
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert read_metrics(response.body.decode())["sightline_ready"] == 1


@pytest.mark.parametrize("switch", [None, False, "", "0"])
def test_switches_that_are_off(switch):
    assert not is_on(switch)
    assert is_on(True)
    assert is_on("1")


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "abc", "", "9" * 400])
def test_times_and_formats_of_logs_are_refused_in_a_sentence(text):
    with pytest.raises(Exception, match="from 0 to"):
        read_seconds(text)
    with pytest.raises(Exception, match="text or json"):
        read_log_format(text)
    assert read_seconds("0.5") == 0.5


# The log -----------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("explainer.of_this_test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger, stream
    logger.removeHandler(handler)


def test_a_line_of_the_log_holds_no_arguments_and_no_texts_of_errors(lines):
    logger, stream = lines
    secret = "a prompt"
    logger.warning("%s: refused: %r %5.2f", secret, [secret], 1.0, extra={"fields": {"job": "x"}})
    try:
        raise ZeroDivisionError(secret)
    except ZeroDivisionError:
        logger.exception("unexpected error")
    assert secret not in stream.getvalue()
    refused, failed = map(json.loads, stream.getvalue().splitlines())
    assert refused["message"] == "…: refused: … …"
    assert (refused["level"], refused["job"]) == ("warning", "x")
    assert failed["error"] == "ZeroDivisionError"
    assert failed["at"][0].startswith("test_status.py:")


# The end -----------------------------------------------------------------------------------------


def test_the_end_waits_for_running_answers_and_refuses_the_rest():
    scheduler, begun = Scheduler(), []
    running = [scheduler.enter(ANSWERS, Caller(str(i)), lambda: None) for i in range(ANSWERS.begun)]
    waiting = scheduler.enter(ANSWERS, Caller("late"), lambda: begun.append("late"))
    scheduler.enter(SEARCHES, Caller("s"), lambda: None)
    assert scheduler.close() == len(running)
    assert waiting.stopped
    with pytest.raises(BusyError, match="restart"):
        scheduler.enter(ANSWERS, Caller("new"), lambda: None)
    assert not scheduler.wait_until_idle(0.0)
    for work in running:
        assert not work.stopped
        scheduler.leave(work)
    assert scheduler.wait_until_idle(0.0), "the search is not waited for"
    assert not begun
    assert respond("/readyz", ending(scheduler)).status_code == 503


def ending(scheduler: Scheduler) -> ServerStatus:
    status = make_status(NoModels(), Calls(scheduler))
    assert status.state == "ending"
    return status


def test_a_call_that_waits_at_the_end_is_told_and_one_that_runs_is_answered(monkeypatch):
    monkeypatch.setattr("explainer.serving.ending.SETTLE", 0.0)
    monkeypatch.setattr("explainer.serving.calls.TICK", 0.02)
    explainer = FakeExplainer(delay=0.05)
    calls = Calls()
    handlers = Handlers(explainer, RunStore(), (), calls.guard)
    api = Api(handlers)

    async def main() -> list:
        calling = [ask(calls, api.record, GREY, f"q{i}", visitor=str(i)) for i in range(6)]
        asks = [asyncio.create_task(call) for call in calling]
        while calls.scheduler.count_work()["answers"] != (ANSWERS.begun, 6 - ANSWERS.begun):
            await asyncio.sleep(0.005)
        await asyncio.to_thread(drain, calls.scheduler, 30.0)
        assert calls.scheduler.count_work()["answers"] == (0, 0)
        return await asyncio.gather(*asks, return_exceptions=True)

    answers = asyncio.run(asyncio.wait_for(main(), 60))
    refused = [a for a in answers if isinstance(a, BaseException)]
    assert [(type(e), str(e)) for e in refused] == [(BusyError, ENDING)] * 2
    assert all(len(a) == 1 for a in answers if a not in refused)
    assert 'sightline_refusals_total{reason="busy"} 2' in calls.metrics.format()


def test_the_end_comes_in_time_though_an_answer_goes_on():
    scheduler = Scheduler()
    scheduler.enter(ANSWERS, Caller(), lambda: None)
    begun = time.monotonic()
    drain(scheduler, 0.05)
    assert time.monotonic() - begun >= 0.05
