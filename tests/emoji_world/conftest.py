"""Trainers small enough to take a step in no time."""

from __future__ import annotations

import pytest

from explainer.emoji_world import checkpoint
from explainer.emoji_world.architectures import ARCHITECTURES
from explainer.emoji_world.recipe import Recipe
from explainer.emoji_world.train import Trainer


@pytest.fixture(scope="module")
def texts():
    return checkpoint.corpus(scenes=60)


@pytest.fixture
def new_trainer(texts, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "corpus", lambda: texts)

    def make(name="run", begin=Trainer.start, family="qwen2_vl", source=(), **recipe):
        options = {"steps": 4, "visual_tokens": 40, "warmup": 2} | recipe
        return begin(tmp_path / name, Recipe(**options), "cpu", ARCHITECTURES[family], *source)

    return make


@pytest.fixture(params=ARCHITECTURES)
def each(new_trainer, request):
    """A new trainer of each family."""
    trainer = new_trainer(family=request.param)
    trainer.model.eval()
    return trainer
