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
    Hall,
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
def hall(clock: Clock) -> Hall:
    return Hall(clock)


def enter(hall: Hall, lane=ANSWERS, visitor="a", address="hall") -> Work:
    return hall.enter(lane, Caller(visitor, address), lambda: None)


def step(hall: Hall, clock: Clock, work: Work, seconds: float = 0.1) -> None:
    with hall.turn(work):
        clock.now += seconds


def test_five_hundred_wait_and_one_more_is_refused_with_a_time(hall, clock):
    first = enter(hall, visitor="0")
    step(hall, clock, first, 0.5)
    hall.done(first)
    works = [enter(hall, visitor=str(i)) for i in range(ANSWERS.begun + 500)]
    assert sum(work.began for work in works) == ANSWERS.begun
    assert hall.place(works[-1]).before == 499
    assert hall.place(works[-1]).seconds == pytest.approx(0.5 * (499 + ANSWERS.begun))
    with pytest.raises(BusyError, match=r"500 answers wait .* try again in 4 min"):
        enter(hall, visitor="late")
    hall.stop(works[-1])
    assert not enter(hall, visitor="late").began


def test_a_visitor_has_one_recording_waiting(hall):
    for i in range(ANSWERS.begun):
        enter(hall, visitor=str(i))
    enter(hall, visitor="0")
    with pytest.raises(BusyError, match="1 of your answers wait already"):
        enter(hall, visitor="0")
    enter(hall, visitor="another")


def test_searches_of_one_address_are_bounded(hall):
    for i in range(SEARCHES.begun + SEARCHES.of_address):
        enter(hall, SEARCHES, visitor=str(i), address="one")
    with pytest.raises(BusyError, match="searches wait"):
        enter(hall, SEARCHES, visitor="new", address="one")
    enter(hall, SEARCHES, visitor="new", address="two")


def test_what_has_begun_makes_room_when_it_leaves_others_first(hall):
    mine = [enter(hall, SEARCHES, visitor="greedy") for _ in range(SEARCHES.begun + 2)]
    other = enter(hall, SEARCHES, visitor="modest")
    hall.leave(mine[0])
    assert other.began
    assert not mine[-1].began
    hall.leave(mine[1])
    assert mine[2].began


def order_of_turns(hall: Hall, works: dict[str, Work], holder: Work) -> list[str]:
    """Return in which order works that all wait for a turn get one."""
    turns, threads = [], []

    def take(name: str) -> None:
        with hall.turn(works[name]):
            turns.append(name)
        hall.leave(works[name])

    with hall.turn(holder):
        for name in works:
            threads.append(threading.Thread(target=take, args=(name,)))
            threads[-1].start()
        while not all(work.wants for work in works.values()):
            time.sleep(0.01)
    hall.leave(holder)
    for thread in threads:
        thread.join(10)
    return turns


def test_a_question_comes_before_a_search_that_began_earlier(hall):
    search, holder = enter(hall, SEARCHES, "long"), enter(hall, ANSWERS, "x")
    works = {"search": search, "reading": enter(hall, READINGS), "answer": enter(hall, ANSWERS)}
    assert order_of_turns(hall, works, holder) == ["answer", "reading", "search"]


def test_an_answer_that_turns_out_long_lets_new_ones_pass(hall, clock):
    long, holder = enter(hall, ANSWERS, "long"), enter(hall, ANSWERS, "x")
    step(hall, clock, long, QUANTUM + 0.1)
    works = {"long": long, "new": enter(hall, ANSWERS, "new")}
    assert order_of_turns(hall, works, holder) == ["new", "long"]


def test_long_answers_make_room_for_new_ones(hall, clock):
    works = [enter(hall, visitor=str(i)) for i in range(ANSWERS.begun)]
    waiting = enter(hall, visitor="new")
    assert not waiting.began
    step(hall, clock, works[0], QUANTUM + 0.1)
    assert waiting.began


def test_a_search_gets_a_step_in_a_hall_that_is_never_empty(hall, clock):
    search, holder = enter(hall, SEARCHES, "long"), enter(hall, ANSWERS, "x")
    works = {"answer": enter(hall, ANSWERS), "search": search}
    clock.now += STARVED
    works["answer"].rested = clock.now
    assert order_of_turns(hall, works, holder) == ["search", "answer"]


def test_a_search_does_not_slip_in_between_two_steps_of_an_answer():
    hall = Hall()
    answer, search = enter(hall, ANSWERS), enter(hall, SEARCHES, "long")
    turns: list[str] = []

    def run(name: str, work: Work, steps: int) -> None:
        for _ in range(steps):
            with hall.turn(work):
                turns.append(name)
                time.sleep(0.001)
        hall.leave(work)

    with hall.turn(answer):
        thread = threading.Thread(target=run, args=("search", search, 3))
        thread.start()
        while not search.wants:
            time.sleep(0.01)
    run("answer", answer, 5)
    thread.join(10)
    assert turns == ["answer"] * 5 + ["search"] * 3


def test_work_that_is_stopped_ends_at_its_next_step(hall):
    work = enter(hall)
    hall.stop(work)
    with pytest.raises(Stopped), hall.turn(work):
        raise AssertionError("no step is taken")
