"""Devices, dtypes, quantization and device maps: what runs here runs, the rest is said."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

import explainer
from explainer.errors import ModelError
from explainer.models.loading import placing
from explainer.models.loading.options import LoadOptions
from tests import tiny

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def _without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Have these modules count as not installed."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in modules else real(name)
    )


def _refusal(folder, **options) -> str:
    with pytest.raises(ModelError) as told:
        explainer.load(folder, **options)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "int4"},
        {"quantize": "2bit"},
        {"device_map": "everywhere"},
        {"attention": "eager"},
        {"tiles": 0},
    ],
)
def test_values_that_mean_nothing_are_refused_with_what_does(options):
    with pytest.raises(ModelError, match="must be"):
        LoadOptions(**options)


@NO_GPU
def test_auto_takes_the_best_device_that_is_here(monkeypatch):
    assert placing.pick_device(LoadOptions()).type in ("cpu", "mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert placing.pick_device(LoadOptions()).type == "mps"
    assert placing.pick_device(LoadOptions(device="mps")).type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert placing.pick_device(LoadOptions()).type == "cuda"
    assert placing.pick_device(LoadOptions(device="cuda:1")).index == 1
    with pytest.raises(ModelError, match="use cuda:0 to cuda:1"):
        placing.pick_device(LoadOptions(device="cuda:2"))


@NO_GPU
@pytest.mark.parametrize("device", ["abacus", "meta", "xla", "cuda", "cuda:0"])
def test_a_device_that_is_not_here_is_said(qwen_folder, device):
    assert "device" in _refusal(qwen_folder, device=device)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this is Apple's")
def test_a_missing_mps_is_said(qwen_folder):
    assert "MPS" in _refusal(qwen_folder, device="mps")


# Quantization ------------------------------------------------------------------------------------


def test_quantization_names_what_to_install(qwen_folder, monkeypatch):
    _without(monkeypatch, "bitsandbytes", "optimum.quanto")
    said = _refusal(qwen_folder, device="cpu", quantize="8bit")
    assert "pip install optimum-quanto accelerate" in said
    assert "CUDA only" in _refusal(qwen_folder, device="cpu", quantize="4bit")
    with pytest.raises(ModelError, match="pip install bitsandbytes accelerate"):
        placing.network_options(LoadOptions(quantize="8bit"), torch.device("cuda"))


def test_quantization_without_accelerate_names_it(monkeypatch):
    real = placing.installed
    monkeypatch.setattr(
        placing, "installed", lambda m: m == "optimum.quanto" or (m != "accelerate" and real(m))
    )
    with pytest.raises(ModelError, match="pip install accelerate"):
        placing.network_options(LoadOptions(quantize="8bit"), torch.device("cpu"))


def test_quantization_is_what_was_asked_for(monkeypatch):
    monkeypatch.setattr(placing, "installed", lambda module: True)
    wanted = placing.network_options(LoadOptions(quantize="8bit"), torch.device("cpu"))
    assert wanted["quantization_config"].weights == "int8"
    assert wanted["device_map"] == {"": torch.device("cpu")}
    assert placing.offered(torch.device("cpu")) == ("8bit",)
    monkeypatch.setattr(placing, "installed", lambda module: False)
    assert placing.offered(torch.device("cpu")) == ()
    assert placing.offered(torch.device("cuda")) == ("8bit", "4bit")


def test_quanto_records_on_a_cpu(qwen_folder, qwen):
    pytest.importorskip("optimum.quanto")
    pytest.importorskip("accelerate")
    loaded = explainer.load(qwen_folder, device="cpu", quantize="8bit")
    run = loaded.record(tiny.image(), "a cat", max_new_tokens=2)
    assert run.settings["quantize"] == "8bit"
    assert loaded.nbytes < 0.7 * qwen.nbytes
    assert np.isfinite(run.text_logits).all()


def test_what_is_quantized_already_is_not_quantized_again(qwen_folder, tmp_path, monkeypatch):
    import json
    import shutil

    monkeypatch.setattr(placing, "installed", lambda module: True)
    folder = shutil.copytree(qwen_folder, tmp_path / "model")
    raw = json.loads((folder / "config.json").read_text())
    raw["quantization_config"] = {"quant_method": "gptq"}
    (folder / "config.json").write_text(json.dumps(raw))
    assert "quantized already" in _refusal(folder, device="cpu", quantize="8bit")


# Attention ---------------------------------------------------------------------------------------


def test_attention_is_sdpa_and_never_eager(any_family):
    assert any_family.family.model.config._attn_implementation == "sdpa"


def test_flash_attention_says_what_it_needs(qwen_folder, monkeypatch):
    said = _refusal(qwen_folder, device="cpu", attention="flash_attention_2")
    assert "CUDA only" in said
    cuda = torch.device("cuda")
    with pytest.raises(ModelError, match="bfloat16"):
        placing.network_options(LoadOptions(attention="flash_attention_2", dtype="float32"), cuda)
    _without(monkeypatch, "flash_attn")
    with pytest.raises(ModelError, match="pip install flash-attn"):
        placing.network_options(LoadOptions(attention="flash_attention_2"), cuda)


# Device maps -------------------------------------------------------------------------------------


def test_a_device_map_names_accelerate(qwen_folder, monkeypatch):
    _without(monkeypatch, "accelerate")
    assert "pip install accelerate" in _refusal(qwen_folder, device_map="auto")


@NO_GPU
@pytest.mark.parametrize("device_map", ["auto", "balanced", "sequential", {"": "cpu"}])
def test_a_device_map_on_a_cpu_records_the_same(qwen_folder, qwen, device_map):
    pytest.importorskip("accelerate")
    mapped = explainer.load(qwen_folder, device_map=device_map)
    one = mapped.record(tiny.image(), "a cat", max_new_tokens=4)
    two = qwen.record(tiny.image(), "a cat", max_new_tokens=4)
    assert np.array_equal(one.states, two.states)
    assert one.answer == two.answer


def test_inputs_and_states_go_where_the_parts_are(qwen_folder):
    """accelerate's hooks in every part, as for a model that is spread over several GPUs."""
    accelerate = pytest.importorskip("accelerate")
    loaded = explainer.load(qwen_folder, device="cpu")
    want = loaded.record(tiny.image(), "a cat", max_new_tokens=4)
    network, parts = loaded.family.model, {}
    for name, _ in network.named_children():
        parts[name] = "cpu"
    accelerate.dispatch_model(network, parts, main_device="cpu", force_hooks=True)
    got = loaded.record(tiny.image(), "a cat", max_new_tokens=4)
    assert np.array_equal(got.states, want.states)
    assert loaded.family.input_device == loaded.family.device


@pytest.mark.parametrize("device_map", [{"model": 0, "lm_head": "cpu"}, {"": "disk"}])
def test_offloading_is_refused_before_anything_is_read(qwen_folder, device_map):
    pytest.importorskip("accelerate")
    said = _refusal(qwen_folder, device_map=device_map)
    assert "all parts have to be on GPUs" in said


def test_a_device_map_with_a_device_is_refused(qwen_folder):
    pytest.importorskip("accelerate")
    assert "leave device at auto" in _refusal(qwen_folder, device="cpu", device_map="auto")


# Options of some families ------------------------------------------------------------------------


def test_an_option_that_the_family_has_not_is_refused(qwen_folder):
    assert "has no tiles" in _refusal(qwen_folder, tiles=4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_bitsandbytes_records_on_a_gpu(qwen_folder, bits):
    pytest.importorskip("bitsandbytes")
    loaded = explainer.load(qwen_folder, device="cuda", quantize=bits)
    run = loaded.record(tiny.image(), "a cat", max_new_tokens=2)
    assert run.settings["quantize"] == bits
    assert np.isfinite(run.text_logits).all()
