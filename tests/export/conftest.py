"""Exhibits of a run whose words light up in known places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from explainer.export import Chosen, Exhibit, Look, chips
from explainer.methods import METHODS
from explainer.run import Run
from tests.ui.fake import fake_run

SHOWN = ("msea_arc", "tam", "logit_lens")
PLAIN = Look()


def exhibit(
    run: Run | None = None,
    methods: Sequence[str] = SHOWN,
    words: slice = slice(1, 2),
    look: Look = PLAIN,
    **knobs: object,
) -> Exhibit:
    """Return the chips of this slice of the answer by methods with their defaults.

    `knobs` are set for all of them.
    """
    run = run or fake_run()
    chosen = tuple(Chosen(METHODS[m], METHODS[m].settings(**knobs)) for m in methods)
    return Exhibit(run, chosen, tuple(chips(run)[words]), look, "2026-01-02")


@pytest.fixture
def make() -> Callable[..., Exhibit]:
    return exhibit
