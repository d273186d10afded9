"""LoRA adapters, made by peft itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import explainer
from explainer.errors import ModelError, RunError
from explainer.models.loading import placing
from tests import tiny

peft = pytest.importorskip("peft")

ASK = (tiny.image(), "what is in the picture?")


def _adapter(model_folder: Path, folder: Path, seed: int = 0, **options) -> Path:
    """Save a random adapter that changes the model; return `folder`."""
    network = explainer.load(model_folder, device="cpu").family.model
    config = peft.LoraConfig(
        r=4, lora_alpha=16, **{"target_modules": ["q_proj", "v_proj"], **options}
    )
    torch.manual_seed(seed)
    adapted = peft.get_peft_model(network, config)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn_like(weight) * 0.2)
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lora(qwen_folder, tmp_path_factory) -> Path:
    return _adapter(qwen_folder, tmp_path_factory.mktemp("adapters") / "tiny-lora")


def _copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "adapter"))


def _refusal(model: Path, adapter: object) -> str:
    with pytest.raises(ModelError) as told:
        explainer.load(model, device="cpu", adapter=adapter)
    assert "\n" not in str(told.value)
    return str(told.value)


def _close(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Return whether both are equal but for the rounding of another order of sums."""
    return float((one - two).abs().max()) < 1e-4 * float(two.abs().max())


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["lm_head"], ["embed_tokens", "o_proj"]])
@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings")
def test_an_adapter_answers_as_pefts_own_forward(qwen_folder, qwen, tmp_path, targets):
    lora = _adapter(qwen_folder, tmp_path / "lora", target_modules=targets)
    loaded = explainer.load(qwen_folder, device="cpu", adapter=lora)
    base = explainer.load(qwen_folder, device="cpu").family
    inputs = base.compose([ASK[0]], ASK[1])
    tensors = base.forward_inputs(inputs)
    theirs = peft.PeftModel.from_pretrained(base.model, str(lora)).eval()
    with torch.inference_mode():
        expected = theirs(**tensors).logits
        merged = loaded.family.model(**tensors).logits
        plain = qwen.family.model(**tensors).logits
    assert _close(merged, expected)
    assert not _close(merged, plain)
    run, without = loaded.record(*ASK, max_new_tokens=4), qwen.record(*ASK, max_new_tokens=4)
    assert not np.allclose(run.text_logits[1, :9], without.text_logits[1, :9], atol=1e-3)


def test_the_run_says_which_adapter_and_refuses_scales_of_another(
    qwen_folder, qwen, lora, tmp_path
):
    loaded = explainer.load(qwen_folder, device="cpu", adapter=lora)
    run = loaded.record(*ASK, scales=(1.0,), max_new_tokens=2)
    assert run.settings["adapter"].startswith("tiny-lora@")
    assert loaded.add_scale(run, 0.5).alphas == (1.0, 0.5)
    with pytest.raises(RunError, match=r"adapter tiny-lora@.*load tiny-qwen2-vl, adapter"):
        qwen.add_scale(run, 0.5)
    with pytest.raises(RunError, match="is loaded; load "):
        loaded.add_scale(qwen.record(*ASK, scales=(1.0,), max_new_tokens=2), 0.5)
    other = _adapter(qwen_folder, tmp_path / "tiny-lora", seed=1)  # of the same name
    with pytest.raises(RunError, match="is loaded; load "):
        explainer.load(qwen_folder, device="cpu", adapter=other).add_scale(run, 0.5)


def test_an_adapter_stays_beside_the_weights_of_a_quantized_model(qwen_folder, lora):
    from explainer.models.loading.adapter import apply_adapter

    network = explainer.load(qwen_folder, device="cpu").family.model
    merged = explainer.load(qwen_folder, device="cpu", adapter=lora).family
    beside = apply_adapter(network, lora, "tiny", quantized=True)
    assert any("lora_" in name for name, _ in beside.named_parameters())
    tensors = merged.forward_inputs(merged.compose([ASK[0]], ASK[1]))
    with torch.inference_mode():
        one, two = beside(**tensors).logits, merged.model(**tensors).logits
    assert _close(one, two)


@pytest.mark.filterwarnings("ignore:.*tie_word_embeddings")
def test_an_adapter_of_the_unembedding_is_refused_beside_quantized_weights(qwen_folder, tmp_path):
    from explainer.models.loading.adapter import apply_adapter

    lora = _adapter(qwen_folder, tmp_path / "lora", target_modules=["lm_head"])
    network = explainer.load(qwen_folder, device="cpu").family.model
    with pytest.raises(ModelError, match="changes the unembedding"):
        apply_adapter(network, lora, "tiny", quantized=True)


def test_an_adapter_of_another_model_is_refused(qwen_folder, tmp_path):
    lora = _adapter(qwen_folder, tmp_path / "lora")
    config = json.loads((lora / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "someone/another-model"
    config["target_modules"] = ["c_attn"]
    (lora / "adapter_config.json").write_text(json.dumps(config))
    said = _refusal(qwen_folder, lora)
    assert "the adapter lora does not fit" in said
    assert "made for someone/another-model" in said


def test_an_adapter_with_other_shapes_or_layers_is_refused(qwen_folder, lora, tmp_path):
    from safetensors.torch import load_file, save_file

    tensors = load_file(lora / "adapter_model.safetensors")
    wide = _copy(lora, tmp_path)
    save_file(
        {k: torch.randn(4, 64) if "lora_A" in k else v for k, v in tensors.items()},
        wide / "adapter_model.safetensors",
    )
    assert "does not fit" in _refusal(qwen_folder, wide)
    more = {k.replace("layers.1.", "layers.7."): v.clone() for k, v in tensors.items()}
    save_file(tensors | more, wide / "adapter_model.safetensors")
    assert "does not fit" in _refusal(qwen_folder, wide)
    some = {k: v for k, v in tensors.items() if "layers.1." not in k}
    save_file(some, wide / "adapter_model.safetensors")
    assert "does not fit" in _refusal(qwen_folder, wide)


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_that_is_no_adapter_is_refused(qwen_folder, lora, tmp_path, missing):
    folder = _copy(lora, tmp_path)
    (folder / missing).unlink()
    assert f"{missing} missing" in _refusal(qwen_folder, folder)
    assert "no such folder" in _refusal(qwen_folder, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "only LORA"),
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron"),
    ],
)
def test_other_kinds_of_adapters_are_refused(qwen_folder, lora, tmp_path, values, said):
    folder = _copy(lora, tmp_path)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | values))
    assert said in _refusal(qwen_folder, folder)


def test_a_missing_peft_is_named(qwen_folder, lora, monkeypatch):
    monkeypatch.setattr(placing, "installed", lambda module: module != "peft")
    assert "pip install peft" in _refusal(qwen_folder, lora)
