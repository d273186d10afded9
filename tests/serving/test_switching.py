"""Switching large models frees the old one: the memory of the process is measured."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from explainer.models.loading.catalogue import entry_for
from explainer.recording.load import load
from explainer.serving.model_pool import Models
from tests import tiny
from tests.apart import memory, run_apart

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
MB = 1 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> list[Path]:
    """Two random models of the tiny architecture with about 150 MB of weights each."""
    parts = tiny._shared({"embed_dim": 32, "hidden_size": 1024, "mlp_ratio": 2})
    parts["text_config"] |= {
        "hidden_size": 1024,
        "intermediate_size": 2816,
        "num_hidden_layers": 4,
        "num_attention_heads": 16,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [8, 12, 12],
        },
        "initializer_range": 0.02,
    }
    make = Qwen2VLForConditionalGeneration
    return [
        tiny._save(
            tmp_path_factory.mktemp("large") / f"large-{seed}", Qwen2VLConfig(**parts), make,
            dtype=tiny.torch.float32, seed=seed, words=tiny.tokenizer(),
            processor=tiny._qwen_processor(),
        )
        for seed in (0, 1)
    ]  # fmt: skip


def switch(*folders: Path) -> tuple[int, list[tuple[int, int]]]:
    """Load two models in turn, ask each a question, and come back to the first.

    The first switch has memory for both models, the second has not. Returns the bytes of the larger
    weights, and those of the process after each step and at most during it.
    """
    entries, free = [entry_for(f) for f in folders], [0]
    models = Models(
        entries, lambda entry, **how: load(entry.source, device="cpu", **how), free=lambda: free[0]
    )
    models.start()
    told = []
    for entry, free[0] in [(entries[0], 0), (entries[1], 10**12), (entries[0], 0)]:
        with Peak() as peak:
            for _ in models.load(entry.id):
                pass
            with models.use(entry.id):  # only now are all weights read from their file
                models.loaded(entry.id).record(tiny.image(), "What is this?", max_new_tokens=4)
        told.append((memory(), peak.highest))
    return max(e.parameters for e in entries) * 4, told


class Peak:
    """Watches the memory of this process from a thread."""

    def __enter__(self) -> Peak:
        self.highest, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.highest = max(self.highest, memory())

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.slow
def test_the_memory_of_the_old_model_comes_back(large, capsys):
    weights, ((first, _), (second, both), (again, alone)) = run_apart(switch, *large)
    with capsys.disabled():
        print(
            f"\nMB: weights {weights / MB:.0f}, process with the first model {first / MB:.0f}, "
            f"with the second {second / MB:.0f}, with the first again {again / MB:.0f}; "
            f"at most {both / MB:.0f} and {alone / MB:.0f} on the way"
        )
    assert weights > 130 * MB
    assert abs(second - first) < 0.1 * first
    assert abs(again - first) < 0.1 * first
    assert alone < first + 0.5 * weights, "without memory for both they were never there together"
