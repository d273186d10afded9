"""Where each family's tokens lie, to the pixel: against what really reaches the vision tower.

A picture is blank but for one bright object. Which tokens get other pixels than without it, and so
see it, is compared with where their rectangles say that they lie.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import LlavaImageProcessorPil, SiglipImageProcessorPil

from explainer.models.base import Family
from explainer.models.inputs import InputPicture
from explainer.recording.load import load
from explainer.run import View
from explainer.run.geometry import Grid, Resampler, seen_grid, seen_maps
from tests import tiny, tiny_tiles
from tests.shared_models import FAMILIES

SIZES = ((40, 160), (160, 40), (97, 131), (64, 64), (300, 211), (33, 47), (200, 201))
FIXED = ("llava", "llava_pad", "llava_squash", "internvl", "internvl_tiles", "gemma3")
Box = tuple[float, float, float, float]


def _llava_pad(folder: Path) -> Path:
    size = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    return tiny_tiles.llava(folder, processor=LlavaImageProcessorPil(**size, do_pad=True))


def _llava_squash(folder: Path) -> Path:
    """A SigLIP tower, which has no class token, and patches that leave a strip of 4 px unseen."""
    return tiny_tiles.llava(
        folder,
        processor=SiglipImageProcessorPil(size={"height": 68, "width": 68}),
        strategy="full",
        model_type="siglip_vision_model",
        image_size=68,
    )


_ELSEWHERE = ("internvl3_5", "llava_next")  # the geometry of internvl; tests of its own
MAKE = {name: made for name, made in FAMILIES.items() if name not in _ELSEWHERE} | {
    "llava_pad": (_llava_pad, {}),
    "llava_squash": (_llava_squash, {}),
}


@pytest.fixture(scope="module", params=MAKE)
def named(request, tmp_path_factory) -> tuple[str, Family]:
    make, options = MAKE[request.param]
    folder = make(tmp_path_factory.mktemp("models") / request.param)
    return request.param, load(folder, device="cpu", **options).family


@pytest.fixture
def family(named) -> Family:
    return named[1]


@pytest.fixture(scope="module")
def noise(named) -> Callable[[tuple[int, int], float], InputPicture]:
    """Return a picture of noise of a size (H, W) at a scale, prepared once."""
    return cache(lambda size, alpha: named[1].picture(tiny.image(*size), alpha))


def _alphas(family: Family) -> list[float]:
    return [a for a in (0.37, 0.5, 0.6, 0.75, 1.0, 1.3) if a <= family.alphas[1]]


def _with_object(size: tuple[int, int], box: Box) -> npt.NDArray[np.uint8]:
    image = np.zeros((*size, 3), np.uint8)
    x0, y0, x1, y1 = map(int, box)
    image[y0:y1, x0:x1] = 255
    return image


def _random_box(rng: np.random.Generator, size: tuple[int, int], within: Box, share: float) -> Box:
    """Return whole pixels of a box of `share` of the picture's sides, inside `within`."""
    h, w = (max(2, round(share * side)) for side in size)
    x0 = rng.integers(np.ceil(within[0]), max(np.ceil(within[0]) + 1, within[2] - w + 1))
    y0 = rng.integers(np.ceil(within[1]), max(np.ceil(within[1]) + 1, within[3] - h + 1))
    return float(x0), float(y0), float(min(x0 + w, size[1])), float(min(y0 + h, size[0]))


def _fed(family: Family, picture: InputPicture) -> npt.NDArray[np.float32]:
    """Return (N, p): the pixels that each token is made from, view after view."""
    values = picture.tensors["pixel_values"].numpy()
    if values.ndim == 2:  # Qwen2-VL's patches, already in the order of tokens
        return values.reshape(len(picture), -1)
    if "spatial_shapes" in picture.tensors:  # LFM2-VL's patches, row-major in each block
        return _tokens_of_blocks(family, picture)[picture.places]
    if "image_position_ids" in picture.tensors:  # Gemma 4's, row-major, and then padding
        return _tokens_of_patches(family, picture)
    n = values.shape[-1] // family.cell
    values = values[..., : n * family.cell, : n * family.cell]
    cells = values.reshape(len(values), 3, n, family.cell, n, family.cell)
    read = cells.transpose(0, 2, 4, 1, 3, 5).reshape(len(picture), -1)
    return read[picture.places]


def _tokens_of_patches(family: Family, picture: InputPicture) -> npt.NDArray[np.float32]:
    """Return (N, p): the patches of each token by the positions that the tower gets."""
    n, (rows, columns) = family.processor.pooling_kernel_size, picture.views[0].grid
    patches = picture.tensors["pixel_values"][0].numpy()
    places = picture.tensors["image_position_ids"][0].numpy()
    assert (places >= 0).all(axis=1).sum() == rows * columns * n * n
    fed = np.zeros((rows * n, columns * n, patches.shape[1]), np.float32)
    for (x, y), patch in zip(places.tolist(), patches, strict=True):
        if x >= 0:
            fed[y, x] = patch
    blocks = fed.reshape(rows, n, columns, n, -1).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(rows * columns, -1)


