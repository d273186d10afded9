"""LFM2-VL: its preprocessing against transformers' own, tiles and their marks, convolutions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from explainer.errors import ModelError
from explainer.models.families.lfm2_vl import Lfm2Pictures, Lfm2VL
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from tests import tiny
from tests.models.make_lfm2_fixture import EVERY, FILE, PICTURES, PROMPT


@pytest.fixture(scope="module")
def explainer(family_folders) -> Explainer:
    return load(family_folders["lfm2_vl"], device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def told() -> dict[str, np.ndarray]:
    """What transformers' own processor made, in an environment with torchvision."""
    with np.load(FILE) as file:
        return dict(file)


def test_blocks_and_marks_are_those_of_the_published_preprocessing(explainer, told, monkeypatch):
    family = explainer.family
    monkeypatch.setattr(family, "processor", Lfm2Pictures())
    layouts = json.loads(told["layouts"].tobytes())
    assert {len(each["shapes"]) > 1 for each in layouts} == {True, False}
    for each in layouts:
        picture = family.picture(tiny.image(*each["size"]), 1.0)
        assert picture.tensors["spatial_shapes"].tolist() == each["shapes"], each["size"]
        assert [Lfm2VL.opening, *picture.layout, Lfm2VL.closing] == each["runs"], each["size"]


@pytest.mark.parametrize("number", range(len(PICTURES)))
def test_ids_and_pixels_are_those_of_transformers_own_processor(explainer, told, number):
    inputs = explainer.family.compose([tiny.image(*PICTURES[number])], PROMPT)
    assert list(inputs.ids) == told[f"ids{number}"].tolist()
    assert inputs.tensors["spatial_shapes"].tolist() == told[f"shapes{number}"].tolist()
    mask = inputs.tensors["pixel_attention_mask"]
    assert mask.sum(1).tolist() == told[f"mask{number}"].tolist()
    pixels = inputs.tensors["pixel_values"].flatten()[::EVERY].numpy()
    # A processor without the instructions that both were made with may round a pixel otherwise.
    np.testing.assert_allclose(pixels, told[f"pixels{number}"], atol=1.01 / 127.5)
    assert (np.abs(pixels - told[f"pixels{number}"]) < 1e-6).mean() > 0.9


@pytest.mark.parametrize("alpha", [0.5, 1.0])
@pytest.mark.parametrize("size", [(60, 80), (100, 150)])
def test_a_token_sees_its_rectangle(explainer, size, alpha):
    """A bright cell changes the patches of its own token in each view, and no others by much."""
    height, width = size
    dark = np.zeros((height, width, 3), np.uint8)
    plain = explainer.family.picture(dark, alpha)
    start = 0
    for view in plain.views:
        for place in (0, len(view) // 2, len(view) - 1):
            x0, y0, x1, y1 = view.rects[place]
            spot = dark.copy()
            spot[round(y0) : round(y1), round(x0) : round(x1)] = 255
            other = explainer.family.picture(spot, alpha)
            light = _per_token(explainer, other) - _per_token(explainer, plain)
            here = light[other.places][start : start + len(view)]
            assert int(here.argmax()) == place
        start += len(view)


def _per_token(explainer: Explainer, picture) -> np.ndarray:
    """Return the brightness of each visual token's patches, in the order of the sequence."""
    made, means = explainer.family.processor, []
    for pixels, (rows, columns) in zip(
        picture.tensors["pixel_values"], picture.tensors["spatial_shapes"].tolist(), strict=True
    ):
        n = made.downsample_factor
        bright = pixels[: rows * columns].mean(1).reshape(rows // n, n, columns // n, n)
        means.append(bright.mean((1, 3)).flatten())
    return torch.cat(means).numpy()


def test_scales_keep_the_tiles_and_change_their_tokens(explainer):
    image = tiny.image(100, 150)
    grids = {
        alpha: [view.grid for view in explainer.family.picture(image, alpha).views]
        for alpha in (0.1, 0.5, 1.0, 2.0)
    }
    rows, columns = grids[1.0][0]
    assert (rows % 4, columns % 4) == (0, 0)
    assert grids[0.5][0] == (rows // 2, columns // 2)
    assert grids[2.0][0] == (2 * rows, 2 * columns)
    assert grids[0.1][0] == (rows // 4, columns // 4)  # a token for each tile


@pytest.mark.parametrize("alpha", [0.37, 0.75, 1.3, 2.0])
def test_pictures_of_different_shapes_are_padded_alike(explainer, alpha):
    pictures = [tiny.image(*size) for size in ((60, 80), (100, 150), (200, 30), (30, 200))]
    inputs = explainer.family.compose_prefix(pictures, alpha)
    states = explainer._engine.visual_states(inputs)
    assert states.shape[1] == len(inputs.visual)


def test_padding_changes_nothing(explainer):
    """As many patches of padding as the original adds, and none."""
    family = explainer.family
    inputs = family.compose_prefix([tiny.image(60, 80)], 1.0)
    whole = explainer._engine.visual_states(inputs)[-1]
    real = int(inputs.tensors["pixel_attention_mask"].sum())
    cut = {
        name: t if name == "spatial_shapes" else t[:, :real] for name, t in inputs.tensors.items()
    }
    assert real < inputs.tensors["pixel_attention_mask"].shape[1]
    bare = type(inputs)(inputs.ids, inputs.visual, inputs.roles, inputs.views, cut)
    states = explainer._engine.visual_states(bare)[-1]
    torch.testing.assert_close(states, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"encoder_patch_size": 16}, "encoder_patch_size 16"),
        ({"tile_size": 72}, "tiles of 72 px"),
        ({"resample": 1}, "resampling 1"),
        ({"max_tiles": 10**9}, "at most 64"),
        ({"min_image_tokens": 0}, "above 0"),
        ({"tile_size": 64.5}, "must be whole"),
    ],
)
def test_preprocessing_that_does_not_fit_is_refused(family_folders, tmp_path, change, words):
    folder = Path(shutil.copytree(family_folders["lfm2_vl"], tmp_path / "model"))
    settings = json.loads((folder / "processor_config.json").read_text())
    settings["image_processor"] |= change
    (folder / "processor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=words):
        load(folder)


def test_older_checkpoints_have_a_file_of_their_own(family_folders, tmp_path):
    """LFM2-VL as published has preprocessor_config.json, LFM2.5-VL processor_config.json."""
    folder = Path(shutil.copytree(family_folders["lfm2_vl"], tmp_path / "model"))
    settings = json.loads((folder / "processor_config.json").read_text())
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "x"}))
    (folder / "preprocessor_config.json").write_text(json.dumps(settings["image_processor"]))
    assert load(folder).family.processor.tile_size == 64
