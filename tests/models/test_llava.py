"""LLaVA-1.5: input building compared with the checkpoint's own processor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    LlavaImageProcessorPil,
    LlavaProcessor,
    SiglipImageProcessorPil,
)

from explainer.errors import ModelError, ScaleError
from explainer.models.base import Family
from explainer.models.families.canvas import mean_colour
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import PROMPT
from tests import tiny, tiny_tiles

SIZE = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
PROCESSORS = {
    "crop": CLIPImageProcessorPil(**SIZE),
    "crop of another class": LlavaImageProcessorPil(**SIZE),
    "pad": LlavaImageProcessorPil(**SIZE, do_pad=True),
    "squash": SiglipImageProcessorPil(size={"height": 64, "width": 64}),
    "crop of a larger one": CLIPImageProcessorPil(
        size={"shortest_edge": 73}, crop_size={"height": 64, "width": 64}
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_tiles.llava(tmp_path_factory.mktemp("models") / "tiny-llava")


@pytest.fixture(scope="module")
def llava(folder) -> Explainer:
    return load(folder, device="cpu")


def _edit(folder: Path, file: str, **values) -> None:
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**settings, **values}))


@pytest.fixture(scope="module", params=PROCESSORS)
def processed(request, folder, tmp_path_factory) -> tuple[Family, Any]:
    """A model with each image processor, and that processor."""
    processor = PROCESSORS[request.param]
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("processed") / "model")
    processor.save_pretrained(copy)
    return load(copy, device="cpu").family, processor


@pytest.mark.parametrize("size", [(96, 128), (64, 64), (33, 47), (400, 300), (10, 10), (20, 99)])
def test_scale_one_is_what_the_image_processor_does(processed, size):
    family, processor = processed
    image = tiny.image(*size)
    ours = family.picture(image, 1.0).tensors["pixel_values"]
    theirs = processor(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
    assert torch.equal(ours, theirs)


def test_a_smaller_scale_lies_in_the_middle_of_the_mean_colour(llava):
    family = llava.family
    picture = family.picture(tiny.image(), 0.5)
    mean, std = np.array(family.processor.image_mean), np.array(family.processor.image_std)
    pixels = picture.tensors["pixel_values"][0].numpy() * std[:, None, None] + mean[:, None, None]
    pixels = np.round(255 * pixels).astype(int)
    assert pixels[:, 0, 0].tolist() == list(mean_colour(family.processor)) == [122, 116, 104]
    inside = np.zeros((64, 64), bool)
    inside[16:48, 16:48] = True
    ground = (pixels == np.array(mean_colour(family.processor))[:, None, None]).all(axis=0)
    assert ground[~inside].all()
    assert ground[inside].mean() < 0.05
    whole = Image.fromarray(tiny.image()).resize((85, 64), Image.Resampling.BICUBIC)
    small = whole.crop((10, 0, 74, 64)).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels.transpose(1, 2, 0)[16:48, 16:48], np.array(small))
    (view,) = picture.views
    seen = np.isfinite(view.rects).all(axis=1).reshape(view.grid)
    assert view.grid == (8, 8)
    assert seen.sum() == 16
    assert seen[2:6, 2:6].all()


def test_common_factors_are_whole_patches_at_the_published_size(tmp_path):
    """336 px and patches of 14: at .5 the picture starts after 6 patches, at .75 after 3."""
    size = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
    processor = CLIPImageProcessorPil(**size)
    folder = tiny_tiles.llava(
        tmp_path / "model", processor=processor, image_size=336, patch_size=14
    )
    family = load(folder, device="cpu").family
    for alpha, start in ((1.0, 0), (0.75, 3), (0.5, 6)):
        (view,) = family.picture(tiny.image(480, 640), alpha).views
        seen = np.isfinite(view.rects).all(axis=1).reshape(24, 24)
        stop = 24 - start
        assert seen[start:stop, start:stop].all()
        assert seen.sum() == (stop - start) ** 2
        corner = view.rects.reshape(24, 24, 4)[start, start]
        assert corner == pytest.approx([80, 0, 80 + 20 / alpha, 20 / alpha], abs=1e-3)


@pytest.mark.parametrize("text", ["what is it?", " a  cat ", "two\nlines", "猫 😀"])
@pytest.mark.parametrize("legacy", [True, False, None])
def test_the_sequence_is_what_the_processor_makes(folder, tmp_path, text, legacy):
    """With the start token, and Llama's spaces where the whole string has them."""
    copy = shutil.copytree(folder, tmp_path / "model")
    if legacy is not None:
        _edit(copy, "tokenizer_config.json", tokenizer_class="LlamaTokenizer", legacy=legacy)
    family = load(copy, device="cpu").family
    words = AutoTokenizer.from_pretrained(copy)
    processor = LlavaProcessor(
        family.processor,
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=family.template,
    )
    image = tiny.image()
    theirs = processor(
        images=Image.fromarray(image),
        text=f"USER: <image>\n{text} ASSISTANT:",
        return_tensors="pt",
    )
    content = [{"type": "image"}, {"type": "text", "text": text}]
    laid_out = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    assert laid_out == f"USER: <image>\n{text} ASSISTANT:"
    inputs = family.compose([image], text)
    assert list(inputs.ids) == theirs["input_ids"][0].tolist()
    assert torch.equal(inputs.tensors["pixel_values"], theirs["pixel_values"])
    assert inputs.ids[0] == words.bos_token_id
    assert inputs.ids.count(words.bos_token_id) == 1
    assert PROMPT in inputs.roles


