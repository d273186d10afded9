"""A page whose model is at a recorder, over HTTP but in one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette

from explainer.errors import BusyError, ModelError, PromptError
from explainer.models.loading.catalogue import Entry
from explainer.probing.eagle_search import SearchProgress
from explainer.recording.step import Step
from explainer.run.store import RunStore
from explainer.serving.jobs import RecordJob
from explainer.serving.recorder_app import describe_model, make_app
from explainer.serving.recorder_client import (
    AWAY,
    BUSY,
    OTHER_VERSION,
    TOO_LARGE,
    LostRecorder,
    RecorderClient,
)
from explainer.serving.remote_models import AGAIN, LOST, LOST_ONCE, RemoteModels
from explainer.serving.wire import encode
from explainer.ui.handlers import Handlers
from explainer.ui.model_menu import ModelMenu
from explainer.web import controls, texts
from tests.ui.fake import FakeExplainer

IMAGE = np.full((60, 80, 3), 128, np.uint8)
PANEL, OPTIONS = controls.panel_value(), controls.option_value()
JOB = RecordJob((IMAGE,), "What?", (0.5,), {"max_new_tokens": 64}, model="fake-model")
TOLD = {
    **describe_model(FakeExplainer(), Entry("fake-model", "qwen2_vl"), 3),
    "facts": {
        "label": "Fake",
        "alphas": [0.5, 2.0],
        "model_type": "qwen2_vl",
        "device": "cuda:0",
        "dtype": "bfloat16",
        "repetition_penalty": 1.0,
        "can_think": False,
    },
}


@contextmanager
def served(app: Callable) -> Iterator[str]:
    """Serve an ASGI app in a thread, and yield its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        (socket,) = server.servers[0].sockets
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(30)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


class Breaking:
    """An app that breaks off its answers to the first jobs, after so many messages each."""

    def __init__(self, app: Starlette, *after: int) -> None:
        self.app, self.after, self.jobs = app, list(after), 0

    async def __call__(self, scope, receive, send):
        if scope["path"] != "/job":
            return await self.app(scope, receive, send)
        self.jobs += 1
        left = self.after.pop(0) if self.after else None

        async def some(message):
            nonlocal left
            if left is not None and message["type"] == "http.response.body":
                if not left:
                    raise ConnectionError("killed")
                left -= 1
            await send(message)

        return await self.app(scope, receive, some)


@contextmanager
def remote(explainer: FakeExplainer, *broken: int) -> Iterator[tuple[RemoteModels, Breaking]]:
    app = Breaking(make_app(explainer, TOLD), *broken)
    with served(app) as address:
        yield RemoteModels(RecorderClient(address)), app


def record(models, prompt="What?"):
    handlers = Handlers(models, RunStore())
    return list(handlers.record(IMAGE, prompt, {}, 64, 0, 0, PANEL, OPTIONS))


def test_a_page_shows_the_same_with_a_recorder_as_with_a_model():
    explainer = FakeExplainer()
    with remote(explainer) as (models, _):
        pages, local = record(models), record(explainer)
        last = [pages[-1].bar, local[-1].bar]
        assert [bar.pop("run") is not None for bar in last] == [True, True]
        assert last[0] == last[1]
        assert [p.view for p in pages] == [p.view for p in local], "tokens come one by one"
        assert models.replicas == 3
        value = ModelMenu(models).value()
        assert value["model"] == "fake-model"
        assert value["scales"]["high"] == 2.0


def test_an_answer_that_breaks_off_is_recorded_once_more():
    explainer = FakeExplainer()
    with remote(explainer, 4) as (models, app):
        pages = record(models)
        assert app.jobs == 2
        assert [c["text"] for c in pages[-1].bar["chips"]][-1] == "."
        told = [p.view.get("busy") for p in pages]
        again = told.index(texts.BUSY_AGAIN)
        assert pages[again].bar["chips"] == []
        assert pages[again - 1].bar["chips"]


def test_an_answer_that_breaks_off_twice_is_said_so():
    with remote(FakeExplainer(), 4, 0) as (models, app):
        pages = record(models)
        assert app.jobs == 2
        assert pages[-1].view == {"text": texts.in_words(ModelError(LOST)), "kind": "error"}


class Ending(RecorderClient):
    """A client whose recorder ends in the middle of each job, after these items."""

    def __init__(self, *items) -> None:
        self.told, self.items, self.jobs = TOLD, items, 0

    def steps(self, job):
        self.jobs += 1
        yield from self.items
        raise LostRecorder


@pytest.mark.parametrize(
    ("item", "text", "jobs"),
    [(Step("map", "", 1, 2), LOST, 2), (SearchProgress(1, 2, ()), LOST, 2), (4, LOST_ONCE, 1)],
)
def test_what_has_brought_more_than_progress_is_not_begun_anew(item, text, jobs):
    recorder, items = Ending(item), []
    with pytest.raises(ModelError, match=text):
        items.extend(RemoteModels(recorder).run_job(JOB))
    assert recorder.jobs == jobs


def test_errors_for_people_come_as_they_are_and_others_stay_in_the_log():
    class Refusing(FakeExplainer):
        def stream(self, image, prompt, **options):
            raise PromptError("shorten it") if prompt == "long" else KeyError("secret")

    with remote(Refusing()) as (models, app):
        with pytest.raises(PromptError, match="shorten it"):
            list(models.run_job(replace(JOB, prompt="long")))
        with pytest.raises(RuntimeError, match="log"):
            list(models.run_job(JOB))
        assert app.jobs == 2


def test_leaving_ends_the_job_at_the_recorder():
    explainer = FakeExplainer(delay=0.02)
    with remote(explainer) as (models, _):
        steps = models.run_job(JOB)
        assert next(steps).kind == "read"
        assert explainer.running == 1
        steps.close()
        wait_until(lambda: explainer.running == 0)
        assert len(explainer.calls) == 1


def test_a_recorder_that_is_away_busy_or_of_another_version_is_said_so():
    async def answer(scope, receive, send):
        status = {"/model": 200, "/job": statuses[0]}[scope["path"]]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    statuses = [503]
    app = make_app(FakeExplainer(), TOLD)

    async def mixed(scope, receive, send):
        await (app if scope["path"] == "/model" else answer)(scope, receive, send)

    with served(mixed) as address:
        models = RemoteModels(RecorderClient(address))
        for status, kind, text in (
            (503, BusyError, BUSY),
            (413, ModelError, TOO_LARGE),
            (400, ModelError, OTHER_VERSION),
            (404, ModelError, AWAY),
            (500, ModelError, LOST),
        ):
            statuses[0] = status
            with pytest.raises(kind, match=text[:30]):
                list(models.run_job(JOB))
        assert models.ready("fake-model")
    with pytest.raises(ModelError, match=AWAY[:30]):
        list(models.run_job(JOB))
    assert not models.ready("fake-model")
    with pytest.raises(ModelError, match="no recorder answers at"):
        RecorderClient(address)
    for wrong in ("gpu-1:8000", "ftp://gpu-1", ""):
        with pytest.raises(ModelError, match="no address"):
            RecorderClient(wrong)


def test_the_recorder_reads_jobs_only_and_not_too_large_ones():
    with served(make_app(FakeExplainer(), TOLD, most_bytes=200)) as address:
        assert httpx.post(f"{address}/job", content=b"x" * 201).status_code == 413
        assert httpx.post(f"{address}/job", content=b"x" * 200).status_code == 400
        assert httpx.post(f"{address}/job", content=encode(AGAIN)).status_code == 400
