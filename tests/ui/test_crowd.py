"""A crowd at a page: bounded, on this machine only, and its figures tell what went wrong."""

from __future__ import annotations

import os

import pytest

from explainer.commands import callers, crowd
from explainer.commands.figure import Figure
from explainer.errors import SightlineError


@pytest.mark.parametrize(
    ("url", "visitors", "seconds"),
    [
        ("http://example.com/", 5, 5),
        ("http://127.0.0.1.example.com/", 5, 5),
        ("http://127.0.0.1:7860/", 0, 5),
        ("http://127.0.0.1:7860/", crowd.MOST_VISITORS + 1, 5),
        ("http://127.0.0.1:7860/", 5, crowd.MOST_SECONDS + 1),
    ],
)
def test_a_crowd_is_bounded_and_stays_on_this_machine(url, visitors, seconds):
    with pytest.raises(SightlineError):
        crowd.check(url, visitors, seconds)


def test_a_crowd_is_answered_and_not_mixed_up(url, tmp_path, monkeypatch):
    monkeypatch.setattr(crowd, "SETTLE", 0.0)
    monkeypatch.setattr(crowd, "COSTLY", 0.5)
    figures = {f.name: f.value for f in crowd.measure(url, 8, 4, os.getpid(), tmp_path)}
    assert figures["answers"] >= 8
    for name in ("refusals", "mix-ups", "server errors", "other errors"):
        assert figures[name] == 0, name


def test_a_mix_up_is_found(url, tmp_path, monkeypatch):
    timed = crowd._Visitor.timed

    async def mixed_up(self, name, asked, label=""):
        told = await timed(self, name, asked, label)
        return {**told, "prompt": "another prompt"} if name == "tokens" else told

    monkeypatch.setattr(crowd, "SETTLE", 0.0)
    monkeypatch.setattr(crowd._Visitor, "timed", mixed_up)
    figures = {f.name: f.value for f in crowd.measure(url, 2, 2, os.getpid(), tmp_path)}
    assert figures["mix-ups"] == figures["answers"] > 0


def test_callers_are_counted(url, monkeypatch):
    monkeypatch.setattr(callers, "WARM_UP", 0.0)
    figures = list(callers.measure(url, 3, 1))
    assert [f.name for f in figures if f.unit == "calls/s"] == [
        "/explain in one request, 3 callers",
        "/explain through the queue, 3 callers",
    ]
    assert all(f.value > 0 for f in figures if f.unit == "calls/s")
    assert [f.value for f in figures if f.name == "refused"] == [0, 0]


def test_callers_that_are_refused_are_counted(url, monkeypatch):
    async def refused(http, run, chip) -> bool:
        return (await http.get("/nothing/here")).status_code == 200

    monkeypatch.setattr(callers, "WARM_UP", 0.0)
    monkeypatch.setattr(callers, "WAYS", {"refused": (refused, None)})
    rate, count, *_ = callers.measure(url, 2, 1)
    assert rate.value == 0
    assert count.value > 0


def test_a_bar_is_the_most_or_the_least():
    assert "met" in Figure("calls", 120, "", 100, at_least=True).row()
    assert "MISSED" in Figure("calls", 80, "", 100, at_least=True).row()
    assert "MISSED" in Figure("seconds", 120, "", 100).row()
