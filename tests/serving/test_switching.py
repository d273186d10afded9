"""Switching large models frees the old one: the memory of the process is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from tests import tiny

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


@pytest.mark.slow
def test_the_memory_of_the_old_model_comes_back(large, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "tests.switching", *map(str, large)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    weights, ((first, _), (second, both), (again, alone)) = found["weights"], found["told"]
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
