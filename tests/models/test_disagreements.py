"""Checkpoints whose parts do not belong together, and loads that are told and stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import explainer
from explainer.errors import LoadCancelled, ModelError
from explainer.models.loading.options import WEIGHTS, LoadStep
from tests import tiny


@pytest.fixture
def folder(qwen_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may damage."""
    return Path(shutil.copytree(qwen_folder, tmp_path / "model"))


def _rewrite(folder: Path, change) -> None:
    """Apply `change` to the tensors of the weight file."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})


def _configure(folder: Path, **values) -> None:
    raw = json.loads((folder / "config.json").read_text())
    raw["text_config"] |= values
    (folder / "config.json").write_text(json.dumps(raw))


def _refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as told:
        explainer.load(folder, device="cpu")
    assert "\n" not in str(told.value)
    return str(told.value)


# Config and weights ------------------------------------------------------------------------------


def test_a_missing_tensor_is_named_and_never_made_up(folder, capfd):
    _rewrite(folder, lambda t: t.pop(next(n for n in t if n.endswith("1.mlp.down_proj.weight"))))
    said = _refusal(folder)
    assert "layers.1.mlp.down_proj.weight missing" in said
    assert "config.json and the weights disagree" in said
    assert "LOAD REPORT" not in capfd.readouterr().err


def test_a_tensor_of_another_shape_is_named_with_both(folder):
    _configure(folder, intermediate_size=96)
    said = _refusal(folder)
    assert "mlp.down_proj.weight is (32, 64) in the file and (32, 96) by config.json" in said
    assert "and 3 more" in said


def test_a_config_with_too_few_layers_is_refused(folder):
    _configure(folder, num_hidden_layers=1, layer_types=["full_attention"])
    said = _refusal(folder)
    assert "layers.1." in said
    assert "has no place" in said


def test_a_config_with_too_many_layers_is_refused(folder):
    _configure(folder, num_hidden_layers=3, layer_types=["full_attention"] * 3)
    assert "layers.2." in _refusal(folder)


def test_a_config_that_contradicts_itself_says_how(folder):
    _configure(folder, num_hidden_layers=1)
    assert "`num_hidden_layers`" in _refusal(folder)


def test_a_tensor_of_a_kind_that_the_model_has_not_is_left_aside(folder, qwen):
    _rewrite(folder, lambda t: t.update({"value_head.weight": torch.zeros(1, 32)}))
    assert explainer.load(folder, device="cpu").nbytes == qwen.nbytes


def test_weights_that_are_not_tied_need_both_matrices(folder):
    _configure(folder, tie_word_embeddings=False)
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**raw, "tie_word_embeddings": False}))
    assert "lm_head.weight missing" in _refusal(folder)


# Files -------------------------------------------------------------------------------------------


def test_a_text_only_model_is_said_even_without_image_files(folder):
    (folder / "preprocessor_config.json").unlink()
    (folder / "config.json").write_text('{"model_type": "qwen2", "hidden_size": 8}')
    said = _refusal(folder)
    assert "is a text-only model (type 'qwen2'): it takes no picture" in said
    assert "qwen2_vl" in said


def test_pickle_only_says_why_it_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    said = _refusal(folder)
    assert "pickle only (pytorch_model.bin)" in said
    assert "safetensors" in said


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_weights_that_are_cut_off_anywhere_are_refused(folder, keep):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:keep])
    assert "model.safetensors is " in _refusal(folder)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "preprocessor_config.json"])
@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_file_is_refused_in_one_line(folder, file, text):
    (folder / file).write_text(text)
    _refusal(folder)


def test_the_tokenizer_of_another_model_is_refused(folder):
    more = [f"<|more{i}|>" for i in range(11)]  # all words come after them
    tiny.tokenizer(431, special=[*tiny.SPECIAL, *more]).save_pretrained(folder)
    said = _refusal(folder)
    assert "tokenizer and model are not a pair" in said


def test_a_tokenizer_with_another_image_token_is_refused(folder):
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|image_pad|>", "<|picture|>"))
    assert "not a pair" in _refusal(folder)


# Told and stopped --------------------------------------------------------------------------------


def test_reading_is_told_in_bytes_and_first_before_memory_is_taken(folder, qwen):
    steps: list[LoadStep] = []
    explainer.load(folder, device="cpu", on_progress=steps.append)
    assert {s.stage for s in steps} == {WEIGHTS}
    assert steps[0] == LoadStep(WEIGHTS, 0, steps[0].total)
    assert steps[-1].done == steps[-1].total
    assert steps[0].total == pytest.approx(qwen.nbytes, rel=0.01)
    assert [s.done for s in steps] == sorted(s.done for s in steps)


@pytest.mark.parametrize("after", [0, 1])
def test_reading_can_be_stopped(folder, after):
    heard: list[LoadStep] = []

    def stop(step: LoadStep) -> None:
        heard.append(step)
        if len(heard) > after:
            raise LoadCancelled("stopped")

    with pytest.raises(LoadCancelled):
        explainer.load(folder, device="cpu", on_progress=stop)
    assert explainer.load(folder, device="cpu").model_id == "model"


def test_a_refused_load_leaves_other_models_alone(folder, qwen):
    (folder / "model.safetensors").write_bytes(b"nothing")
    _refusal(folder)
    assert qwen.record(tiny.image(), "a cat", max_new_tokens=1).answer is not None