WITH_PICTURES = (
    "{% for m in messages %}Q: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>"
    "{% else %} {{ c['text'] }}{% endif %}{% endfor %}{% endfor %}{{ '\n' }}A:"
)


@pytest.mark.parametrize("file", ["chat_template.json", "processor_config.json"])
def test_the_processors_template_goes_before_the_tokenizers(folder, tmp_path, file):
    """Many folders keep it there; the tokenizer's, if any, is that of the language model alone."""
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / file).write_text(json.dumps({"chat_template": WITH_PICTURES}))
    _edit(copy, "tokenizer_config.json", chat_template="{{ messages[0]['content'] + '!' }}")
    family = load(copy, device="cpu").family
    codec = family.codec
    ids = family.compose([tiny.image()], "a cat").ids
    assert b"".join(map(codec.bytes_of, ids)).decode().split("<image>" * 64) == [
        "<s> Q: ",
        "  a cat\nA:",
    ]


def test_a_template_without_pictures_is_refused_in_words(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, "tokenizer_config.json", chat_template="{{ messages[0]['content'] + '!' }}")
    with pytest.raises(ModelError, match="chat template of model takes no pictures"):
        load(copy, device="cpu")


def test_a_scale_above_one_is_refused_in_words(llava):
    with pytest.raises(ScaleError, match=r"one fixed size.*above 1"):
        llava.record(tiny.image(), "a cat", scales=(0.5, 1.25))


def test_another_language_model_runs_through_the_same_class(folder, tmp_path):
    """As in BakLLaVA, with Mistral."""
    copy = shutil.copytree(folder, tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    config["text_config"].update(model_type="mistral", architectures=["MistralForCausalLM"])
    (copy / "config.json").write_text(json.dumps(config))
    run = load(copy, device="cpu").record(tiny.image(), "a cat", max_new_tokens=2)
    assert run.scales[0].views[0].grid == (8, 8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vision_feature_select_strategy": "full"}, "'full' is not supported"),
        ({"image_token_index": 3}, "not a pair"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, tmp_path, change, words):
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, "config.json", **change)
    with pytest.raises(ModelError, match=words):
        load(copy, device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crop_size": {"height": 56, "width": 56}}, "56 x 56.*64 x 64"),
        ({"do_center_crop": False}, "make them agree"),
        ({"image_processor_type": "ViTImageProcessor"}, "ViTImageProcessor.*CLIPImageProcessor"),
    ],
)
def test_a_processor_that_does_not_fit_is_refused(folder, tmp_path, change, words):
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, "preprocessor_config.json", **change)
    with pytest.raises(ModelError, match=words):
        load(copy, device="cpu")


def test_old_settings_of_the_hub_are_read(folder, tmp_path):
    """Sizes as plain numbers, and the processor's name as it was."""
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, "preprocessor_config.json", size=64, crop_size=64, image_processor_type=None)
    assert load(copy, device="cpu").family.canvas(tiny.image()).image.size == (64, 64)


@pytest.mark.parametrize("kind", ["video_llava", "vipllava", "llava_llama"])
def test_relatives_are_refused_with_what_is_supported(folder, tmp_path, kind):
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, "config.json", model_type=kind)
    with pytest.raises(ModelError, match=rf"'{kind}'.*1\.5.*\bllava\b"):
        load(copy, device="cpu")
