"""Run the handlers of many calls on one model, without a thread for each waiting call.

A handler is a plain function or generator that runs the model through a worker. It is first run
without permission to do so, so that what is already recorded is answered at once. Where the model
is needed, the guarded worker raises `ModelNeeded`; the call then waits in a lane, and the handler
is run again with permission, in one of a few threads. Calls with the same need share one
execution, and find its result in the store. An execution is stopped when its last caller leaves.
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
from explainer.serving.costs import Cost, check_budget, estimate_cost
from explainer.serving.jobs import Job, Worker
from explainer.serving.lanes import (
    ENDING,
    MOST_RUNNING,
    Caller,
    QueuePlace,
    Scheduler,
    Stopped,
    Work,
)
from explainer.serving.metrics import Metrics

TICK = 1.0  # seconds between two checks that a client is still connected
QUIET = 4.0  # seconds without a value after which waiting clients are sent the time
QUICK_THREADS = 4  # for handlers that need no model
SLOW_THREADS = 2  # for slow handlers that need no model, such as films

Handler = Callable[..., Any]
_END = object()


class ModelNeeded(BaseException):
    """Raised where a handler without permission needs the model; handlers must not catch it."""

    def __init__(self, cost: Cost, name: str) -> None:
        super().__init__(name)
        self.cost, self.name = cost, name

    @property
    def key(self) -> str:
        """Return the key under which a refusal of this need is stored for the call."""
        return self.name or self.cost.lane.name


class Left(Exception):
    """Raised when the client has disconnected."""


@dataclass(eq=False)
class _Attempt:
    """One attempt to run a handler; it may run the model if it has `work`."""

    work: Work | None = None
    errors: dict[str, SightlineError] = field(default_factory=dict)
    readings: int = 0


_ATTEMPT: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


@dataclass(frozen=True)
class Client:
    """A caller, and how to check that they are connected and to report their place."""

    caller: Caller
    is_here: Callable[[], Awaitable[bool]]
    hear: Callable[[QueuePlace], None] = lambda place: None


@dataclass(frozen=True)
class Waiting:
    """The state of a call that waits.

    Attributes:
        place: where the work waits; None once it has begun.
        shared: whether another call for the same started the work.
        seconds: time since the wait began.
    """

    place: QueuePlace | None
    shared: bool
    seconds: float


class Calls:
    """The calls of one server."""

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        self.scheduler = scheduler or Scheduler()
        self.metrics = Metrics()
        self.executions: dict[str, Execution] = {}
        most = MOST_RUNNING * max(1, self.scheduler.replicas)
        self.threads = ThreadPoolExecutor(most, "model-work")
        self._quick = ThreadPoolExecutor(QUICK_THREADS, "quick")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, "slow")

    def guard(self, worker: Worker) -> Worker:
        """Wrap a worker so that each step takes a turn; it can then be used in `values` only."""

        def guarded(job: Job) -> Iterator[Any]:
            attempt = _ATTEMPT.get()
            if attempt is None:
                raise RuntimeError("the model can be run only within Calls.values")
            cost, name = estimate_cost(job), job.name
            need = ModelNeeded(cost, name)
            if need.key in attempt.errors:
                raise attempt.errors[need.key]
            check_budget(attempt.readings + cost.readings)
            if attempt.work is None or cost.lane.rank > attempt.work.lane.rank:
                raise need
            attempt.readings += cost.readings
            try:
                with self.metrics.measure_job(type(job).__name__.removesuffix("Job").lower()):
                    yield from self._turns(attempt.work, worker(job))
            except SightlineError as error:
                attempt.errors[need.key] = error
                raise

        return guarded

    def _turns(self, work: Work, steps: Iterator[Any]) -> Iterator[Any]:
        try:
            while True:
                with self.scheduler.turn(work):
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
        """Yield the values of a handler and, while it waits, what `show` returns for the wait.

        Args:
            handler: function or generator function.
            values: its arguments.
            client: who called.
            show: makes a value of a `Waiting`; None to yield nothing while waiting.
            slow: whether the handler takes long even without the model; such ones have threads
                of their own.

        Raises:
            Left: the client has disconnected.
            Exception: whatever the handler raises.
        """
        errors: dict[str, SightlineError] = {}
        need: ModelNeeded | None = None
        while True:
            if need is None:
                try:
                    threads = self._slow if slow else self._quick
                    async for value in _run_without_model(
                        _iterate(handler, values), errors, threads
                    ):
                        yield value
                    return
                except ModelNeeded as found:
                    need = found
            execution = self.executions.get(need.name) if need.name else None
            shared = execution is not None
            try:
                if execution is None:
                    execution = Execution(self, need, client.caller, handler, values, errors)
                async for value in execution.watch(client, show, shared):
                    yield value
            except BusyError as error:
                self.metrics.count_refusal("busy")
                errors[need.key], need = error, None
                continue
            if shared:
                errors.update(execution.errors)
                need = None
            elif isinstance(execution.outcome, ModelNeeded):
                need = execution.outcome
            elif execution.outcome is not None:
                raise execution.outcome
            else:
                return


async def _run_without_model(
    steps: Iterator[Any], errors: dict[str, SightlineError], threads: ThreadPoolExecutor
) -> AsyncIterator[Any]:
    """Yield the values of a handler without permission to run the model.

    Raises `ModelNeeded` where the handler needs it.
    """
    attempt, loop = _Attempt(errors=errors), asyncio.get_running_loop()
    while True:
        item, need = await loop.run_in_executor(threads, _advance, steps, attempt)
        if need is not None:
            raise need
        if item is _END:
            return
        yield item


def _iterate(handler: Handler, values: tuple[Any, ...]) -> Generator[Any, None, None]:
    """Yield the values of a handler: the one it returns, unless it is a generator."""
    if inspect.isgeneratorfunction(inspect.unwrap(handler)):
        yield from handler(*values)
    else:
        yield handler(*values)


def _advance(steps: Iterator[Any], attempt: _Attempt) -> tuple[Any, ModelNeeded | None]:
    token = _ATTEMPT.set(attempt)
    try:
        return next(steps, _END), None
    except ModelNeeded as need:  # a future cannot carry it, as it is a BaseException
        return _END, need
    finally:
        _ATTEMPT.reset(token)


class Execution:
    """One run of a handler with permission to run the model, shared by all who wait for it.

    Created and watched in the event loop; the handler runs in a thread.
    """

    def __init__(
        self,
        calls: Calls,
        need: ModelNeeded,
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
        self._work = calls.scheduler.enter(need.cost.lane, caller, self._on_begin)
        if self._name:
            calls.executions[self._name] = self

    async def watch(
        self, client: Client, show: Callable[[Waiting], Any] | None, shared: bool
    ) -> AsyncIterator[Any]:
        """Yield the values of the handler and what `show` returns for the wait.

        If it is shared, the values belong to the first caller, and only waits are yielded.

        Raises:
            Left: the client has disconnected.
            BusyError: the server is ending, and the work has not begun.
        """
        event, since, shown = asyncio.Event(), time.monotonic(), None
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
                line = self._describe_wait(shared, since, news)
                if line is not None and line != shown and show:
                    shown = line
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

    def _describe_wait(self, shared: bool, since: float, news: float) -> Waiting | None:
        """Return the state to show while waiting; None while the work itself reports progress."""
        now = time.monotonic()
        seconds = float(round(now - since))
        if not self._work.began:
            place = self._calls.scheduler.place(self._work)
            rounded = None if place.seconds is None else float(round(place.seconds))
            return Waiting(QueuePlace(place.before, rounded), shared, 0.0)
        if shared or now - news >= QUIET:
            return Waiting(None, shared, seconds)
        return None

    def _abandon(self) -> None:
        self._forget()
        self._calls.scheduler.stop(self._work)
        self._ended = self._ended or not self._work.began

    def _forget(self) -> None:
        if self._calls.executions.get(self._name) is self:
            del self._calls.executions[self._name]

    # In other threads ----------------------------------------------------------------------------

    def _on_begin(self) -> None:
        # Deferred: work may begin before `enter` has returned it.
        self._loop.call_soon_threadsafe(self._calls.threads.submit, self._run)

    def _run(self) -> None:
        attempt = _Attempt(self._work, self.errors)
        token = _ATTEMPT.set(attempt)
        steps, outcome = _iterate(self._handler, self._arguments), None
        try:
            for value in steps:
                self._post(self._values.append, value)
            self._calls.scheduler.done(self._work)
        except Stopped:
            pass
        except BaseException as error:
            outcome = error
        finally:
            steps.close()
            _ATTEMPT.reset(token)
            self._calls.scheduler.leave(self._work)
            self._post(self._end, outcome)

    def _post(self, act: Callable[[Any], None], value: Any) -> None:
        def deliver() -> None:
            act(value)
            for event in self._watchers:
                event.set()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(deliver)

    def _end(self, outcome: BaseException | None) -> None:
        self._ended, self.outcome = True, outcome
        self._forget()
