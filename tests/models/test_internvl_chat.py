"""InternVL as published, loaded onto the native class, computes what the authors' code computes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerFast

import explainer
from explainer.errors import ModelError
from explainer.models.loading.internvl_chat import load_parts
from explainer.models.loading.internvl_chat.tokenizer import IMAGE_TOKEN
from explainer.run import ANSWER
from tests import tiny
from tests.models import internvl_chat_reference as reference
from tests.models import sentencepiece_reference as spm
from tests.models.internvl_chat_files import ADDED, MEAN, STD, publish
from tests.models.internvl_chat_reference import INTERNLM2, QWEN2, QWEN3, TOWER_6B


def load(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Any, Any, Any]:
    return load_parts(folder, "it", dtype=dtype, attn_implementation="sdpa")


# The same computation ----------------------------------------------------------------------------

VARIANTS = {
    "internlm2": (INTERNLM2, {}, {}),
    "internlm2 with biases, one key head": (
        {**INTERNLM2, "bias": True, "num_key_value_heads": 1},
        {},
        {},
    ),
    "internlm2, no shared keys": ({**INTERNLM2, "num_key_value_heads": 4}, {}, {}),
    "internlm2 beyond its length": ({**INTERNLM2, "max_position_embeddings": 16}, {}, {}),
    "internlm2 stretched": (
        {**INTERNLM2, "rope_scaling": {"type": "linear", "factor": 2.0}},
        {},
        {},
    ),
    "the 6B tower": ({**INTERNLM2, "rope_scaling": None}, TOWER_6B, {}),
    "the 6B tower, another epsilon": (INTERNLM2, {**TOWER_6B, "layer_norm_eps": 0.1}, {}),
    "qwen2": (QWEN2, {}, {}),
    "qwen2 beyond its length": (
        {
            **QWEN2,
            "max_position_embeddings": 16,
            "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"},
        },
        {},
        {},
    ),
    "qwen2, tied": ({**QWEN2, "tie_word_embeddings": True}, {}, {}),
    "qwen3": (QWEN3, {}, {}),
    "qwen3, tied": ({**QWEN3, "tie_word_embeddings": True}, {}, {}),
    "an earlier layer": (QWEN2, {}, {"select_layer": -2}),
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_the_logits_are_those_of_the_published_model(tmp_path, variant):
    llm, vision, more = variant
    raw, weights = publish(tmp_path, llm, vision, **more)
    network, tokenizer, _ = load(tmp_path)
    image_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    tiles = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    ids = [1, 270, 280, *[image_id] * 8, *range(260, 280)]
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor([ids]), "pixel_values": tiles}
        found = network(**inputs).logits[0]
        expected = reference.forward(raw, weights, ids, tiles, image_id)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-5
    assert expected.std() > 0.1


def test_every_tensor_of_the_file_is_used(tmp_path):
    _, weights = publish(tmp_path)
    network = load(tmp_path)[0]
    there = sum(p.numel() for p in network.parameters())
    assert there == sum(tensor.numel() for tensor in weights.values())
    assert not any(t.is_meta for t in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_converted_and_stand_alone(tmp_path, dtype):
    _, weights = publish(tmp_path)
    network = load(tmp_path, dtype)[0]
    assert {p.dtype for p in network.parameters()} == {dtype}
    for parameter in network.parameters():  # no fused tensor is kept alive behind a part of it
        stored = parameter.untyped_storage().nbytes()
        assert stored == parameter.numel() * parameter.element_size()
    bias = network.model.multi_modal_projector.linear_2.bias
    assert torch.equal(bias, weights["mlp1.3.bias"].to(dtype))


def test_auto_is_the_dtype_of_the_config(tmp_path):
    publish(tmp_path)
    network = load_parts(tmp_path, "it", dtype="auto", attn_implementation="sdpa")[0]
    assert network.dtype == torch.bfloat16


def test_an_unembedding_in_the_file_counts_even_if_the_config_says_tied(tmp_path):
    raw, weights = publish(tmp_path, QWEN2)
    raw["llm_config"]["tie_word_embeddings"] = True
    reference.save(tmp_path, raw, weights)
    network = load(tmp_path)[0]
    assert torch.equal(network.lm_head.weight, weights["language_model.lm_head.weight"])


def test_one_file_without_an_index_is_read_too(tmp_path):
    _, weights = publish(tmp_path)
    for path in tmp_path.glob("model*"):
        path.unlink()
    save_file(weights, tmp_path / "model.safetensors")
    assert torch.equal(load(tmp_path)[0].lm_head.weight, weights["language_model.output.weight"])


# Tokens, template and pixels ---------------------------------------------------------------------


@pytest.mark.parametrize("listed_twice", [True, False])
@pytest.mark.parametrize("llm", [INTERNLM2, QWEN2, QWEN3], ids=["internlm2", "qwen2", "qwen3"])
def test_special_tokens_have_the_ids_of_the_files(tmp_path, llm, listed_twice):
    publish(tmp_path, llm)
    if not listed_twice:  # in added_tokens.json alone, as in older files
        path = tmp_path / "tokenizer_config.json"
        settings = json.loads(path.read_text())
        listed = settings.pop("added_tokens_decoder").items()
        if llm is INTERNLM2:  # where it lists only what comes after the pieces
            kept = {i: t for i, t in listed if t["content"] not in ADDED}
            settings["added_tokens_decoder"] = kept
        path.write_text(json.dumps(settings))
    network, tokenizer, _ = load(tmp_path)
    added = json.loads((tmp_path / "added_tokens.json").read_text())
    for token, token_id in added.items():
        assert tokenizer(token, add_special_tokens=False)["input_ids"] == [token_id]
    assert network.config.image_token_id == added[IMAGE_TOKEN]
    assert tokenizer.is_fast
    stops = network.generation_config.eos_token_id
    assert stops[0] == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_internlm2_text_has_the_ids_of_sentencepiece(tmp_path):
    publish(tmp_path)
    tokenizer = load(tmp_path)[1]
    text = "the system\nassistant 图片 é"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == spm.encode(text, spm.pieces())
    assert tokenizer.decode(ids) == text


def test_a_fast_tokenizer_in_the_folder_is_preferred(tmp_path):
    publish(tmp_path)
    PreTrainedTokenizerFast(
        tokenizer_object=load(tmp_path)[1].backend_tokenizer, bos_token="<s>"
    ).save_pretrained(tmp_path / "fast")
    (tmp_path / "fast" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.model").unlink()
    tokenizer = load(tmp_path)[1]
    assert tokenizer("the cat")["input_ids"] == spm.encode("the cat", spm.pieces())


@pytest.mark.parametrize(
    ("llm", "start"),
    [(INTERNLM2, "<s>"), (QWEN2, ""), (QWEN3, "")],
    ids=["internlm2", "qwen2", "qwen3"],
)
@pytest.mark.parametrize(("template", "end"), [("internvl2_5", "\n"), ("internlm2-chat", "")])
def test_the_conversation_is_laid_out_as_in_the_authors_code(tmp_path, llm, start, template, end):
    publish(tmp_path, llm, template=template)
    tokenizer = load(tmp_path)[1]
    content = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    assert text.startswith(f"{start}<|im_start|>system\n你是")
    system, rest = text.split("。<|im_end|>" + end)
    assert "InternVL" in system
    assert rest == (
        f"<|im_start|>user\n{IMAGE_TOKEN}\nWhat is it?<|im_end|>{end}<|im_start|>assistant\n"
    )


def test_the_image_processor_cuts_and_normalises_as_the_authors_code(tmp_path):
    publish(tmp_path)
    processor = load(tmp_path)[2]
    image = Image.fromarray(tiny.image(60, 120))
    out = processor(images=image, return_tensors="pt")
    mean, std = torch.tensor(MEAN)[:, None, None], torch.tensor(STD)[:, None, None]
    scaled = image.resize((112, 56), Image.Resampling.BICUBIC)
    crops = [scaled.crop((0, 0, 56, 56)), scaled.crop((56, 0, 112, 56))]
    crops.append(image.resize((56, 56), Image.Resampling.BICUBIC))
    assert out["num_patches"].tolist() == [3]
    for tile, crop in zip(out["pixel_values"], crops, strict=True):
        pixels = torch.tensor(np.array(crop)).permute(2, 0, 1) / 255
        assert torch.allclose(tile, (pixels - mean) / std, atol=1e-5)


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ps_version": "v1"}, "transposes"),
        ({"template": "phi3-chat"}, "'phi3-chat' is not known"),
        ({"template": None}, "None is not known"),
        ({"use_llm_lora": 8}, "merge them"),
        ({"force_image_size": 28}, "force_image_size"),
        ({"pad2square": True}, "pad2square"),
        ({"use_thumbnail": False}, "thumbnail"),
        ({"llm_config": {**INTERNLM2, "architectures": ["Phi3ForCausalLM"]}}, "Phi3ForCausalLM"),
        ({"llm_config": {}}, "not named"),
        ({"vision_config": None}, "vision_config"),
        ({"llm_config": {**INTERNLM2, "rope_scaling": {"type": "yarn", "factor": 4.0}}}, "yarn"),
        ({"llm_config": {**INTERNLM2, "rope_pos_id_version": "v2pe"}}, "v2pe"),
    ],
    ids=str,
)
def test_variants_that_compute_something_else_are_refused(tmp_path, change, said):
    raw, _ = publish(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**raw, **change}))
    with pytest.raises(ModelError, match=said):
        load(tmp_path)


def test_weights_of_another_shape_are_named_with_both_shapes(tmp_path):
    raw, weights = publish(tmp_path)
    name = "language_model.model.layers.1.attention.wqkv.weight"
    reference.save(tmp_path, raw, {**weights, name: torch.zeros(60, 32)})
    with pytest.raises(ModelError, match=rf"{name} is \(60, 32\) and should be \(64, 32\)"):
        load(tmp_path)


def test_missing_and_unknown_weights_are_named(tmp_path):
    raw, weights = publish(tmp_path)
    weights["language_model.model.layers.2.ffn_norm.weight"] = weights.pop("mlp1.3.bias")
    reference.save(tmp_path, raw, weights)
    with pytest.raises(ModelError, match=r"mlp1\.3\.bias missing.*layers\.2\.ffn_norm"):
        load(tmp_path)


def test_stored_rotary_frequencies_are_left_out(tmp_path):
    raw, weights = publish(tmp_path)
    weights["language_model.model.layers.0.attention.rotary_emb.inv_freq"] = torch.zeros(4)
    reference.save(tmp_path, raw, weights)
    load(tmp_path)


@pytest.mark.parametrize("missing", ["tokenizer.model", "model-00002-of-00002.safetensors"])
def test_a_missing_file_is_named(tmp_path, missing):
    publish(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        load(tmp_path)


def test_a_tokenizer_without_the_image_tokens_is_refused(tmp_path):
    publish(tmp_path, QWEN2)
    for name in ("added_tokens.json", "tokenizer_config.json"):
        text = (tmp_path / name).read_text().replace("</img>", "<gone>")
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match="does not know </img>"):
        load(tmp_path)


def test_pickled_weights_are_not_read(tmp_path):
    publish(tmp_path)
    for path in tmp_path.glob("model*"):
        path.unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pickle"):
        load(tmp_path)


# All of it together ------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", [INTERNLM2, QWEN2, QWEN3], ids=["internlm2", "qwen2", "qwen3"])
def test_a_published_folder_records_the_answer_of_the_published_model(tmp_path, llm):
    raw, weights = publish(tmp_path, llm)
    model, image = explainer.load(tmp_path, device="cpu"), tiny.image(56, 80)
    assert model.family.label == "InternVL"
    run = model.record(image, "the cat", max_new_tokens=3)
    inputs = model.family.compose([image], "the cat")
    ids, tiles = list(inputs.ids), inputs.tensors["pixel_values"]
    with torch.no_grad():
        for token in run.tokens.ids[run.tokens.roles == ANSWER]:
            logits = reference.forward(raw, weights, ids, tiles, model.family.image_token_id)
            assert int(logits[-1].argmax()) == token
            ids.append(int(token))


def test_the_sequence_is_that_of_the_authors_code(tmp_path):
    publish(tmp_path)
    family = explainer.load(tmp_path, device="cpu").family
    known = json.loads((tmp_path / "added_tokens.json").read_text())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    known |= {t["content"]: int(i) for i, t in settings["added_tokens_decoder"].items()}
    inputs = family.compose([tiny.image(56, 80)], "the cat")
    system = "你是书生·万象，英文名是InternVL，"
    system += "是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
    asked = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n<img>"
    asked += IMAGE_TOKEN * len(inputs.visual)
    asked += "</img>\nthe cat<|im_end|>\n<|im_start|>assistant\n"
    expected = [1]  # <s>, which the tokenizer of the authors puts first
    for part in re.split("(" + "|".join(map(re.escape, known)) + ")", asked):
        expected += [known[part]] if part in known else spm.encode(part, spm.pieces())
    assert list(inputs.ids) == expected


def test_code_in_the_folder_is_never_run(tmp_path):
    publish(tmp_path / "model")
    trace = tmp_path / "was-run"
    for name in ("configuration_internvl_chat.py", "tokenization_internlm2.py"):
        (tmp_path / "model" / name).write_text(f"open({str(trace)!r}, 'w')")
    explainer.load(tmp_path / "model", device="cpu")
    assert not trace.exists()
