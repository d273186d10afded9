"""LLaVA-NeXT and LLaVA-OneVision: tiles, unpadding and marks, against transformers' own code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainer.errors import ImageError, ModelError, ScaleError, VideoError
from explainer.models.base import Family
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import Video
from explainer.run.geometry import seen_grid
from tests import tiny, tiny_tiles

SIZES = [
    (96, 128),
    (32, 32),
    (33, 47),
    (400, 300),
    (10, 10),
    (40, 160),
    (200, 50),
    (61, 200),
    (108, 107),
    (500, 503),
]
MAKE = {"llava_next": tiny_tiles.llava_next, "llava_onevision": tiny_tiles.llava_onevision}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    return {name: make(place / name) for name, make in MAKE.items()}


@pytest.fixture(scope="module", params=MAKE)
def explainer(request, folders) -> Explainer:
    return load(folders[request.param], device="cpu")


@pytest.fixture
def family(explainer) -> Family:
    return explainer.family


def _packed(family: Family, size: tuple[int, int], features: torch.Tensor) -> torch.Tensor:
    """Return the features (T, n * n, d) of tiles as the model packs them, without marks."""
    options = {} if "OneVision" not in family.label else {"vision_aspect_ratio": "anyres_max_2"}
    if not options:
        options["vision_feature_select_strategy"] = "default"
    (packed,), _ = family.base.pack_image_features(
        [features], torch.tensor([size]), image_newline=None, **options
    )
    return packed


@pytest.mark.parametrize("size", SIZES)
def test_tiles_are_those_of_the_image_processor(family, size):
    image = tiny.image(*size)
    theirs = family.processor(images=Image.fromarray(image), return_tensors="pt")
    ours = family.picture(image, 1.0).tensors
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    assert torch.equal(ours["image_sizes"], torch.as_tensor(theirs["image_sizes"]).view(1, 2))


@pytest.mark.parametrize("size", SIZES)
def test_tokens_lie_where_the_model_takes_their_features_from(family, size):
    """The model packs, in place of features, where on the fitted picture their centres lie."""
    image = tiny.image(*size)
    picture, fitted = family.picture(image, 1.0), family.fitted(image)
    n, side = family.side // family.cell, family.side
    step = side / n
    y, x = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    centres = torch.stack([x, y], -1).reshape(-1, 2) * step + step / 2
    corners = [
        (left, top)
        for top in range(0, fitted.image.height, side)
        for left in range(0, fitted.image.width, side)
    ]
    tiles = torch.stack([centres, *(centres + torch.tensor(corner) for corner in corners)])
    packed = _packed(family, size, tiles.float())[n * n :].numpy()

    grid, whole = picture.views
    rows, columns = grid.grid
    assert len(packed) == rows * (columns - 1)
    rects = grid.rects.reshape(rows, columns, 4)
    assert np.isnan(rects[:, -1]).all()  # the marks
    rects = rects[:, :-1].reshape(-1, 4)
    # Centres in pixels of the picture; cells at the border may be cut down to it.
    width, height = fitted.content[2] - fitted.content[0], fitted.content[3] - fitted.content[1]
    scale = np.array([size[1] / width, size[0] / height])
    at = (packed - np.array(fitted.content[:2])) * scale
    seen = np.isfinite(rects).all(1)
    slack = 1e-3 * max(size)
    full = rects[:, 2:] - rects[:, :2]
    whole_cells = seen & (np.abs(full - np.nanmax(full, axis=0)) < slack).all(1)
    assert whole_cells.sum() > 0
    middle = (rects[:, :2] + rects[:, 2:]) / 2
    np.testing.assert_allclose(middle[whole_cells], at[whole_cells], atol=slack)
    assert not seen[~_inside(at, size, margin=0.5 * np.nanmax(full))].any()
    np.testing.assert_allclose(
        (whole.rects[:, :2] + whole.rects[:, 2:]) / 2,
        centres.numpy() / side * np.array([size[1], size[0]]),
        atol=slack,
    )


def _inside(at: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    most = np.array([size[1], size[0]])
    return ((at > -margin) & (at < most + margin)).all(1)


@pytest.mark.parametrize("size", SIZES)
def test_almost_all_of_the_picture_is_seen_in_tiles(family, size):
    """Unpadding works in whole tokens, and may cut off up to half a token on each side."""
    grid, whole = family.picture(tiny.image(*size), 1.0).views
    assert seen_grid(whole).extent == (0, 0, size[1], size[0])
    x0, y0, x1, y1 = seen_grid(grid).extent
    rects = grid.rects.reshape(*grid.grid, 4)
    wide, high = (float(np.nanmax(rects[..., i + 2] - rects[..., i])) for i in (0, 1))
    slack = 1e-3 * max(size)
    assert x0 <= wide / 2 + slack
    assert x1 >= size[1] - wide / 2 - slack
    assert y0 <= high / 2 + slack
    assert y1 >= size[0] - high / 2 - slack


@pytest.mark.parametrize("size", SIZES)
def test_the_sequence_has_a_placeholder_for_each_feature_and_mark(family, size):
    image = tiny.image(*size)
    inputs = family.compose([image], "a cat?")
    with torch.inference_mode():
        (features,) = family.base.get_image_features(**inputs.tensors).pooler_output
    assert inputs.ids.count(family.image_token_id) == len(inputs.visual) == len(features)
    newline = (features == family.base.image_newline).all(1).numpy()
    grid = inputs.views[0]
    start = min(inputs.visual)
    marks = np.isnan(grid.rects.reshape(*grid.grid, 4)).all(-1)
    marks[:, :-1] = False
    ours = np.zeros(len(newline), bool)
    ours[np.array(inputs.visual)[: len(grid)] - start] = marks.ravel()
    assert np.array_equal(ours, newline)
    assert not newline[np.array(inputs.visual)[len(grid) :] - start].any()


def test_smaller_scales_hold_a_smaller_picture_in_the_same_tokens(explainer):
    run = explainer.record(tiny.image(64, 96), "a cat?", scales=(0.5,), max_new_tokens=2)
    small, full = (run.scale(alpha).views for alpha in (0.5, 1.0))
    assert [view.grid for view in small] == [view.grid for view in full]
    for a, b in zip(small, full, strict=True):
        assert np.isfinite(a.rects).all(1).sum() < np.isfinite(b.rects).all(1).sum()


def test_what_is_not_taken_is_said(explainer):
    image = tiny.image()
    with pytest.raises(ScaleError, match="above 1"):
        explainer.record(image, "a cat", scales=(1.25,))
    with pytest.raises(ImageError, match="one picture at a time"):
        explainer.record([image, image], "a cat")
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    with pytest.raises(VideoError, match="takes pictures and no video"):
        explainer.record(None, "what?", video=Video(frames, np.arange(2.0), 1.0, (0, 1)))


@pytest.mark.parametrize(
    ("name", "file", "change", "words"),
    [
        (
            "llava_next",
            "preprocessor_config.json",
            {"image_grid_pinpoints": [[32, 32]]},
            "other image_grid_pinpoints",
        ),
        ("llava_next", "config.json", {"vision_feature_select_strategy": "full"}, "'full'"),
        ("llava_onevision", "config.json", {"vision_aspect_ratio": "square"}, "'square'"),
        ("llava_onevision", "config.json", {"image_token_index": 1}, "not a pair"),
    ],
)
def test_parts_that_do_not_fit_are_refused(folders, tmp_path, name, file, change, words):
    copy = shutil.copytree(folders[name], tmp_path / "model")
    settings = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**settings, **change}))
    with pytest.raises(ModelError, match=words):
        load(copy, device="cpu")


def test_pinpoints_that_are_no_whole_tiles_are_refused(folders, tmp_path):
    copy = shutil.copytree(folders["llava_next"], tmp_path / "model")
    for file in ("config.json", "preprocessor_config.json"):
        settings = json.loads((copy / file).read_text())
        settings["image_grid_pinpoints"] = [[32, 64], [40, 64]]
        (copy / file).write_text(json.dumps(settings))
    with pytest.raises(ModelError, match="no whole tiles"):
        load(copy, device="cpu")
