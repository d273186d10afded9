"""Calls: what is recorded is answered at once, one recording for all who ask the same, leaving."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from explainer.errors import BusyError, ModelError, SightlineError
from explainer.probing.curves import PLAN
from explainer.run.store import RunStore
from explainer.serving.calls import Calls, Client, Left, Waiting
from explainer.serving.costs import MOST_READINGS, estimate_cost
from explainer.serving.jobs import CurvesJob, EvidenceJob, MapRequest, MapsJob, RecordJob, WordsJob
from explainer.serving.lanes import ANSWERS, LONG_ANSWERS, READINGS, SEARCHES, Caller
from explainer.ui.api import Api
from explainer.ui.handlers import Handlers
from explainer.web import controls
from tests.ui.fake import FakeExplainer, fake_run

GREY = np.full((60, 80, 3), 128, np.uint8)
PANELS = controls.panel_value(), controls.option_value()
DECODING = {"max_new_tokens": 64, "temperature": 0.0, "seed": 0, "layers": "last"}


class Server:
    """Handlers of a fake model behind the calls of a server."""

    def __init__(self, explainer: FakeExplainer) -> None:
        self.explainer, self.calls, self.store = explainer, Calls(), RunStore()
        self.handlers = Handlers(explainer, self.store, (), self.calls.guard)
        self.api = Api(self.handlers)

    async def ask(
        self,
        handler: Callable[..., Any],
        *values: Any,
        visitor: str = "a",
        here: Callable[[], bool] = lambda: True,
        told: list[Waiting] | None = None,
    ) -> list[Any]:
        async def is_here() -> bool:
            return here()

        show = None if told is None else (lambda waiting: told.append(waiting) or waiting)
        client = Client(Caller(visitor, "venue"), is_here)
        found = self.calls.values(handler, values, client, show)
        return [value async for value in found if not isinstance(value, Waiting)]


@pytest.fixture
def server() -> Server:
    return Server(FakeExplainer(delay=0.02))


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


def test_what_is_recorded_is_answered_without_a_turn(server):
    async def main() -> None:
        (first,) = await server.ask(server.api.record, GREY, "one")
        for _ in range(ANSWERS.begun + 1):  # nothing else gets a turn any more
            server.calls.scheduler.enter(ANSWERS, Caller(str(_), ""), lambda: None)
        (again,) = await server.ask(server.api.record, GREY, "one", visitor="b")
        assert again == first

    run(main())
    assert server.explainer.calls == ["one"]


def test_one_question_of_many_is_recorded_once(server):
    async def main() -> None:
        told: list[Waiting] = []
        asks = [server.ask(server.api.record, GREY, "one", visitor=str(i)) for i in range(30)]
        last = server.ask(server.api.record, GREY, "one", visitor="last", told=told)
        found = await asyncio.gather(*asks, last)
        assert len({answer["run"] for (answer,) in found}) == 1
        assert any(waiting.shared for waiting in told)

    run(main())
    assert server.explainer.calls == ["one"]


def test_other_pictures_prompts_and_draws_are_recorded_on_their_own(server):
    async def main() -> None:
        asks = [
            server.ask(server.api.record, GREY, "one", 64, 1.0, 1, visitor="1"),
            server.ask(server.api.record, GREY, "one", 64, 1.0, 2, visitor="2"),
            server.ask(server.api.record, GREY + np.uint8(1), "one", 64, 1.0, 1, visitor="3"),
            server.ask(server.api.record, GREY, "two", 64, 1.0, 1, visitor="4"),
        ]
        found = await asyncio.gather(*asks)
        assert len({answer["run"] for (answer,) in found}) == 4

    run(main())
    assert len(server.explainer.calls) == 4


def test_each_may_leave_and_the_work_ends_with_the_last(server):
    server.explainer.delay = 0.3

    async def first_leaves() -> None:
        leader = asyncio.create_task(server.ask(server.api.record, GREY, "one", visitor="a"))
        await asyncio.sleep(0.4)
        other = asyncio.create_task(server.ask(server.api.record, GREY, "one", visitor="b"))
        await asyncio.sleep(0.2)
        leader.cancel()
        ((answer),) = await other
        assert answer["answer"].startswith("A cat")

    async def all_leave() -> None:
        tasks = [
            asyncio.create_task(server.ask(server.api.record, GREY, "two", visitor=v)) for v in "ab"
        ]
        await asyncio.sleep(0.8)
        for task in tasks:
            task.cancel()
        await asyncio.sleep(1.0)
        assert not server.calls.executions
        assert not any(queue.begun for queue in server.calls.scheduler._queues.values())

    run(first_leaves())
    assert server.explainer.calls == ["one"]
    run(all_leave())
    assert len(server.store) == 1, "what nobody waited for was not recorded"


def test_a_client_that_is_gone_ends_its_call(server):
    server.explainer.delay = 0.4
    with pytest.raises(Left):
        run(server.ask(server.api.record, GREY, "one", here=lambda: False))


def test_an_error_reaches_all_who_asked_the_same(server, monkeypatch):
    def fails(*_: Any, **__: Any):
        server.explainer.calls.append("failed")
        time.sleep(1)  # until all five have asked
        raise ModelError("the memory is not enough")
        yield

    monkeypatch.setattr(server.explainer, "stream", fails)

    async def main() -> None:
        asks = [server.ask(server.api.record, GREY, "one", visitor=str(i)) for i in range(5)]
        for error in await asyncio.gather(*asks, return_exceptions=True):
            assert isinstance(error, ModelError)

    run(main())
    assert server.explainer.calls == ["failed"]


def test_who_is_refused_reads_why_on_the_page_and_in_the_api(server):
    async def main() -> None:
        scheduler = server.calls.scheduler
        for i in range(ANSWERS.begun + 1):
            scheduler.enter(
                ANSWERS, Caller("me" if i == ANSWERS.begun else str(i), "venue"), lambda: 0
            )
        with pytest.raises(BusyError, match="of your answers already wait"):
            await server.ask(server.api.record, GREY, "one", visitor="me")
        pages = await server.ask(
            server.handlers.record, GREY, "one", {}, 64, 0, 0, *PANELS, visitor="me"
        )
        assert pages[-1].view["kind"] == "error"
        assert "already wait" in pages[-1].view["text"]

    run(main())


def test_no_thread_waits(server):
    server.explainer.delay = 0.05

    async def main() -> None:
        asks = [server.ask(server.api.record, GREY, f"q{i}", visitor=str(i)) for i in range(60)]
        tasks = [asyncio.create_task(ask) for ask in asks]
        await asyncio.sleep(1.5)
        assert threading.active_count() - before < 30
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    before = threading.active_count()
    run(main())


def test_maps_and_evidence_made_at_the_same_time_are_both_kept(server):
    async def main() -> None:
        ((answer),) = await server.ask(server.api.record, GREY, "one")
        key, chip = answer["run"], answer["chips"][-2]["chip"]
        server.explainer.delay = 0.1
        await asyncio.gather(
            server.ask(server.api.explain, key, chip, "grad_cam", visitor="a"),
            server.ask(
                server.api.record, GREY, "one", 64, 0, 0, [0.5], "", None, "last", True, visitor="b"
            ),
            server.ask(server.api.explain, key, chip, "attention", visitor="c"),
        )
        kept = server.store.get(key)
        assert {method for method, _, _ in kept.attributions} == {"grad_cam", "attention"}
        assert kept.evidence is not None

    run(main())


def test_one_call_has_a_budget_that_is_told_before_anything_runs(server):
    async def main() -> None:
        ((answer),) = await server.ask(server.api.record, GREY, "one")
        subjects = [c["chip"] for c in answer["chips"] if c["role"] == "answer"]
        with pytest.raises(SightlineError, match=rf"limit of a call is {MOST_READINGS:,}"):
            await server.ask(
                server.api.export,
                answer["run"],
                "json",
                subjects,
                ["eagle"],
                {"eagle": {"regions": 64}},
            )

    run(main())
    assert server.explainer.attributed == []


@pytest.mark.parametrize(
    ("job", "lane", "readings"),
    [
        (RecordJob([GREY], "", (0.5, 0.75), DECODING), ANSWERS, 3),
        (RecordJob([GREY] * 16, "", (), DECODING), LONG_ANSWERS, 16),
        (RecordJob([GREY], "", (), {**DECODING, "max_new_tokens": 256}), LONG_ANSWERS, 1),
        (RecordJob([GREY], "", (), {**DECODING, "layers": "all"}), LONG_ANSWERS, 1),
        (EvidenceJob(fake_run()), READINGS, 2),
        (WordsJob(fake_run(), ("cat",)), READINGS, 1),
        (MapsJob(fake_run(), (MapRequest("grad_cam", (5,), {}),)), READINGS, 2),
        (MapsJob(fake_run(), (MapRequest("grad_cam", (5, 6, 7), {}),)), SEARCHES, 6),
        (
            MapsJob(fake_run(), (MapRequest("eagle", (5,), {"regions": 12}),)),
            SEARCHES,
            112,
        ),
        (CurvesJob(fake_run(), (None, None), PLAN), SEARCHES, 40),
    ],
)
def test_cost_follows_from_the_job(job, lane, readings):
    assert estimate_cost(job) == (lane, readings)
