"""A closed model gives its memory back, and says that it is closed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

import explainer
from explainer.errors import ModelError
from tests import tiny
from tests.apart import memory, run_apart


def test_a_closed_model_says_so(qwen_folder):
    loaded = explainer.load(qwen_folder, device="cpu")
    run = loaded.record(tiny.image(), "a cat", max_new_tokens=2)
    loaded.close()
    loaded.close()  # twice is once
    assert loaded.model_id == qwen_folder.name
    for act in (
        lambda: loaded.record(tiny.image(), "a cat"),
        lambda: loaded.add_scale(run, 0.6),
        lambda: loaded.nbytes,
    ):
        with pytest.raises(ModelError, match="was closed; load it again"):
            act()


def test_a_recording_under_way_ends_with_the_same_words(qwen_folder):
    loaded = explainer.load(qwen_folder, device="cpu")
    steps = loaded.stream(tiny.image(), "a cat", max_new_tokens=4)
    next(steps)
    loaded.close()
    with pytest.raises(ModelError, match="was closed"):
        list(steps)


def _measure(small: Path, large: Path) -> list[tuple[int, int, int]]:
    """Load, use and close a small model and thrice a large one; return for each the bytes of the
    process with it and after it, and those of its weights."""
    torch.set_num_threads(1)
    sizes = []
    for folder in (small, large, large, large):
        loaded = explainer.load(folder, device="cpu")
        loaded.record(tiny.image(32, 32), "a cat", scales=(1.0,), max_new_tokens=1)
        with_model, weights = memory(), loaded.nbytes
        loaded.close()
        sizes.append((with_model, memory(), weights))
    return sizes


def _large(small: Path, folder: Path) -> Path:
    """Save the tiny checkpoint with very wide layers, 100 MB of them; return `folder`."""
    shutil.copytree(small, folder)
    config = Qwen2VLConfig.from_pretrained(small)
    config.text_config.intermediate_size = 130_000
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="read off Linux's /proc")
def test_the_memory_of_a_closed_model_comes_back(qwen_folder, tmp_path):
    large = _large(qwen_folder, tmp_path / "large")
    (_, before, _), *rounds = run_apart(_measure, qwen_folder, large)
    for with_model, closed, weights in rounds:
        assert weights > 100e6
        assert with_model - before > 0.8 * weights
        assert closed < 1.1 * before
