"""Checkpoints that cannot be loaded are refused in one clear line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import explainer
from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class


@pytest.fixture
def folder(qwen_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may damage."""
    return Path(shutil.copytree(qwen_folder, tmp_path / "model"))


def _set(folder: Path, **values) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    "missing",
    ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"],
)
def test_a_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        explainer.load(folder)


def test_pickled_weights_are_never_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"model\.safetensors missing"):
        explainer.load(folder)


def test_an_unknown_architecture_names_the_known_ones(folder):
    _set(folder, model_type="mllama")
    with pytest.raises(ModelError, match=r"'mllama'.*qwen2_vl"):
        explainer.load(folder)


def test_a_model_with_its_own_code_is_refused_without_running_it(folder, tmp_path):
    trace = tmp_path / "was-run"
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w')")
    _set(folder, model_type="evil", auto_map={"AutoConfig": "evil.Config"})
    with pytest.raises(ModelError, match="code of its own"):
        explainer.load(folder)
    _set(folder, model_type="qwen2_vl")  # a known type: the entry is ignored
    assert explainer.load(folder).family.label == "Qwen2-VL"
    assert not trace.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_config_that_is_none_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError):
        explainer.load(folder)


def test_damaged_weights_are_refused(folder):
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"model\.safetensors is cut off"):
        explainer.load(folder)


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "a/b/c", "nowhere"])
def test_a_folder_that_is_not_there_is_said(name):
    with pytest.raises(ModelError, match="no such folder"):
        explainer.load(name)


def test_a_file_is_not_a_model(folder):
    with pytest.raises(ModelError, match="pass the folder"):
        explainer.load(folder / "config.json")


def test_device_and_dtype_are_checked(folder):
    with pytest.raises(ModelError, match="no such device"):
        explainer.load(folder, device="abacus")
    with pytest.raises(ModelError, match="float32"):
        explainer.load(folder, dtype="int4")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_said(folder):
    with pytest.raises(ModelError, match="no CUDA device"):
        explainer.load(folder, device="cuda")


def test_dtype_auto_is_float32_on_a_cpu(qwen):
    assert qwen.family.unembedding.weight.dtype == torch.float32
    assert not qwen.family.model.training
    assert not any(p.requires_grad for p in qwen.family.model.parameters())


def test_all_registered_families_can_be_imported_and_state_their_facts():
    import transformers

    for model_type in FAMILIES:
        family = family_class(model_type)
        assert hasattr(transformers, family.model_class)
        assert hasattr(transformers, family.processor_class)
        assert (family.image_mark or family.image_token) in family.template


def test_importing_the_package_does_not_import_torch():
    code = (
        "import sys, explainer; explainer.Run; explainer.METHODS; explainer.ImageError;"
        "assert not {'torch', 'transformers', 'gradio'} & set(sys.modules), 'too much'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_normal_run_prints_nothing_of_its_own(folder):
    code = (
        "import sys, numpy, explainer\n"
        "grey = numpy.full((64, 64, 3), 99, numpy.uint8)\n"
        "explainer.load(sys.argv[1]).record(grey, 'What is it?', max_new_tokens=2)"
    )
    command = [sys.executable, "-W", "default", "-c", code, str(folder)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        explainer.nothing_like_it  # noqa: B018
