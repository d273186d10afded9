"""Decoding in places of its own: few at a time, the rest in turn, and no more than can wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from explainer.errors import ImageError
from explainer.media.lane import DecodingLane


def test_no_more_run_at_once_than_there_are_places():
    lane, running, most, lock = DecodingLane("test", 2, 30), [0], [0], threading.Lock()

    def work(number: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return number

    with ThreadPoolExecutor(20) as callers:
        assert list(callers.map(lambda n: lane.run(work, n), range(20))) == list(range(20))
    assert most == [2]


def test_what_cannot_wait_is_refused_and_the_lane_goes_on():
    lane, go = DecodingLane("test", 1, 1), threading.Event()
    with ThreadPoolExecutor(2) as callers:
        held = [callers.submit(lane.run, go.wait, 10) for _ in range(2)]
        while lane._places._value:
            time.sleep(0.001)
        with pytest.raises(ImageError, match="try again in a few seconds"):
            lane.run(int)
        go.set()
        assert [h.result(10) for h in held] == [True, True]
    assert lane.run(int, "3") == 3


def test_what_a_function_raises_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        DecodingLane("test", 1, 0).run(lambda: 1 / 0)
