"""`check` passes on every family, and fails on what is really broken."""

from __future__ import annotations

import copy
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from explainer.__main__ import main
from explainer.evaluation.contract import FAIL, PASS, run_checks
from explainer.evaluation.contract_subject import BOUNDS
from explainer.methods import METHODS
from explainer.models.base import Family
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from tests import tiny, tiny_gemma, tiny_hybrid, tiny_tiles
from tests.models.internvl_chat_files import publish
from tests.models.internvl_chat_reference import QWEN3
from tests.shared_models import FAMILIES

LENS = "lens = model's logits, visual tokens"
TEXT_LENS = "lens = model's logits, text tokens"
CAUSAL = "visual states do not change with the text"
COUNTS = "image tokens = grid = vision features"
TYPED = "special tokens typed by a user stay text"
TEMPLATE = "ids = tokenizer on the whole template"
CELLS = "cells tile the seen part of the picture"
GREEDY = "greedy answer = transformers' (8 tokens)"


@pytest.fixture
def folder(qwen_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(qwen_folder, tmp_path / "model"))


def _failed(explainer: Explainer) -> dict[str, str]:
    """Return what was measured by each check that failed."""
    return {f.name: f.measured for f in run_checks(explainer, {}) if f.verdict == FAIL}


def _as(explainer: Explainer, kind: type[Family]) -> Explainer:
    """Return the same model under another family class."""
    family = explainer.family
    words = family.codec.tokenizer
    return Explainer(kind(family.model, words, family.processor, family.model_id))


# What is sound -----------------------------------------------------------------------------------


def _published(folder: Path) -> Path:
    """Save a random InternVL2.5 in the layout that its authors publish; return `folder`."""
    publish(folder)
    return folder


def _published_qwen3(folder: Path) -> Path:
    """Save a random InternVL3.5 in the layout that its authors publish; return `folder`."""
    publish(folder, QWEN3)
    return folder


KINDS = FAMILIES | {
    "qwen3_5_moe": (tiny_hybrid.qwen3_5_moe, {}),
    "idefics3": (tiny_tiles.idefics3, {}),
    "gemma4 both ways": (partial(tiny_gemma.gemma4, both_ways=True), {}),
    "llava_onevision": (tiny_tiles.llava_onevision, {}),
    "internvl_chat": (_published, {}),
    "internvl_chat with qwen3": (_published_qwen3, {}),
    "internvl_chat in tiles": (_published, {"tiles": 4}),
}


@pytest.fixture(scope="module", params=list(KINDS))
def each_family(request, family_folders, tmp_path_factory) -> Explainer:
    make, options = KINDS[request.param]
    made = family_folders.get(request.param)
    folder = made or make(tmp_path_factory.mktemp("checked") / "model")
    return load(folder, device="cpu", **options)


@pytest.mark.parametrize("dtype", list(BOUNDS))
def test_every_family_passes_in_each_dtype(each_family, dtype):
    """The same weights, cast."""
    family = each_family.family
    network = copy.deepcopy(family.model).to(getattr(torch, dtype))
    cast = type(family)(
        network,
        family.codec.tokenizer,
        family.processor,
        family.model_id,
        options=family.options,
    )
    seconds: dict[str, float] = {}
    found = list(run_checks(Explainer(cast), seconds))
    assert [(f.name, f.measured) for f in found if f.verdict == FAIL] == []
    assert (
        sum(f.verdict == PASS for f in found) >= len(found) - 1
    )  # an answer may hold <|image_pad|>
    assert {f"explained by {name}" for name in METHODS} <= {f.name for f in found}
    assert set(seconds) == {"read", "answer", "pack", "scales", "explain"}


