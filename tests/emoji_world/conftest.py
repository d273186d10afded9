"""Trainers small enough to take a step in no time."""

from __future__ import annotations

import pytest

from explainer.emoji_world import checkpoint
from explainer.emoji_world.architectures import ARCHITECTURES
from explainer.emoji_world.recipe import Recipe
from explainer.emoji_world.train import Trainer


@pytest.fixture(scope="session")
def texts():
    return checkpoint.corpus(scenes=60)


def _begin(folder, begin, family, source=(), **recipe):
    options = {"steps": 4, "visual_tokens": 40, "warmup": 2} | recipe
    return begin(folder, Recipe(**options), "cpu", ARCHITECTURES[family], *source)


@pytest.fixture
def new_trainer(texts, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "corpus", lambda: texts)

    def make(name="run", begin=Trainer.start, family="qwen2_vl", **options):
        return _begin(tmp_path / name, begin, family, **options)

    return make


@pytest.fixture(scope="session", params=ARCHITECTURES)
def each(texts, request, tmp_path_factory):
    """A trainer of each family, not to be trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "corpus", lambda: texts)
        folder = tmp_path_factory.mktemp("trained") / "run"
        trainer = _begin(folder, Trainer.start, request.param)
    trainer.model.eval()
    return trainer
