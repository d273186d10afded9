"""A crowd at a page: bounded, on this machine only, and its figures tell what went wrong."""

from __future__ import annotations

import os

import pytest

from explainer.commands import crowd
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
    timed = crowd._Visitor._timed

    async def mixed_up(self, name, asked, label=""):
        told = await timed(self, name, asked, label)
        return {**told, "prompt": "another prompt"} if name == "tokens" else told

    monkeypatch.setattr(crowd, "SETTLE", 0.0)
    monkeypatch.setattr(crowd._Visitor, "_timed", mixed_up)
    figures = {f.name: f.value for f in crowd.measure(url, 2, 2, os.getpid(), tmp_path)}
    assert figures["mix-ups"] == figures["answers"] > 0
