"""Loading into another dtype takes the weights and hardly more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from tests import tiny

LOAD = """
import re, sys
from pathlib import Path
from explainer.models.families import qwen2_vl  # what is imported is no part of the figure
from explainer.recording.explainer import load

def held(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before = held("VmRSS")
loaded = load(sys.argv[1], device="cpu", dtype="float32")
first = next(loaded.family.model.parameters())
print(held("VmHWM") - before, loaded.nbytes, float(first.detach().sum()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A Qwen2-VL of 190 MB in bfloat16, its files links to others, as in the hub's cache."""
    place = tmp_path_factory.mktemp("memory")
    shared = tiny._shared({"embed_dim": 32, "hidden_size": 768, "mlp_ratio": 2})
    width = {"hidden_size": 768, "intermediate_size": 4096, "num_hidden_layers": 8}
    shared["text_config"] |= width | {"num_attention_heads": 12, "num_key_value_heads": 12}
    shared["text_config"]["rope_parameters"]["mrope_section"] = [8, 12, 12]
    network = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**shared)).to(torch.bfloat16)
    network.save_pretrained(place / "blobs", max_shard_size="50MB")
    tiny.tokenizer().save_pretrained(place / "blobs")
    tiny._qwen_processor().save_pretrained(place / "blobs")
    (place / "model").mkdir()
    for at, file in enumerate(sorted((place / "blobs").iterdir())):
        (place / "model" / file.name).symlink_to(file.rename(file.with_name(f"blob{at}")))
    return place / "model"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is held, and gives back")
def test_loading_holds_no_second_copy_of_the_weights(folder):
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LOAD, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    peak, weights, total = map(float, done.stdout.split())
    shard = max(f.stat().st_size for f in folder.glob("*.safetensors"))
    assert weights > 7 * shard
    assert peak <= 1.15 * weights + shard
    network = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    assert total == float(next(network.parameters()).detach().sum())
