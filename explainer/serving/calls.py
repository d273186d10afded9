"""From calls of many visitors to work at the model, without a thread for those who wait.

A handler is a plain function or generator that asks the model through a worker. It is first run
without permission to do so: what is recorded already is answered at once. Where the model is
needed, the guarded worker raises `Need`; the call then waits in a lane, and the handler is run
once more with permission, in one of a few threads. Calls with the same need wait for one another's
work, and find what it recorded in the store. Work ends when the last one who waits for it leaves.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from explainer.errors import BusyError, SightlineError
from explainer.serving.costs import Cost, check_budget, cost_of
from explainer.serving.jobs import Job, Worker
from explainer.serving.lanes import (
    ENDING,
    MOST_UNDER_WAY,
    Caller,
    Hall,
    QueuePlace,
    Stopped,
    Work,
)
from explainer.serving.metrics import Metrics

TICK = 1.0  # seconds between two looks at whether a client is still there
QUIET = 4.0  # seconds without news after which those who wait hear that work goes on
QUICK_THREADS = 4  # for handlers that turn out to need no model
SLOW_THREADS = 2  # for those that take long all the same, such as films

Handler = Callable[..., Any]
_END = object()


class Need(BaseException):
    """Raised where a handler needs the model and may not ask it yet; no handler may catch it."""

    def __init__(self, cost: Cost, name: str) -> None:
        super().__init__(name)
        self.cost, self.name = cost, name

    @property
    def key(self) -> str:
        """Return what a refusal of this need is remembered by, for the call."""
        return self.name or self.cost.lane.name


class Left(Exception):
    """The client has left, so there is nobody to answer."""


@dataclass(eq=False)
class _Visit:
    """A run of a handler: with permission to ask the model if there is `work`."""

    work: Work | None = None
    errors: dict[str, SightlineError] = field(default_factory=dict)
    readings: int = 0


_VISIT: ContextVar[_Visit | None] = ContextVar("visit", default=None)


@dataclass(frozen=True)
class Client:
    """Who has called, and whether they still wait for the answer."""

    caller: Caller
    is_here: Callable[[], Awaitable[bool]]
    hear: Callable[[QueuePlace], None] = lambda place: None


@dataclass(frozen=True)
class Waiting:
    """What those who wait are told.

    Attributes:
        place: where the work waits; None once it has begun.
        shared: whether it is done for somebody else who asked the same.
        seconds: since they began to wait.
    """

    place: QueuePlace | None
    shared: bool
    seconds: float


class Calls:
    """The calls of one server."""

    def __init__(self, hall: Hall | None = None) -> None:
        self.hall = hall or Hall()
        self.metrics = Metrics()
        self.flights: dict[str, Flight] = {}
        self.threads = ThreadPoolExecutor(MOST_UNDER_WAY, "model-work")
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "quick")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "slow")

    def guard(self, worker: Worker) -> Worker:
        """Return the worker that takes a turn for each step, within calls only."""

        def guarded(job: Job) -> Iterator[Any]:
            visit = _VISIT.get()
            if visit is None:
                raise RuntimeError("the model is asked within a call of Calls.values only")
            cost, name = cost_of(job), job.name
            need = Need(cost, name)
            if need.key in visit.errors:
                raise visit.errors[need.key]
            check_budget(visit.readings + cost.readings)
            if visit.work is None or cost.lane.rank > visit.work.lane.rank:
                raise need
            visit.readings += cost.readings
            try:
                with self.metrics.measure_job(type(job).__name__.removesuffix("Job").lower()):
                    yield from self._turns(visit.work, worker(job))
            except SightlineError as error:
                visit.errors[need.key] = error
                raise

        return guarded

    def _turns(self, work: Work, steps: Iterator[Any]) -> Iterator[Any]:
        try:
            while True:
                with self.hall.turn(work):
                    item = next(steps, _END)
                if item is _END:
                    return
                yield item
        finally:
            close = getattr(steps, "close", None)
            if close:
                close()

    async def values(
        self,
        handler: Handler,
        values: tuple[Any, ...],
        client: Client,
        show: Callable[[Waiting], Any] | None = None,
        slow: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Yield what a handler yields or returns, and while it waits what `show` makes of that.

        A handler that is `slow` even without the model does not hold up those that are not.

        Raises `Left` when the client has gone, and what the handler raises.
        """
        errors: dict[str, SightlineError] = {}
        need: Need | None = None
        while True:
            if need is None:
                try:
                    threads = self._slow if slow else self._quick
                    async for value in _at_once(_steps(handler, values), errors, threads):
                        yield value
                    return
                except Need as found:
                    need = found
            flight = self.flights.get(need.name) if need.name else None
            shared = flight is not None
            try:
                if flight is None:
                    flight = Flight(self, need, client.caller, handler, values, errors)
                async for value in flight.watch(client, show, shared):
                    yield value
            except BusyError as error:
                self.metrics.count_refusal("busy")
                errors[need.key], need = error, None
                continue
            if shared:
                errors.update(flight.errors)
                need = None
            elif isinstance(flight.outcome, Need):
                need = flight.outcome
            elif flight.outcome is not None:
                raise flight.outcome
            else:
                return


