"""Lanes and turns: who waits, who begins, who comes next at the model, and who is refused."""

from __future__ import annotations

import threading
import time

import pytest

from explainer.errors import BusyError
from explainer.serving.lanes import (
    ANSWERS,
    QUANTUM,
    READINGS,
    SEARCHES,
    STARVED,
    Caller,
    Scheduler,
    Stopped,
    Work,
)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def scheduler(clock: Clock) -> Scheduler:
    return Scheduler(clock)


def enter(scheduler: Scheduler, lane=ANSWERS, visitor="a", address="venue") -> Work:
    return scheduler.enter(lane, Caller(visitor, address), lambda: None)


def step(scheduler: Scheduler, clock: Clock, work: Work, seconds: float = 0.1) -> None:
    with scheduler.turn(work):
        clock.now += seconds


def test_five_hundred_wait_and_one_more_is_refused_with_a_time(scheduler, clock):
    first = enter(scheduler, visitor="0")
    step(scheduler, clock, first, 0.5)
    scheduler.done(first)
    works = [enter(scheduler, visitor=str(i)) for i in range(ANSWERS.begun + 500)]
    assert sum(work.began for work in works) == ANSWERS.begun
    assert scheduler.place(works[-1]).before == 499
    assert scheduler.place(works[-1]).seconds == pytest.approx(0.5 * (499 + ANSWERS.begun))
    with pytest.raises(BusyError, match=r"500 answers already wait .* try again in 4 min"):
        enter(scheduler, visitor="late")
    scheduler.stop(works[-1])
    assert not enter(scheduler, visitor="late").began


def test_a_visitor_has_one_recording_waiting(scheduler):
    for i in range(ANSWERS.begun):
        enter(scheduler, visitor=str(i))
    enter(scheduler, visitor="0")
    with pytest.raises(BusyError, match="1 of your answers already wait"):
        enter(scheduler, visitor="0")
    enter(scheduler, visitor="another")


def test_searches_of_one_address_are_bounded(scheduler):
    for i in range(SEARCHES.begun + SEARCHES.per_address):
        enter(scheduler, SEARCHES, visitor=str(i), address="one")
    with pytest.raises(BusyError, match="searches already wait"):
        enter(scheduler, SEARCHES, visitor="new", address="one")
    enter(scheduler, SEARCHES, visitor="new", address="two")


def test_what_has_begun_makes_room_when_it_leaves_others_first(scheduler):
    mine = [enter(scheduler, SEARCHES, visitor="greedy") for _ in range(SEARCHES.begun + 2)]
    other = enter(scheduler, SEARCHES, visitor="modest")
    scheduler.leave(mine[0])
    assert other.began
    assert not mine[-1].began
    scheduler.leave(mine[1])
    assert mine[2].began


def order_of_turns(scheduler: Scheduler, works: dict[str, Work], holder: Work) -> list[str]:
    """Return in which order works that all wait for a turn get one."""
    turns, threads = [], []

    def take(name: str) -> None:
        with scheduler.turn(works[name]):
            turns.append(name)
        scheduler.leave(works[name])

    with scheduler.turn(holder):
        for name in works:
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
        while not all(work.wants_turn for work in works.values()):
            time.sleep(0.01)
    scheduler.leave(holder)
    for thread in threads:
        thread.join(10)
    return turns


def test_a_question_comes_before_a_search_that_began_earlier(scheduler):
    search, holder = enter(scheduler, SEARCHES, "long"), enter(scheduler, ANSWERS, "x")
    works = {
        "search": search,
        "reading": enter(scheduler, READINGS),
        "answer": enter(scheduler, ANSWERS),
    }
    assert order_of_turns(scheduler, works, holder) == ["answer", "reading", "search"]


def test_an_answer_that_turns_out_long_lets_new_ones_pass(scheduler, clock):
    long, holder = enter(scheduler, ANSWERS, "long"), enter(scheduler, ANSWERS, "x")
    step(scheduler, clock, long, QUANTUM + 0.1)
    works = {"long": long, "new": enter(scheduler, ANSWERS, "new")}
    assert order_of_turns(scheduler, works, holder) == ["new", "long"]


def test_long_answers_make_room_for_new_ones(scheduler, clock):
    works = [enter(scheduler, visitor=str(i)) for i in range(ANSWERS.begun)]
    waiting = enter(scheduler, visitor="new")
    assert not waiting.began
    step(scheduler, clock, works[0], QUANTUM + 0.1)
    assert waiting.began


def test_a_search_gets_a_step_while_answers_never_end(scheduler, clock):
    search, holder = enter(scheduler, SEARCHES, "long"), enter(scheduler, ANSWERS, "x")
    works = {"answer": enter(scheduler, ANSWERS), "search": search}
    clock.now += STARVED
    works["answer"].idle_since = clock.now
    assert order_of_turns(scheduler, works, holder) == ["search", "answer"]


def test_a_search_does_not_slip_in_between_two_steps_of_an_answer():
    scheduler = Scheduler()
    answer, search = enter(scheduler, ANSWERS), enter(scheduler, SEARCHES, "long")
    turns: list[str] = []

    def run(name: str, work: Work, steps: int) -> None:
        for _ in range(steps):
            with scheduler.turn(work):
                turns.append(name)
                time.sleep(0.001)
        scheduler.leave(work)

    with scheduler.turn(answer):
        thread = threading.Thread(target=run, args=("search", search, 3))
        thread.start()
        while not search.wants_turn:
            time.sleep(0.01)
    run("answer", answer, 5)
    thread.join(10)
    assert turns == ["answer"] * 5 + ["search"] * 3


def test_work_that_is_stopped_ends_at_its_next_step(scheduler):
    work = enter(scheduler)
    scheduler.stop(work)
    with pytest.raises(Stopped), scheduler.turn(work):
        raise AssertionError("no step is taken")


def test_replicas_take_more_work_and_no_turns():
    scheduler = Scheduler(replicas=3)
    works = [enter(scheduler, visitor=str(i)) for i in range(3 * ANSWERS.begun + 1)]
    assert [work.began for work in works] == [True] * 3 * ANSWERS.begun + [False]
    with scheduler.turn(works[0]), scheduler.turn(works[1]):
        pass
    scheduler.stop(works[2])
    with pytest.raises(Stopped), scheduler.turn(works[2]):
        pass
