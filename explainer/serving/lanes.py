"""Turns at the model for many visitors: lanes by cost, short waits, and one step at a time.

Work waits in a lane until it may begin; a lane bounds how many works are under way and how many
wait. Works under way take turns at the model, step by step: before each step the most urgent one is
chosen, so that long work holds up a short question by one step at most. Nothing here knows threads
of a server, a page, or a model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Condition

from explainer.errors import BusyError

GRACE = 0.05  # seconds in which work is still expected to take its next step
STARVED = 5.0  # seconds without a step after which any work comes first, for one step
QUANTUM = 2.0  # seconds at the model after which an answer counts as long, at least
ENDING = "this server is about to restart and takes nothing new; ask again in a minute"
_SMOOTH = 0.2  # weight of the newest work in the measured mean


@dataclass(frozen=True)
class Lane:
    """One kind of work.

    Attributes:
        name: for people.
        rank: who comes first at the model, 0 before 1.
        begun: how many works are under way at once.
        waiting: how many may wait.
        of_visitor: how many of one visitor may wait.
        of_address: how many of one network address may wait; a hall shares one address.
    """

    name: str
    rank: int
    begun: int
    waiting: int
    of_visitor: int
    of_address: int


ANSWERS = Lane("answers", 0, 4, 500, 1, 500)
READINGS = Lane("single readings", 1, 2, 500, 4, 500)
LONG_ANSWERS = Lane("long answers", 2, 2, 100, 1, 50)
SEARCHES = Lane("searches", 3, 2, 100, 2, 50)
LANES = (ANSWERS, READINGS, LONG_ANSWERS, SEARCHES)
MOST_UNDER_WAY = 2 * sum(lane.begun for lane in LANES)  # long answers make room, see `_room`


@dataclass(frozen=True)
class Caller:
    """Who asks: a page or a program by its session, and the address that it comes from."""

    visitor: str = ""
    address: str = ""


class Stopped(BaseException):
    """Ends work at its next step because nobody waits for it; no handler may catch it."""


@dataclass(eq=False)
class Work:
    """One call's work at the model.

    Attributes:
        lane, caller: where it waits, and for whom.
        on_begin: called once, without locks, when it may begin.
        order: of arrival.
        began: whether it may take turns.
        stopped: whether it shall end at its next step.
        seconds: spent at the model.
        rested: since when it takes no turn, on the clock of the hall.
    """

    lane: Lane
    caller: Caller
    on_begin: Callable[[], None]
    order: int
    began: bool = False
    stopped: bool = False
    seconds: float = 0.0
    rested: float = 0.0
    wants: bool = False


@dataclass
class _Mean:
    """A mean in which old values fade; None before there is one."""

    value: float | None = None

    def add(self, value: float) -> None:
        old = self.value
        self.value = value if old is None else old + _SMOOTH * (value - old)


@dataclass
class _Queue:
    """The works of one lane."""

    waiting: list[Work] = field(default_factory=list)
    begun: list[Work] = field(default_factory=list)
    mean: _Mean = field(default_factory=_Mean)


@dataclass(frozen=True)
class QueuePlace:
    """Where work waits: how many come before it, and about how long, None if not known yet."""

    before: int
    seconds: float | None


class Hall:
    """The lanes of one server, and the turns at its model. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._change = Condition()
        self._queues = {lane: _Queue() for lane in LANES}
        self._order = count()
        self._holder: Work | None = None
        self.closed = False

    # Waiting -------------------------------------------------------------------------------------

    def enter(self, lane: Lane, caller: Caller, on_begin: Callable[[], None]) -> Work:
        """Return new work, which waits or begins at once; `leave` has to follow.

        Raises `BusyError` if too many wait already, or after `close`.
        """
        with self._change:
            if self.closed:
                raise BusyError(ENDING)
            queue = self._queues[lane]
            work = Work(lane, caller, on_begin, next(self._order), rested=self._clock())
            if self._room(lane) <= 0 or queue.waiting:
                self._check(lane, caller)
            queue.waiting.append(work)
            started = self._begin(lane)
        _tell(started)
        return work

    def _check(self, lane: Lane, caller: Caller) -> None:
        waiting = self._queues[lane].waiting
        of_visitor = sum(w.caller.visitor == caller.visitor for w in waiting)
        of_address = sum(w.caller.address == caller.address for w in waiting)
        if of_visitor >= lane.of_visitor:
            raise BusyError(
                f"{of_visitor} of your {lane.name} wait already; wait for that, or stop it first"
            )
        if len(waiting) >= lane.waiting or of_address >= lane.of_address:
            raise BusyError(
                f"{len(waiting)} {lane.name} wait for the model already, so this was not taken; "
                f"try again in {_about(self._seconds(lane, waiting))}"
            )

    def _room(self, lane: Lane) -> int:
        """Return how many works of a lane may begin: those that turned out long make room, up to
        as many again."""
        begun = self._queues[lane].begun
        short = sum(not self._is_long(work) for work in begun)
        return min(lane.begun - short, 2 * lane.begun - len(begun))

    def _begin(self, lane: Lane) -> list[Work]:
        """Begin what there is room for, visitors without other work of this lane first."""
        queue, started = self._queues[lane], []
        while queue.waiting and self._room(lane) > 0:
            busy = {work.caller for work in queue.begun}
            first = next((w for w in queue.waiting if w.caller not in busy), queue.waiting[0])
            queue.waiting.remove(first)
            queue.begun.append(first)
            first.began, first.rested = True, self._clock()
            started.append(first)
        self._change.notify_all()
        return started

    def leave(self, work: Work) -> None:
        """End work, whether it waits, is under way or is done."""
        with self._change:
            queue = self._queues[work.lane]
            work.stopped = True
            if work in queue.waiting:
                queue.waiting.remove(work)
            elif work in queue.begun:
                queue.begun.remove(work)
            started = self._begin(work.lane)
        _tell(started)

    def done(self, work: Work) -> None:
        """Count work that came to its end for the estimates, and leave."""
        with self._change:
            if work.seconds:
                self._queues[work.lane].mean.add(work.seconds)
        self.leave(work)

    def stop(self, work: Work) -> None:
        """End work at its next step, or at once if it waits."""
        with self._change:
            work.stopped = True
            waits = not work.began
            self._change.notify_all()
        if waits:
            self.leave(work)

    def place(self, work: Work) -> QueuePlace:
        """Return where work waits."""
        with self._change:
            waiting = self._queues[work.lane].waiting
            ahead = waiting[: waiting.index(work)] if work in waiting else []
            return QueuePlace(len(ahead), self._seconds(work.lane, ahead))

    def _seconds(self, lane: Lane, ahead: list[Work]) -> float | None:
        """Return about how long until the model is free for a lane, from measured times."""
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
        return total

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
        """Hold the model for one step of work under way; raises `Stopped` if nobody wants it."""
        self._take(work)
        start = self._clock()
        try:
            yield
        finally:
            self._give(work, start)

    def _take(self, work: Work) -> None:
        with self._change:
            work.wants = True
            try:
                while not work.stopped and not (self._holder is None and self._first() is work):
                    self._change.wait(GRACE)
                if work.stopped:
                    raise Stopped
                self._holder = work
            finally:
                work.wants = False

    def _give(self, work: Work, start: float) -> None:
        with self._change:
            was_long = self._is_long(work)
            now = work.rested = self._clock()
            work.seconds += now - start
            self._holder = None
            grown = not was_long and self._is_long(work)
            started = self._begin(work.lane) if grown else []
            self._change.notify_all()
        _tell(started)

    def _first(self) -> Work | None:
        """Return the work that comes next: it wants a turn, or is about to want one."""
        now = self._clock()
        begun = [work for queue in self._queues.values() for work in queue.begun]
        starved = [w for w in begun if w.wants and now - w.rested >= STARVED]
        if starved:
            return min(starved, key=lambda w: w.rested)
        ready = [w for w in begun if w.wants or now - w.rested < GRACE]
        return min(ready, key=self._urgency, default=None)

    def _urgency(self, work: Work) -> tuple[float, int, int]:
        is_long = self._is_long(work) or work.lane.rank >= LONG_ANSWERS.rank
        rank = max(work.lane.rank, LONG_ANSWERS.rank if self._is_long(work) else 0)
        return rank, int(work.seconds) if is_long else 0, work.order

    def _is_long(self, work: Work) -> bool:
        """Return whether an answer took so long that new ones come before it."""
        if work.lane.rank >= LONG_ANSWERS.rank:
            return False
        mean = self._queues[work.lane].mean.value
        return work.seconds > max(QUANTUM, 3 * (mean or 0))


def _tell(started: list[Work]) -> None:
    for work in started:
        work.on_begin()


def _about(seconds: float | None) -> str:
    """Return a time to wait in words."""
    if seconds is None:
        return "a minute"
    return f"{max(5, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