async def _at_once(
    steps: Iterator[Any], errors: dict[str, SightlineError], threads: ThreadPoolExecutor
) -> AsyncIterator[Any]:
    """Yield the values of a handler that may not ask the model; raises `Need` where it has to."""
    visit, loop = _Visit(errors=errors), asyncio.get_running_loop()
    while True:
        item, need = await loop.run_in_executor(threads, _step, steps, visit)
        if need is not None:
            raise need
        if item is _END:
            return
        yield item


def _steps(handler: Handler, values: tuple[Any, ...]) -> Generator[Any, None, None]:
    """Return the values of a handler, one if it is no generator."""
    if inspect.isgeneratorfunction(inspect.unwrap(handler)):
        yield from handler(*values)
    else:
        yield handler(*values)


def _step(steps: Iterator[Any], visit: _Visit) -> tuple[Any, Need | None]:
    token = _VISIT.set(visit)
    try:
        return next(steps, _END), None
    except Need as need:  # no future may end with it: it is no Exception
        return _END, need
    finally:
        _VISIT.reset(token)


class Flight:
    """One run of a handler with permission to ask the model, and those who wait for it.

    Made and watched in the event loop; the handler runs in a thread.
    """

    def __init__(
        self,
        calls: Calls,
        need: Need,
        caller: Caller,
        handler: Handler,
        values: tuple[Any, ...],
        errors: dict[str, SightlineError],
    ) -> None:
        self.outcome: BaseException | None = None
        self.errors = errors
        self._calls, self._name = calls, need.name
        self._handler, self._arguments = handler, values
        self._loop = asyncio.get_running_loop()
        self._values: deque[Any] = deque()
        self._watchers: set[asyncio.Event] = set()
        self._ended = False
        self._work = calls.hall.enter(need.cost.lane, caller, self._on_begin)
        if self._name:
            calls.flights[self._name] = self

    async def watch(
        self, client: Client, show: Callable[[Waiting], Any] | None, shared: bool
    ) -> AsyncIterator[Any]:
        """Yield the values of the handler and what `show` makes of the wait.

        The values are left out if it runs for somebody else.

        Raises:
            Left: the client has disconnected.
            BusyError: the server is ending, and the work has not begun.
        """
        event, since, told = asyncio.Event(), time.monotonic(), None
        news = since
        self._watchers.add(event)
        try:
            while True:
                while self._values and not shared:
                    news = time.monotonic()
                    yield self._values.popleft()
                if self._ended:
                    return
                if self._work.stopped and not self._work.began:
                    raise BusyError(ENDING)
                line = self._waiting(shared, since, news)
                if line is not None and line != told and show:
                    told = line
                    yield show(line)
                if line is not None and line.place is not None:
                    client.hear(line.place)
                event.clear()
                if (self._values and not shared) or self._ended:
                    continue
                try:
                    await asyncio.wait_for(event.wait(), TICK)
                except TimeoutError:
                    if not await client.is_here():
                        raise Left from None
        finally:
            self._watchers.discard(event)
            if not self._watchers and not self._ended:
                self._abandon()

    def _waiting(self, shared: bool, since: float, news: float) -> Waiting | None:
        """Return what those who wait are told; None while the work itself says how far it is."""
        now = time.monotonic()
        seconds = float(round(now - since))
        if not self._work.began:
            place = self._calls.hall.place(self._work)
            rounded = None if place.seconds is None else float(round(place.seconds))
            return Waiting(QueuePlace(place.before, rounded), shared, 0.0)
        if shared or now - news >= QUIET:
            return Waiting(None, shared, seconds)
        return None

    def _abandon(self) -> None:
        self._forget()
        self._calls.hall.stop(self._work)
        self._ended = self._ended or not self._work.began

    def _forget(self) -> None:
        if self._calls.flights.get(self._name) is self:
            del self._calls.flights[self._name]

    # In other threads ----------------------------------------------------------------------------

    def _on_begin(self) -> None:
        # Not at once: work may begin before `enter` has returned it.
        self._loop.call_soon_threadsafe(self._calls.threads.submit, self._run)

    def _run(self) -> None:
        visit = _Visit(self._work, self.errors)
        token = _VISIT.set(visit)
        steps, outcome = _steps(self._handler, self._arguments), None
        try:
            for value in steps:
                self._tell(self._values.append, value)
            self._calls.hall.done(self._work)
        except Stopped:
            pass
        except BaseException as error:
            outcome = error
        finally:
            steps.close()
            _VISIT.reset(token)
            self._calls.hall.leave(self._work)
            self._tell(self._end, outcome)

    def _tell(self, act: Callable[[Any], None], value: Any) -> None:
        def told() -> None:
            act(value)
            for event in self._watchers:
                event.set()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(told)

    def _end(self, outcome: BaseException | None) -> None:
        self._ended, self.outcome = True, outcome
        self._forget()
