"""SmolVLM and Idefics3: input building compared with transformers' image processor and text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Idefics3Processor, SmolVLMProcessor

from explainer.errors import ModelError, ScaleError
from explainer.models.base import Family
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run.geometry import seen_grid
from tests import tiny, tiny_tiles

SIZES = [(96, 128), (64, 64), (33, 47), (400, 300), (10, 10), (40, 160), (200, 50), (128, 31)]
MAKE = {"smolvlm": tiny_tiles.smolvlm, "idefics3": tiny_tiles.idefics3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {name: make(place / name) for name, make in MAKE.items()}


@pytest.fixture(scope="module", params=MAKE)
def family(request, folders) -> Family:
    return load(folders[request.param], device="cpu").family


@pytest.fixture(scope="module")
def smolvlm(folders) -> Explainer:
    return load(folders["smolvlm"], device="cpu")


def _edited(folder: Path, copy: Path, file: str, **values) -> Path:
    shutil.copytree(folder, copy)
    settings = json.loads((copy / file).read_text())
    for name, value in values.items():
        old = settings.get(name)
        settings[name] = {**old, **value} if isinstance(value, dict) else value
    (copy / file).write_text(json.dumps(settings))
    return copy


def _theirs(family: Family, image: np.ndarray, alpha: float) -> dict:
    """Return what the image processor makes with a longer side of so many tiles."""
    edge = {"longest_edge": round(4 * alpha) * 32}
    picture = Image.fromarray(image)
    made = family.processor(images=[picture], size=edge, return_row_col_info=True)
    return {"pixels": torch.tensor(np.array(made["pixel_values"]))[0], **made}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.75, 1.0])
def test_tiles_are_those_of_the_image_processor(family, size, alpha):
    image = tiny.image(*size)
    theirs = _theirs(family, image, alpha)
    picture = family.picture(image, alpha)
    assert torch.equal(picture.tensors["pixel_values"][:, 0], theirs["pixels"])
    rows, columns = theirs["rows"][0][0], theirs["cols"][0][0]
    grids = [(2 * rows, 2 * columns), (2, 2)] if rows else [(2, 2)]
    assert [view.grid for view in picture.views] == grids
    assert sorted(picture.places) == list(range(len(picture)))


def test_tiles_are_one_grid_in_reading_order_of_the_picture(smolvlm):
    """1 x 2 tiles: the first row of the grid goes through the first row of both tiles."""
    picture = smolvlm.family.picture(tiny.image(100, 200), 0.5)
    grid, whole = picture.views
    assert grid.grid == (2, 4)
    assert picture.places == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 10, 11]
    assert grid.rects[2].tolist() == [100, 0, 150, 50]
    assert whole.rects[1].tolist() == [100, 0, 200, 50]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("number", [1, 2])
def test_the_sequence_is_what_the_processor_makes(family, size, number):
    """The processors cannot be built without torchvision; their text needs names alone."""
    images = [tiny.image(*size), tiny.image(50, 50)][:number]
    inputs = family.compose(images, "a cat?")
    kind = SmolVLMProcessor if family.label == "SmolVLM" else Idefics3Processor
    processor = object.__new__(kind)
    processor.fake_image_token, processor.image_token = "<fake_token_around_image>", "<image>"
    processor.global_image_token = processor.global_image_tag = "<global-img>"
    processor.image_seq_len = 4
    made = [_theirs(family, image, 1.0) for image in images]
    told = {name: [[m[name][0][0] for m in made]] for name in ("rows", "cols")}
    marks = "".join(processor.replace_image_token(told, at) for at in range(number))
    words = family.codec.tokenizer
    start = "<|im_start|>" if family.label == "SmolVLM" else "<|begin_of_text|>"
    text = f"{start}User:{marks}a cat?<end_of_utterance>\nAssistant:"
    assert list(inputs.ids) == words(text, add_special_tokens=False)["input_ids"]
    assert set(np.array(inputs.ids)[list(inputs.visual)]) == {family.image_token_id}
    assert len(set(inputs.visual)) == len(inputs.visual) == inputs.ids.count(family.image_token_id)
    values = torch.cat([m["pixels"] for m in made])
    assert torch.equal(inputs.tensors["pixel_values"][:, 0], values)
    assert [view.image for view in inputs.views] == sorted(view.image for view in inputs.views)


@pytest.fixture(scope="module", params=[1, 2, 4, 6, 16])
def bounded(request, folders) -> tuple[Family, int]:
    """A model with this many tiles at most."""
    most = request.param
    return load(folders["smolvlm"], device="cpu", tiles=most).family, most


@pytest.mark.parametrize("size", SIZES)
def test_no_more_tiles_than_asked_for(bounded, size):
    """As many as fit into that number, and those of the image processor at that longer side."""
    family, most = bounded
    image = tiny.image(*size)
    picture = family.picture(image, 1.0)
    counts = {}
    for along in (1, 2, 3, 4):
        made = _theirs(family, image, along / 4)
        counts[along] = max(1, made["rows"][0][0] * made["cols"][0][0])
    along = max(n for n, count in counts.items() if count <= most)
    assert torch.equal(
        picture.tensors["pixel_values"][:, 0], _theirs(family, image, along / 4)["pixels"]
    )


def test_two_pictures_are_read_as_the_model_reads_them_itself(smolvlm):
    """Tiles are handed over one a picture; transformers pads pictures of fewer tiles with none."""
    family, images = smolvlm.family, [tiny.image(100, 200), tiny.image(50, 50)]
    inputs = family.compose(images, "a cat?")
    parts = [_theirs(family, image, 1.0)["pixels"] for image in images]
    together = torch.zeros(1, sum(map(len, parts)) + 2, 3, 32, 32)
    together[0, : len(parts[0])], together[0, len(parts[0]) : -2] = parts
    with torch.inference_mode():
        ids = torch.tensor([inputs.ids])
        theirs = family.base(input_ids=ids, pixel_values=together).last_hidden_state
        ours = family.base(**family.forward_inputs(inputs)).last_hidden_state
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_one_picture_without_splitting_is_one_tile(folders, tmp_path):
    folder = _edited(
        folders["smolvlm"],
        tmp_path / "model",
        "preprocessor_config.json",
        do_image_splitting=False,
    )
    family = load(folder, device="cpu").family
    image = tiny.image(40, 160)
    picture = family.picture(image, 1.0)
    theirs = family.processor(images=[Image.fromarray(image)], return_tensors="pt")
    assert torch.equal(picture.tensors["pixel_values"][:, 0], theirs["pixel_values"][0])
    assert [view.grid for view in picture.views] == [(2, 2)]
    assert "<row_" not in "".join(map(str, picture.layout))


def test_tokens_of_a_tile_that_is_no_multiple_of_them_are_spread_over_it(folders, tmp_path):
    """SmolVLM2-2.2B has 384 px tiles of 9 tokens, 42 px each; here 36 px and 2 of 16 px."""
    copy = _edited(
        folders["smolvlm"], tmp_path / "model", "config.json", vision_config={"image_size": 36}
    )
    folder = _edited(
        copy,
        tmp_path / "other",
        "preprocessor_config.json",
        max_image_size={"longest_edge": 36},
        size={"longest_edge": 72},
    )
    explainer = load(folder, device="cpu")
    run = explainer.record(tiny.image(72, 72), "a cat?", scales=(0.5,), max_new_tokens=2)
    grid, whole = run.scale(1.0).views
    assert (grid.grid, whole.grid) == ((4, 4), (2, 2))
    assert grid.rects[:4, 0].tolist() == [0, 18, 36, 54]
    assert seen_grid(grid).extent == seen_grid(whole).extent == (0, 0, 72, 72)


def test_a_scale_above_one_is_refused_in_words(smolvlm):
    with pytest.raises(ScaleError, match="above 1"):
        smolvlm.record(tiny.image(), "a cat", scales=(1.25,))


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"image_token_id": 3}, "not a pair"),
        ("preprocessor_config.json", {"max_image_size": {"longest_edge": 64}}, "tiles of 32"),
    ],
)
def test_parts_that_do_not_fit_are_refused(folders, tmp_path, file, change, words):
    folder = _edited(folders["smolvlm"], tmp_path / "model", file, **change)
    with pytest.raises(ModelError, match=words):
        load(folder, device="cpu")
