"""Turns: bounded work, bounded waiting."""

from __future__ import annotations

import threading
import time

import pytest

from explainer.errors import SightlineError
from explainer.serving.turns import Turns


def test_so_many_work_so_many_wait_and_the_rest_is_told_at_once():
    turns, go, told = Turns(1, 2, 5.0), threading.Event(), []

    def work(wait: bool) -> None:
        try:
            with turns.take():
                told.append("worked")
                if wait:
                    go.wait()
        except SightlineError as error:
            told.append(str(error))

    threads = [threading.Thread(target=work, args=(i == 0,)) for i in range(5)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads[3:]:
        thread.join(1)
        assert not thread.is_alive(), "nobody waits beyond the bound"
    assert [word for word in told if word != "worked"] == [told[-1]] * 2
    go.set()
    for thread in threads:
        thread.join(5)
    assert told.count("worked") == 3


def test_who_waits_in_vain_is_told_and_leaves_no_turn_taken():
    turns = Turns(1, 1, 0.01)
    with turns.take(), pytest.raises(SightlineError, match="busy"), turns.take():
        pass
    with pytest.raises(ZeroDivisionError), turns.take():
        _ = 1 / 0
    with turns.take():
        pass
