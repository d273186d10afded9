"""InternVL: input building compared with the checkpoint's own image processor and processor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainer.errors import ModelError, PromptError, ScaleError
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from tests import tiny, tiny_tiles


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_tiles.internvl(tmp_path_factory.mktemp("models") / "tiny-internvl")


@pytest.fixture(scope="module")
def internvl(folder) -> Explainer:
    return load(folder, device="cpu")


@pytest.fixture(scope="module")
def tiled(folder) -> Explainer:
    return load(folder, device="cpu", tiles=6)


def _edit(folder: Path, file: str, **values) -> None:
    settings = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**settings, **values}))


SIZES = [(96, 128), (64, 64), (33, 47), (400, 300), (10, 10), (40, 160), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
def test_one_tile_is_what_the_image_processor_does(internvl, size):
    image = tiny.image(*size)
    picture = internvl.family.picture(image, 1.0)
    processor = internvl.family.processor
    theirs = processor(images=Image.fromarray(image), crop_to_patches=False, return_tensors="pt")
    assert torch.equal(picture.tensors["pixel_values"], theirs["pixel_values"])
    (view,) = picture.views
    assert view.grid == (4, 4)
    assert picture.places == list(range(16))


@pytest.mark.parametrize("size", SIZES)
def test_tiles_and_thumbnail_are_those_of_the_image_processor(tiled, size):
    image = tiny.image(*size)
    picture = tiled.family.picture(image, 1.0)
    theirs = tiled.family.processor(
        images=Image.fromarray(image),
        crop_to_patches=True,
        min_patches=1,
        max_patches=6,
        return_tensors="pt",
    )
    assert torch.equal(picture.tensors["pixel_values"], theirs["pixel_values"])
    rows, columns = tiled.family.layout(*size)
    assert [view.grid for view in picture.views] == [(4 * rows, 4 * columns), (4, 4)][
        : 1 + (rows * columns > 1)
    ]
    assert len(picture) == 16 * int(theirs["num_patches"][0])
    assert sorted(picture.places) == list(range(len(picture)))


def test_tiles_are_one_grid_in_reading_order_of_the_picture(tiled):
    """2 x 1 tiles: the first row of the grid goes through the first row of both tiles."""
    picture = tiled.family.picture(tiny.image(100, 200), 1.0)
    assert tiled.family.layout(100, 200) == (1, 2)
    grid, thumbnail = picture.views
    assert grid.grid == (4, 8)
    assert picture.places[:8] == [0, 1, 2, 3, 16, 17, 18, 19]
    assert picture.places[8:12] == [4, 5, 6, 7]
    assert picture.places[-16:] == list(range(32, 48))
    assert grid.rects[4].tolist() == [100, 0, 125, 25]
    assert thumbnail.rects[1].tolist() == [50, 0, 100, 25]


@pytest.mark.parametrize("tiles", [1, 6])
@pytest.mark.parametrize("number", [1, 2])
def test_the_sequence_is_what_the_processor_makes(folder, tiles, number):
    """What `InternVLProcessor` puts for the template's placeholder, written out here."""
    family = load(folder, device="cpu", tiles=tiles).family
    images = [tiny.image(100, 200), tiny.image(50, 50)][:number]
    inputs = family.compose(images, "a cat?")
    pictures = [
        family.processor(
            images=Image.fromarray(image),
            crop_to_patches=True,
            max_patches=tiles,
            return_tensors="pt",
        )
        for image in images
    ]
    marks = "".join(
        f"<img>{'<IMG_CONTEXT>' * 16 * int(picture['num_patches'][0])}</img>\n"
        for picture in pictures
    )
    text = f"<|im_start|>user\n{marks}a cat?<|im_end|>\n<|im_start|>assistant\n"
    words = family.codec._tokenizer
    assert list(inputs.ids) == words(text)["input_ids"]
    assert set(np.array(inputs.ids)[list(inputs.visual)]) == {family.image_token_id}
    assert len(set(inputs.visual)) == len(inputs.visual) == inputs.ids.count(family.image_token_id)
    values = torch.cat([picture["pixel_values"] for picture in pictures])
    assert torch.equal(inputs.tensors["pixel_values"], values)
    assert [view.image for view in inputs.views] == sorted(view.image for view in inputs.views)


def test_a_recording_with_tiles_has_the_states_in_the_order_of_the_grid(tiled, internvl):
    run = tiled.record(tiny.image(100, 200), "a cat", scales=(0.5,), max_new_tokens=2)
    inputs = tiled.family.compose([run.image], "a cat")
    with torch.inference_mode():
        states = tiled.family.base(**tiled.family.forward_inputs(inputs)).last_hidden_state[0]
    start = min(inputs.visual)
    read = states[start : start + 48].reshape(3, 4, 4, -1).half().numpy()
    ours = run.scales[0].states
    grid = ours[:32].reshape(4, 8, -1)
    assert np.allclose(grid[:, :4], read[0], atol=5e-3)
    assert np.allclose(grid[:, 4:], read[1], atol=5e-3)
    assert np.allclose(ours[32:].reshape(4, 4, -1), read[2], atol=5e-3)
    assert run.alphas == (1.0, 0.5)


def test_llama_inside_works_as_well(tmp_path):
    explainer = load(tiny_tiles.internvl(tmp_path / "model", text="llama"), device="cpu")
    run = explainer.record(tiny.image(), "a cat", max_new_tokens=3)
    assert run.scales[0].views[0].grid == (4, 4)


def test_a_scale_above_one_is_refused_in_words(internvl):
    with pytest.raises(ScaleError, match=r"one fixed size.*above 1"):
        internvl.record(tiny.image(), "a cat", scales=(1.25,))


@pytest.mark.parametrize("tiles", [0, 13, -1])
def test_a_number_of_tiles_that_makes_no_sense_is_refused(folder, tiles):
    with pytest.raises(ModelError, match="tiles"):
        load(folder, device="cpu", tiles=tiles)


def test_tiles_that_are_more_than_the_model_takes_are_said(folder):
    explainer = load(folder, device="cpu", tiles=12)
    with pytest.raises(PromptError, match="512 tokens"):
        explainer.record([tiny.image(300, 400)] * 3, "a cat")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"vision_feature_select_strategy": "full"}, "'full' is not supported"),
        ("config.json", {"image_token_id": 3}, "not a pair"),
        ("preprocessor_config.json", {"size": {"height": 32, "width": 32}}, "32 x 32.*64 x 64"),
    ],
)
def test_parts_that_do_not_fit_are_refused(folder, tmp_path, file, change, words):
    copy = shutil.copytree(folder, tmp_path / "model")
    _edit(copy, file, **change)
    with pytest.raises(ModelError, match=words):
        load(copy, device="cpu")


def test_a_tokenizer_may_know_a_special_token_more_than_the_model(tmp_path):
    explainer = load(tiny_tiles.internvl_with_later_token(tmp_path / "model"), device="cpu")
    family, rows = explainer.family, len(explainer.family.unembedding.weight)
    assert len(family.codec) == rows + 1
    assert family.codec.special_id(tiny_tiles.LATER) == rows
    run = explainer.record(tiny.image(), f"a {tiny_tiles.LATER} of a cat", max_new_tokens=3)
    assert run.tokens.ids.max() < rows
    assert tiny_tiles.LATER in "".join(run.tokens.texts)