def test_the_command_prints_the_table_and_writes_it(qwen_folder, tmp_path, capsys):
    file = tmp_path / "check.json"
    assert main(["check", str(qwen_folder), "--device", "cpu", "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "the model can be loaded" in out
    assert "peak memory: process" in out
    assert "FAIL" not in out
    told = json.loads(file.read_text())
    assert told["passed"] is True
    assert told["model"] == qwen_folder.name
    assert told["dtype"] == "float32"
    assert told["weights_bytes"] > 0
    assert set(told["seconds"]) == {"load", "read", "answer", "pack", "scales", "explain"}
    assert told["peak_bytes"]["process"] > 1e8
    assert {c["name"] for c in told["checks"]} >= {LENS, TEXT_LENS, CAUSAL, COUNTS, TEMPLATE}
    assert all(set(c) == {"name", "verdict", "measured", "bound"} for c in told["checks"])


# What is broken ----------------------------------------------------------------------------------


def test_a_missing_final_norm_is_caught(qwen):
    class NoNorm(type(qwen.family)):
        @property
        def base(self):
            bare = copy.copy(self.model.model)
            bare._modules = dict(bare._modules)
            language = copy.copy(bare.language_model)
            language._modules = {**language._modules, "norm": torch.nn.Identity()}
            bare._modules["language_model"] = language
            return bare

    failed = _failed(_as(qwen, NoNorm))
    assert {LENS, TEXT_LENS} <= set(failed)


def test_another_unembedding_is_caught(qwen):
    class Shuffled(type(qwen.family)):
        @property
        def unembedding(self):
            layer = copy.deepcopy(self.model.get_output_embeddings())
            layer.weight.data = layer.weight.data.roll(1, 0)
            return layer

    assert {LENS, TEXT_LENS} <= set(_failed(_as(qwen, Shuffled)))


def test_wrong_positions_of_the_answer_are_caught(qwen):
    class Late(type(qwen.family)):
        def step_inputs(self, forward_inputs, step):
            return super().step_inputs(forward_inputs, step + 7)

    assert {TEXT_LENS, GREEDY} & set(_failed(_as(qwen, Late)))


def test_wrong_positions_of_the_picture_are_caught(qwen):
    class Flat(type(qwen.family)):
        def forward_inputs(self, inputs):
            tensors = super().forward_inputs(inputs)
            length = torch.arange(len(inputs.ids))
            return {**tensors, "position_ids": length.expand(3, 1, -1).clone()}

    assert LENS in _failed(_as(qwen, Flat))


def test_a_mask_that_lets_the_picture_see_the_text_is_caught(qwen):
    class Seeing(type(qwen.family)):
        def forward_inputs(self, inputs):
            tensors = super().forward_inputs(inputs)
            length = tensors["input_ids"].shape[1]
            return {**tensors, "attention_mask": torch.zeros(1, 1, length, length)}

    failed = _failed(_as(qwen, Seeing))
    assert CAUSAL in failed


def test_cells_in_the_wrong_place_are_caught(qwen):
    class Shifted(type(qwen.family)):
        def picture(self, image, alpha):
            picture = super().picture(image, alpha)
            view = copy.copy(picture.views[0])
            object.__setattr__(view, "rects", view.rects + np.float32(9))
            return copy.copy(picture).__class__((view,), picture.tensors)

    assert "extend beyond the picture" in _failed(_as(qwen, Shifted))[CELLS]


def test_too_few_image_tokens_are_caught(qwen):
    class Short(type(qwen.family)):
        def compose_prefix(self, media, alpha, *options, **named):
            inputs = super().compose_prefix(media, alpha, *options, **named)
            object.__setattr__(inputs, "ids", (*inputs.ids[:-1], 40))
            return inputs

    failed = _failed(_as(qwen, Short))
    assert list(failed) == ["a picture and a prompt can be recorded"]
    assert "Image features and image tokens do not match" in failed.popitem()[1]


def test_typed_markup_that_becomes_special_is_caught(qwen, monkeypatch):
    def careless(pieces, starts=False):
        parts = [(codec.encode_template(text), role) for text, role in pieces]
        return [i for ids, _ in parts for i in ids], [r for ids, r in parts for _ in ids]

    loaded = _as(qwen, type(qwen.family))
    codec = loaded.family.codec
    monkeypatch.setattr(codec, "encode_pieces", careless)
    assert "special tokens from typed text" in _failed(loaded)[TYPED]


def test_methods_that_return_nonsense_are_caught(qwen, monkeypatch):
    from explainer.evaluation import contract_checks

    real = METHODS["tam"]

    def broken(run, token):
        heat = real(run, token)
        heat.parts[0].values[0, 0] = np.nan
        return heat

    monkeypatch.setattr(contract_checks, "METHODS", {**METHODS, "tam": broken})
    assert _failed(qwen) == {"explained by tam": "not finite"}


def test_a_template_that_rewrites_the_text_fails_with_exit_code_1(folder, capsys):
    from explainer.models.families.qwen2_vl import Qwen2VL

    joined = "{{ part['text'] | replace(' ', '_') }}"
    rewriting = Qwen2VL.template.replace("{{ part['text'] }}", joined)
    (folder / "chat_template.jinja").write_text(rewriting)
    assert main(["check", str(folder), "--device", "cpu"]) == 1
    out = capsys.readouterr().out
    (line,) = [row for row in out.splitlines() if "FAIL" in row and row.startswith(TEMPLATE)]
    assert "by the whole template" in line
    assert out.rstrip().endswith("1 FAIL")


def test_a_tokenizer_with_another_image_token_fails_with_exit_code_1(folder, capsys, tmp_path):
    text = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(text.replace("<|image_pad|>", "<|picture|>"))
    file = tmp_path / "check.json"
    assert main(["check", str(folder), "--device", "cpu", "--json", str(file)]) == 1
    assert "not a pair" in capsys.readouterr().out
    told = json.loads(file.read_text())
    assert told["passed"] is False
    assert [c["verdict"] for c in told["checks"]] == [FAIL]


def test_infinite_states_fail(qwen_folder):
    loaded = load(qwen_folder, device="cpu")
    norm = loaded.family.base.language_model.norm.weight
    norm.data = norm.data * 1e6
    assert list(_failed(loaded)) == ["a picture and a prompt can be recorded"]


def test_flags_that_mean_nothing_and_folders_that_are_not_there(qwen_folder, tmp_path, capsys):
    words = ["check", str(qwen_folder), "--json", str(tmp_path / "no" / "check.json")]
    assert main(words) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["check", str(qwen_folder), "--dtype", "int4"]) == 1
    assert "dtype must be one of" in capsys.readouterr().out


def test_the_random_models_are_no_special_case():
    """The picture that is asked about is no flat one, and the same each time."""
    from explainer.evaluation.contract_samples import sample_picture

    assert sample_picture().std() > 30
    assert np.array_equal(sample_picture(), sample_picture())
    assert tiny.image().shape != sample_picture().shape