def _tokens_of_blocks(family: Family, picture: InputPicture) -> npt.NDArray[np.float32]:
    """Return (N, p): the patches of each token, token after token as the model reads them."""
    n, tokens = family.processor.downsample_factor, []
    shapes = picture.tensors["spatial_shapes"].tolist()
    for patches, (rows, columns) in zip(
        picture.tensors["pixel_values"].numpy(), shapes, strict=True
    ):
        blocks = patches[: rows * columns].reshape(rows // n, n, columns // n, n, -1)
        tokens.append(blocks.transpose(0, 2, 1, 3, 4).reshape(rows * columns // n**2, -1))
    return np.concatenate(tokens)


def _split(picture: InputPicture, per_token: npt.NDArray) -> list[tuple[View, npt.NDArray]]:
    parts = np.split(per_token, np.cumsum([len(view) for view in picture.views])[:-1])
    return list(zip(picture.views, parts, strict=True))


def _overlap(rects: npt.NDArray[np.float32], box: Box, grow: float) -> npt.NDArray[np.bool_]:
    """Return for each rectangle whether it and the box, grown by so many pixels, overlap."""
    x0, y0, x1, y1 = box
    with np.errstate(invalid="ignore"):
        across = (rects[:, 0] < x1 + grow) & (rects[:, 2] > x0 - grow)
        return across & (rects[:, 1] < y1 + grow) & (rects[:, 3] > y0 - grow)


def _pixel(view: View, family: Family) -> float:
    """Return how many pixels of the picture one pixel of the model's input is long, at most."""
    rects = view.rects.reshape(*view.grid, 4)
    wide, high = rects[..., 2] - rects[..., 0], rects[..., 3] - rects[..., 1]
    return float(max(np.nanmax(wide), np.nanmax(high))) / family.cell


def _beside_the_picture(view: View) -> npt.NDArray[np.bool_]:
    """Return which tokens are padding next to the picture: resampling blurs its edge into them."""
    unseen = np.isnan(view.rects).any(axis=1).reshape(view.grid)
    near = np.pad(~unseen, 1)
    rows, columns = view.grid
    shifts = [(y, x) for y in range(3) for x in range(3)]
    near = np.any([near[y : y + rows, x : x + columns] for y, x in shifts], axis=0)
    return (unseen & near).ravel()


def _seen(view: View) -> Box:
    return seen_grid(view).extent


# Rectangles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_rectangles_tile_the_seen_part_exactly(family, noise, size):
    for alpha in _alphas(family):
        for view in noise(size, alpha).views:
            x0, y0, x1, y1 = seen_grid(view).extent  # raises if they overlap or leave gaps
            assert 0 <= x0 < x1 <= size[1]
            assert 0 <= y0 < y1 <= size[0]
            rects = view.rects[np.isfinite(view.rects).all(axis=1)].astype(np.float64)
            areas = (rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1])
            assert areas.min() > 0
            assert areas.sum() == pytest.approx((x1 - x0) * (y1 - y0), rel=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_every_scale_and_view_sees_the_same_part(named, noise, size):
    name, family = named
    first = _seen(noise(size, 1.0).views[0])
    for alpha in _alphas(family):
        for view in noise(size, alpha).views:
            if name == "llava_squash":  # the unread strip holds another part of a smaller picture
                continue
            assert _seen(view) == pytest.approx(first, abs=1e-3)
    height, width = size
    if name == "llava":
        short = min(size)
        left, top = (width - short) / 2, (height - short) / 2
        one = short / 64  # the crop is in whole pixels of the resized picture
        assert first == pytest.approx((left, top, left + short, top + short), abs=one)
    elif name == "llava_squash":
        assert first == pytest.approx((0, 0, width * 64 / 68, height * 64 / 68))
        small = noise(size, 0.5).views[0]
        assert _seen(small) == pytest.approx((0, 0, width, height))
    else:
        assert first == (0, 0, width, height)


# Rectangles against pixels -----------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_token_gets_the_pixels_of_its_rectangle(family, size):
    """Resampling reaches 2 pixels, of its input or output, the larger ones, in each of 2 steps."""
    rng = np.random.default_rng(sum(size))
    blank = np.zeros((*size, 3), np.uint8)
    for alpha in _alphas(family):
        empty = _fed(family, family.picture(blank, alpha))
        for _ in range(4):
            box = _random_box(rng, size, (0, 0, size[1], size[0]), 0.2)
            picture = family.picture(_with_object(size, box), alpha)
            changed = (_fed(family, picture) != empty).any(axis=1)
            for view, got in _split(picture, changed):
                pixel = _pixel(view, family)
                far = ~_overlap(view.rects, box, 4 * max(1.0, pixel)) & ~_beside_the_picture(view)
                assert not got[far].any()
                assert got[_overlap(view.rects, box, -1.5 * max(1.0, pixel))].all()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_unseen_changes_nothing(family, size):
    """The seen part is no smaller than said: an object beyond it reaches no token."""
    blank = np.zeros((*size, 3), np.uint8)
    picture = family.picture(blank, 1.0)
    x0, y0, x1, y1 = _seen(picture.views[0])
    reach = 3 * max(1.0, _pixel(picture.views[0], family))
    outside = blank.copy()
    outside[: max(0, int(y0 - reach))] = 255
    outside[int(np.ceil(y1 + reach)) :] = 255
    outside[:, : max(0, int(x0 - reach))] = 255
    outside[:, int(np.ceil(x1 + reach)) :] = 255
    there = _fed(family, family.picture(outside, 1.0))
    assert np.array_equal(there, _fed(family, picture))


@pytest.mark.parametrize("size", SIZES)
def test_tokens_on_padding_hold_no_picture(named, noise, size):
    name, family = named
    a, b = noise(size, 0.5), family.picture(tiny.image(*size, seed=1), 0.5)
    same = (_fed(family, a) == _fed(family, b)).all(axis=1)
    for view, part in _split(a, same):
        unseen = np.isnan(view.rects).any(axis=1)
        assert unseen.any() == (name in FIXED)
        assert part[unseen & ~_beside_the_picture(view)].all()
        assert not part[~unseen].any()


@pytest.mark.parametrize("size", SIZES)
def test_the_tower_hands_features_on_in_the_order_of_the_tokens(family, noise, size):
    """Without attention a feature depends on the pixels of its own token alone.

    So this sees a class token that is not dropped, a pixel shuffle that swaps rows and columns,
    and windows that are not put back in order.
    """
    picture, image = noise(size, 1.0), tiny.image(*size)
    x0, y0, x1, y1 = map(int, _seen(picture.views[0]))
    image[(y0 + y1) // 2 : y1, x0 : (x0 + x1) // 2] = 255
    other = family.picture(image, 1.0)
    fed = (_fed(family, picture) != _fed(family, other)).any(axis=1)
    features = [_features(family, p)[p.places] for p in (picture, other)]
    assert len(features[0]) == len(picture)
    assert np.array_equal((features[0] != features[1]).any(axis=1), fed)
    assert 0 < fed.sum() < len(fed)


def _features(family: Family, picture: InputPicture) -> npt.NDArray[np.float32]:
    """Return (N, d): what the language model reads, with attention that adds nothing."""
    ends = ("out_proj.weight", "projection_layer.weight", "attn.proj.weight")
    ends += ("o_proj.linear.weight",)
    with torch.inference_mode():
        attention = [p for name, p in family.base.named_parameters() if name.endswith(ends)]
        assert attention
        for weight in attention:
            weight.zero_()
        out = family.base.get_image_features(**picture.tensors, return_dict=True).pooler_output
    return torch.cat([part.reshape(-1, part.shape[-1]) for part in out]).numpy()


# A map made from rectangles ----------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_map_of_the_distance_to_the_object_peaks_on_it(family, noise, size):
    """At each scale and view on the token that holds it, and on it when all are fused."""
    rng = np.random.default_rng(sum(size) + 1)
    views = [view for alpha in _alphas(family) for view in noise(size, alpha).views]
    target = seen_grid(noise(size, 1.0).views[0])
    coarsest = max(_pixel(view, family) for view in views) * family.cell
    for _ in range(5):
        box = _random_box(rng, size, target.extent, 0.25)
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        fused = []
        for view in views:
            values = -_distances(view.rects, x, y)
            x0, y0, x1, y1 = view.rects[np.nanargmax(values)]
            assert x0 - 1e-3 <= x <= x1 + 1e-3
            assert y0 - 1e-3 <= y <= y1 + 1e-3
            grid = seen_grid(view)
            maps = seen_maps(view, grid, np.nan_to_num(values)[None])
            fused.append(Resampler.between(grid, target, "bilinear")(maps)[0])
        row, column = np.unravel_index(np.mean(fused, axis=0).argmax(), target.shape)
        cell = np.array([[target.x[column], target.y[row], *_end(target, row, column)]])
        assert _distances(cell, x, y)[0] <= coarsest / 2


def _end(grid: Grid, row: int, column: int) -> tuple[float, float]:
    return grid.x[column + 1], grid.y[row + 1]


def _distances(rects: npt.NDArray, x: float, y: float) -> npt.NDArray[np.float32]:
    """Return the distance of each rectangle from a point, 0 for the one that holds it."""
    across = np.maximum(np.maximum(rects[:, 0] - x, x - rects[:, 2]), 0)
    down = np.maximum(np.maximum(rects[:, 1] - y, y - rects[:, 3]), 0)
    return np.hypot(across, down).astype(np.float32)
