"""Geometry and input building of the Qwen-VL families, compared with their image processor."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from explainer.errors import ModelError
from explainer.recording.load import load
from tests import tiny


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5"])
def family(request, family_folders):
    return load(family_folders[request.param], device="cpu").family


@pytest.mark.parametrize("size", [(96, 128), (33, 47), (400, 300), (10, 10)])
def test_scale_one_is_what_the_image_processor_does(family, size):
    image = tiny.image(*size)
    ours = family.picture(image, 1.0)
    theirs = family.processor(images=image, return_tensors="pt")
    assert torch.equal(ours.tensors["image_grid_thw"], theirs["image_grid_thw"])
    assert torch.equal(ours.tensors["pixel_values"], theirs["pixel_values"])


def test_the_factor_applies_after_the_processors_own_resize(family):
    """Applied to the file's size, a large picture would be clamped to the same size each time."""
    huge = tiny.image(1000, 1000)
    sizes = [family.input_size(*huge.shape[:2], a) for a in (0.5, 0.75, 1.0, 1.25)]
    assert sizes == [(64, 64), (96, 96), (128, 128), (160, 160)]


def test_at_least_one_cell_is_left(family):
    assert family.input_size(32, 32, 0.1) == (16, 16)
    assert family.picture(tiny.image(32, 32), 0.1).views[0].grid == (1, 1)


def test_rectangles_cover_the_shown_picture_row_by_row(family):
    (view,) = family.picture(tiny.image(100, 50), 1.0).views
    rows, columns = view.grid
    rects = view.rects.reshape(rows, columns, 4)
    assert rects.dtype == np.float32
    assert rects[0, 0].tolist() == [0, 0, pytest.approx(50 / columns), pytest.approx(100 / rows)]
    assert rects[-1, -1, 2:].tolist() == [50, 100]
    assert np.array_equal(rects[:, 1:, 0], rects[:, :-1, 2])
    assert np.array_equal(rects[1:, :, 1], rects[:-1, :, 3])


def test_a_token_lies_where_its_pixels_lie(family):
    """A bright spot changes the input of exactly the token whose rectangle holds it."""
    dark = np.zeros((96, 128, 3), np.uint8)
    spot = dark.copy()
    spot[36:44, 68:76] = 255
    one, two = (family.picture(i, 1.0) for i in (dark, spot))
    changed = (one.tensors["pixel_values"] != two.tensors["pixel_values"]).any(1)
    tokens = changed.reshape(len(one), -1).any(1).numpy()  # 2 x 2 patches for each token
    (token,) = np.flatnonzero(tokens)
    x0, y0, x1, y1 = one.views[0].rects[token]
    assert (x0, y0, x1, y1) == (64, 32, 80, 48)


def test_positions_equal_those_the_model_works_out_itself(family):
    inputs = family.compose([tiny.image()], "a cat")
    ours = family.forward_inputs(inputs)
    kinds = (ours["input_ids"] == family.image_token_id).int()
    with torch.inference_mode():
        without = {k: v for k, v in ours.items() if k != "position_ids"}
        theirs = family.base(**without, mm_token_type_ids=kinds).last_hidden_state
        assert torch.equal(family.base(**ours).last_hidden_state, theirs)


def test_the_tail_of_a_prefix_is_the_picture(family):
    inputs = family.compose_prefix([tiny.image()], 0.5)
    assert inputs.visual == tuple(range(inputs.visual[0], len(inputs.ids)))
    assert set(inputs.ids[inputs.visual[0] :]) == {family.image_token_id}
    whole = family.compose([tiny.image()], "x")
    assert whole.ids[: whole.visual[0]] == inputs.ids[: inputs.visual[0]]


def test_the_sequence_is_that_of_the_template_with_the_picture_put_in(family):
    words = family.codec._tokenizer
    content = [{"type": "image"}, {"type": "text", "text": "what is it?"}]
    text = words.apply_chat_template(
        [{"role": "user", "content": content}],
        chat_template=family.template,
        add_generation_prompt=True,
        tokenize=False,
    )
    inputs = family.compose([tiny.image()], "what is it?")
    text = text.replace("<|image_pad|>", "<|image_pad|>" * len(inputs.visual))
    assert list(inputs.ids) == words(text, add_special_tokens=False)["input_ids"]


def test_the_checkpoints_own_template_comes_first(qwen_folder, tmp_path):
    folder = shutil.copytree(qwen_folder, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<|vision_start|><|image_pad|>{% else %}the {{ c['text'] }} is{% endif %}{% endfor %}"
        "{% endfor %}<|im_start|>"
    )
    run = load(folder).record(tiny.image(), "dog", scales=(1.0,), max_new_tokens=1)
    assert "".join(run.tokens.texts[:-1]) == "<|vision_start|>the dog is<|im_start|>"
    assert run.model_id == "model"


@pytest.mark.parametrize("template", ["no picture", "{{ messages }}<|image_pad|><|image_pad|>"])
def test_a_template_of_another_layout_is_refused(qwen_folder, tmp_path, template):
    folder = shutil.copytree(qwen_folder, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match="chat template"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("preprocessor_config.json", {"patch_size": 14}, "patch_size 14"),
        ("config.json", {"image_token_id": 3}, "not a pair"),
    ],
)
def test_parts_that_do_not_fit_are_refused(qwen_folder, tmp_path, file, change, words):
    folder = shutil.copytree(qwen_folder, tmp_path / "model")
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**settings, **change}))
    with pytest.raises(ModelError, match=words):
        load(folder)
