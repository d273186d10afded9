"""Schedule the work of many visitors on one model.

Work waits in a lane, chosen by its cost, until it may begin. A lane limits how much work runs and
how much waits. Running work takes turns at the model, one step at a time; before each step the most
urgent work is chosen, so that long work delays a short question by one step at most. This module
is independent of server threads, the page, and the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Condition

from explainer.errors import BusyError

GRACE = 0.05  # seconds for which the model is kept free for the next step of urgent work
STARVED = 5.0  # seconds without a step after which any work comes first, for one step
QUANTUM = 2.0  # smallest number of seconds at the model after which an answer counts as long
ENDING = "this server is about to restart and takes nothing new; ask again in a minute"
_SMOOTH = 0.2  # weight of the newest work in the running mean


@dataclass(frozen=True)
class Lane:
    """The limits of one kind of work.

    Attributes:
        name: the kind, in messages.
        rank: priority at the model; 0 comes first.
        begun: how many may run at once.
        waiting: how many may wait.
        per_visitor: how many of one visitor may wait.
        per_address: how many of one network address may wait; a classroom shares one address.
    """

    name: str
    rank: int
    begun: int
    waiting: int
    per_visitor: int
    per_address: int


ANSWERS = Lane("answers", 0, 4, 500, 1, 500)
READINGS = Lane("single readings", 1, 2, 500, 4, 500)
LONG_ANSWERS = Lane("long answers", 2, 2, 100, 1, 50)
SEARCHES = Lane("searches", 3, 2, 100, 2, 50)
LANES = (ANSWERS, READINGS, LONG_ANSWERS, SEARCHES)
MOST_RUNNING = 2 * sum(lane.begun for lane in LANES)  # twice: see `_count_free_slots`


@dataclass(frozen=True)
class Caller:
    """Who calls: the session of a page or a program, and its network address."""

    visitor: str = ""
    address: str = ""


class Stopped(BaseException):
    """Raised at the next step of work that nobody waits for; handlers must not catch it."""


@dataclass(eq=False)
class Work:
    """The work of one call at the model.

    Attributes:
        lane, caller: where it waits, and for whom.
        on_begin: called once, without locks, when it may begin.
        order: order of arrival.
        began: whether it may take turns.
        stopped: whether it must end at its next step.
        seconds: time spent at the model.
        idle_since: when its last turn ended, on the scheduler's clock.
        wants_turn: whether it waits for its next turn.
    """

    lane: Lane
    caller: Caller
    on_begin: Callable[[], None]
    order: int
    began: bool = False
    stopped: bool = False
    seconds: float = 0.0
    idle_since: float = 0.0
    wants_turn: bool = False


@dataclass
class _Mean:
    """Exponentially weighted mean; None before the first value."""

    value: float | None = None

    def add(self, value: float) -> None:
        old = self.value
        self.value = value if old is None else old + _SMOOTH * (value - old)


@dataclass
class _Queue:
    """The work of one lane."""

    waiting: list[Work] = field(default_factory=list)
    begun: list[Work] = field(default_factory=list)
    mean: _Mean = field(default_factory=_Mean)


@dataclass(frozen=True)
class QueuePlace:
    """A place in a queue: the number of works ahead, and the estimated wait or None."""

    before: int
    seconds: float | None


class Scheduler:
    """Manage the lanes of one server and the turns at its model. Thread-safe.

    Args:
        clock: seconds.
        replicas: of a recorder that does the work; 0 for a model in this process. Each replica
            takes as much work as such a model, and divides its time itself: no turns are taken.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, replicas: int = 0) -> None:
        self._clock, self.replicas = clock, replicas
        self._change = Condition()
        self._queues = {lane: _Queue() for lane in LANES}
        self._order = count()
        self._holder: Work | None = None
        self.closed = False

    # Waiting -------------------------------------------------------------------------------------

    def enter(self, lane: Lane, caller: Caller, on_begin: Callable[[], None]) -> Work:
        """Enqueue new work, which begins at once or waits; the caller has to call `leave` later.

        Raises `BusyError` if too many already wait, or after `close`.
        """
        with self._change:
            if self.closed:
                raise BusyError(ENDING)
            queue = self._queues[lane]
            work = Work(lane, caller, on_begin, next(self._order), idle_since=self._clock())
            if self._count_free_slots(lane) <= 0 or queue.waiting:
                self._check_limits(lane, caller)
            queue.waiting.append(work)
            started = self._begin(lane)
        _notify(started)
        return work

    def _check_limits(self, lane: Lane, caller: Caller) -> None:
        waiting = self._queues[lane].waiting
        per_visitor = sum(w.caller.visitor == caller.visitor for w in waiting)
        per_address = sum(w.caller.address == caller.address for w in waiting)
        if per_visitor >= lane.per_visitor:
            raise BusyError(
                f"{per_visitor} of your {lane.name} already wait; wait for that, or stop it first"
            )
        if len(waiting) >= lane.waiting or per_address >= lane.per_address:
            raise BusyError(
                f"{len(waiting)} {lane.name} already wait for the model, so this one was refused; "
                f"try again in {_format_wait(self._estimate_wait(lane, waiting))}"
            )

    def _count_free_slots(self, lane: Lane) -> int:
        """Return how many works of a lane may begin.

        Works that turned out to be long do not count, up to as many as the lane has places.
        """
        begun = self._queues[lane].begun
        short = sum(not self._is_long(work) for work in begun)
        most = lane.begun * max(1, self.replicas)
        return min(most - short, 2 * most - len(begun))

    def _begin(self, lane: Lane) -> list[Work]:
        """Begin as many works as may run; visitors without running work in this lane come first."""
        queue, started = self._queues[lane], []
        while queue.waiting and self._count_free_slots(lane) > 0:
            busy = {work.caller for work in queue.begun}
            first = next((w for w in queue.waiting if w.caller not in busy), queue.waiting[0])
            queue.waiting.remove(first)
            queue.begun.append(first)
            first.began, first.idle_since = True, self._clock()
            started.append(first)
        self._change.notify_all()
        return started

    def leave(self, work: Work) -> None:
        """Remove work, whether it waits, runs or is done."""
        with self._change:
            queue = self._queues[work.lane]
            work.stopped = True
            if work in queue.waiting:
                queue.waiting.remove(work)
            elif work in queue.begun:
                queue.begun.remove(work)
            started = self._begin(work.lane)
        _notify(started)

    def done(self, work: Work) -> None:
        """Include completed work in the estimates, and remove it."""
        with self._change:
            if work.seconds:
                self._queues[work.lane].mean.add(work.seconds)
        self.leave(work)

    def stop(self, work: Work) -> None:
        """Stop work: at its next step if it runs, at once if it waits."""
        with self._change:
            work.stopped = True
            waits = not work.began
            self._change.notify_all()
        if waits:
            self.leave(work)

    def place(self, work: Work) -> QueuePlace:
        """Return the place of work in its queue."""
        with self._change:
            waiting = self._queues[work.lane].waiting
            ahead = waiting[: waiting.index(work)] if work in waiting else []
            return QueuePlace(len(ahead), self._estimate_wait(work.lane, ahead))

    def _estimate_wait(self, lane: Lane, ahead: list[Work]) -> float | None:
        """Estimate the seconds until the model is free for a lane; None before any measurement."""
        total = 0.0
        for other, queue in self._queues.items():
            if other.rank > lane.rank:
                continue
            waiting = ahead if other is lane else queue.waiting
            if queue.mean.value is None:
                if waiting or queue.begun:
                    return None
                continue
            total += len(waiting) * queue.mean.value
            total += sum(max(0.0, queue.mean.value - work.seconds) for work in queue.begun)
        return total / max(1, self.replicas)

    def count_work(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of running and of waiting works of each lane by its name."""
        with self._change:
            return {lane.name: (len(q.begun), len(q.waiting)) for lane, q in self._queues.items()}

    # Ending --------------------------------------------------------------------------------------

    def close(self) -> int:
        """Refuse new work, stop all that waits, and return how many answers are running."""
        with self._change:
            self.closed = True
            for queue in self._queues.values():
                for work in queue.waiting:
                    work.stopped = True
                queue.waiting.clear()
            self._change.notify_all()
            return self._count_answers()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no answer is running, and return whether that came within `seconds`.

        Searches are not waited for.
        """
        with self._change:
            return self._change.wait_for(lambda: not self._count_answers(), seconds)

    def _count_answers(self) -> int:
        return sum(len(q.begun) for lane, q in self._queues.items() if lane is not SEARCHES)

    # Turns ---------------------------------------------------------------------------------------

    @contextmanager
    def turn(self, work: Work) -> Iterator[None]:
        """Hold the model for one step of running work; raise `Stopped` if it was stopped."""
        self._acquire_turn(work)
        start = self._clock()
        try:
            yield
        finally:
            self._release_turn(work, start)

    def _acquire_turn(self, work: Work) -> None:
        with self._change:
            work.wants_turn = True
            try:
                while not work.stopped and not self._may_step(work):
                    self._change.wait(GRACE)
                if work.stopped:
                    raise Stopped
                self._holder = work
            finally:
                work.wants_turn = False

    def _may_step(self, work: Work) -> bool:
        """Return whether work may take the next step now."""
        return self.replicas > 0 or (self._holder is None and self._find_next() is work)

    def _release_turn(self, work: Work, start: float) -> None:
        with self._change:
            was_long = self._is_long(work)
            now = work.idle_since = self._clock()
            work.seconds += now - start
            self._holder = None
            grown = not was_long and self._is_long(work)
            started = self._begin(work.lane) if grown else []
            self._change.notify_all()
        _notify(started)

    def _find_next(self) -> Work | None:
        """Return the work that takes the next turn; it waits for one, or did so within `GRACE`."""
        now = self._clock()
        begun = [work for queue in self._queues.values() for work in queue.begun]
        starved = [w for w in begun if w.wants_turn and now - w.idle_since >= STARVED]
        if starved:
            return min(starved, key=lambda w: w.idle_since)
        ready = [w for w in begun if w.wants_turn or now - w.idle_since < GRACE]
        return min(ready, key=self._rank_work, default=None)

    def _rank_work(self, work: Work) -> tuple[float, int, int]:
        is_long = self._is_long(work) or work.lane.rank >= LONG_ANSWERS.rank
        rank = max(work.lane.rank, LONG_ANSWERS.rank if self._is_long(work) else 0)
        return rank, int(work.seconds) if is_long else 0, work.order

    def _is_long(self, work: Work) -> bool:
        """Return whether an answer has taken so long that new ones come before it."""
        if work.lane.rank >= LONG_ANSWERS.rank:
            return False
        mean = self._queues[work.lane].mean.value
        return work.seconds > max(QUANTUM, 3 * (mean or 0))


def _notify(started: list[Work]) -> None:
    for work in started:
        work.on_begin()


def _format_wait(seconds: float | None) -> str:
    """Format a wait, such as "20 s" or "3 min"."""
    if seconds is None:
        return "a minute"
    return f"{max(5, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
