"""What fits into memory: the arithmetic on sizes, and sizes read off files without their data."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

import explainer
from explainer.errors import ModelError
from explainer.models.loading import fit, weights
from explainer.models.loading.memory import with_room
from explainer.models.loading.weights import Counts

GB = 1_000_000_000
B8 = Counts(8_000_000_000, 1_000_000_000, 16 * GB)  # the size of an 8B model in bfloat16


def _head_only(file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Write a safetensors file of bfloat16 tensors, its data a hole that takes no room on disk."""
    head, end = {}, 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        head[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **head}).encode()
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)


def _check(free: float, precision: str = "bfloat16", offered: tuple = ("8bit", "4bit")) -> int:
    return fit.check_fit("big", B8, precision, "cuda", offered, int(free * GB))


def test_what_fits_takes_the_bytes_of_its_weights():
    assert _check(18) == 16 * GB
    assert fit.check_fit("big", B8, "float32", "cpu", (), None) == 32 * GB


def test_what_does_not_fit_is_told_with_what_would():
    with pytest.raises(ModelError) as told:
        _check(9.5)
    said = str(told.value)
    assert (
        "big does not fit: it needs about 16.9 GB in bfloat16, and 9.5 GB are free on cuda" in said
    )
    # 7 billion at 4.5 bits and 1 billion of embeddings at 16, a twentieth and 0.1 GB more.
    assert "quantize 4bit (about 6.3 GB)" in said
    assert "8bit" not in said  # 9.6 GB
    assert "up to about 4.5 billion parameters" in said


def test_only_what_is_there_and_smaller_is_offered():
    with pytest.raises(ModelError) as told:
        _check(20, "float32", offered=())
    assert "dtype bfloat16 (about 16.9 GB), or a smaller model" in str(told.value)
    assert "quantize" not in str(told.value)
    with pytest.raises(ModelError) as told:
        _check(1, "4bit")
    assert "Use or" not in str(told.value)
    assert "Use a smaller model" in str(told.value)


def test_the_precision_follows_flags_device_and_config():
    raw = {"text_config": {"dtype": "bfloat16"}}
    assert fit.precision_of("auto", None, True, raw) == "float32"
    assert fit.precision_of("auto", None, False, raw) == "bfloat16"
    assert fit.precision_of("auto", None, False, {"torch_dtype": "float16"}) == "float16"
    assert fit.precision_of("auto", None, False, {}) == "float32"
    assert fit.precision_of("float16", None, True, raw) == "float16"
    assert fit.precision_of("float16", "4bit", False, raw) == "4bit"


def test_sizes_are_read_off_the_heads_of_all_shards(tmp_path):
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    _head_only(tmp_path / one, {"model.embed_tokens.weight": (1000, 64)})
    _head_only(tmp_path / two, {"model.layers.0.weight": (64, 64), "lm_head.weight": (1000, 64)})
    index = {"weight_map": {"a": one, "b": two, "c": two}}
    (tmp_path / weights.INDEX).write_text(json.dumps(index))
    counts = weights.count(weights.stored(tmp_path))
    assert counts == Counts(2 * 64_000 + 4096, 2 * 64_000, 2 * (2 * 64_000 + 4096))
    (tmp_path / two).unlink()
    with pytest.raises(ModelError, match=r"1 of 2 weight files are missing \(model-00002"):
        weights.stored(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x10", b"\xff" * 40, struct.pack("<Q", 4) + b"none"])
def test_a_damaged_head_is_named(tmp_path, data):
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        weights.stored(tmp_path)


def test_a_damaged_index_is_named(tmp_path):
    (tmp_path / weights.INDEX).write_text("[1]")
    with pytest.raises(ModelError, match="is damaged"):
        weights.stored(tmp_path)


def test_a_folder_that_is_too_large_is_refused_before_memory_is_taken(
    qwen_folder, tmp_path, monkeypatch
):
    for file in qwen_folder.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    _head_only(tmp_path / "model.safetensors", {"model.layers.0.weight": (2_000_000, 1000)})
    free = 3 * GB
    monkeypatch.setattr("explainer.models.loading.fit.free_memory", lambda device: free)
    monkeypatch.setattr("explainer.models.loading.precision.computes_bfloat16", lambda cpu: False)
    steps = []
    with pytest.raises(ModelError) as told:
        explainer.load(tmp_path, device="cpu", on_progress=steps.append)
    assert "needs about 8.5 GB in float32, and 3.0 GB are free on cpu" in str(told.value)
    assert "dtype bfloat16" not in str(told.value)  # 4.3 GB
    assert steps == []


def test_what_the_caller_gives_back_counts_as_free(qwen_folder, qwen, monkeypatch):
    monkeypatch.setattr("explainer.models.loading.fit.free_memory", lambda device: 1000)
    with pytest.raises(ModelError, match="does not fit"):
        explainer.load(qwen_folder, device="cpu")
    loaded = explainer.load(qwen_folder, device="cpu", reclaimable=with_room(qwen.nbytes))
    assert loaded.nbytes == qwen.nbytes
