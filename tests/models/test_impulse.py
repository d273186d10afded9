"""A map with one bright cell is drawn where the token of that cell looks, in every family.

Where a token looks is not taken from its rectangle: a picture whose colours are its coordinates is
fed to the model, and what reaches the tokens says where their centres lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from explainer.export import overlay
from explainer.export.overlay import interpolate
from explainer.methods.base import Heatmap, MapPart
from explainer.models.base import Family
from explainer.models.inputs import InputPicture
from explainer.probing.regions import Region
from explainer.recording.load import load
from explainer.run.geometry import Grid, Resampler, seen_grid

SIZES = (
    (427, 640), (375, 500), (333, 500), (480, 640), (125, 500), (500, 125), (160, 480), (300, 211),
)  # fmt: skip
MODELS = {
    "qwen2_vl": ("emoji-qwen2-vl", {}),
    "llava": ("emoji-llava", {}),
    "internvl": ("emoji-internvl", {}),
    "internvl_tiles": ("emoji-internvl", {"tiles": 6}),
}
GREY = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
MOST = 0.05  # cells
Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=MODELS)
def family(request) -> Family:
    name, options = MODELS[request.param]
    return load(f"assets/models/{name}", device="cpu", **options).family


def coordinates(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return a picture whose red is the share of its width, and whose green that of its height."""
    y, x = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    return np.round(255 * np.stack([x, y, 0 * x], axis=-1)).astype(np.uint8)


def looked_at(family: Family, picture: InputPicture) -> list[Floats]:
    """Return for each view (h, w, 2): the mean coordinates (x, y) in what reaches each token."""
    values = picture.tensors["pixel_values"].numpy().astype(np.float64)
    if values.ndim == 2:  # Qwen2-VL's patches, already in the order of tokens
        merged = values.shape[0] // len(picture)
        colours = values.reshape(len(picture), merged, 3, -1).mean(axis=(1, 3))
    else:
        n = values.shape[-1] // family.cell
        cells = values.reshape(len(values), 3, n, family.cell, n, family.cell).mean(axis=(3, 5))
        colours = cells.transpose(0, 2, 3, 1).reshape(-1, 3)[picture.places]
    colours = colours * np.array(family.processor.image_std) + np.array(family.processor.image_mean)
    ends = np.cumsum([len(view) for view in picture.views])[:-1]
    return [
        part[:, :2].reshape(*view.grid, 2)
        for view, part in zip(picture.views, np.split(colours, ends), strict=True)
    ]


def centres_of(looked: Floats, grid: Grid, size: tuple[int, int], axis: int) -> Floats | None:
    """Return (n,) the centres of the seen cells along an axis (0 is x), in pixels of the picture.

    They follow from the cells inside, which hold no padding; None if there are less than 2.
    """
    seen = looked[grid.rows, grid.columns, axis]
    line = seen[seen.shape[0] // 2] if axis == 0 else seen[:, seen.shape[1] // 2]
    inner = np.arange(2, len(line) - 2) if len(line) > 5 else np.arange(1, len(line) - 1)
    if len(inner) < 2:
        return None
    step, first = np.polyfit(inner, line[inner] * size[1 - axis], 1)
    return first + step * np.arange(len(line))


def middle_of_tent(centres: Floats, cell: int, pixels: int) -> float:
    """Return the middle of an impulse between the centres of its neighbours, in the picture."""
    points, at = np.arange(pixels) + 0.5, np.eye(len(centres))[cell]
    values = np.interp(points, centres, at)
    return float((values * points).sum() / values.sum())


def middle_of(drawn: Floats, axis: int) -> float:
    line = drawn.sum(axis=axis)
    return float((line * (np.arange(len(line)) + 0.5)).sum() / line.sum())


def impulses(shape: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield cells along the diagonal: in every third row or column, and in those at the border."""
    most = max(shape)
    for i in sorted({*range(0, most, 3), 1, most - 2, most - 1}):
        yield i * shape[0] // most, i * shape[1] // most


def cases(
    family: Family, size: tuple[int, int], alphas: Sequence[float]
) -> Iterator[tuple[Grid, list[Floats | None]]]:
    """Yield the grid of each view at several scales, and the centres of its cells in x and y."""
    for alpha in alphas:
        picture = family.picture(coordinates(*size), alpha)
        for view, looked in zip(picture.views, looked_at(family, picture), strict=True):
            grid = seen_grid(view)
            yield grid, [centres_of(looked, grid, size, axis) for axis in (0, 1)]


sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[1]}x{size[0]}")


@sizes
def test_an_impulse_is_drawn_where_its_token_looks(family, size):
    blank = np.zeros((*size, 3), np.uint8)
    for grid, centres in cases(family, size, [1.0]):
        assert all(along is not None for along in centres)
        for cell in impulses(grid.shape):
            values = np.zeros(grid.shape, np.float32)
            values[cell] = 1
            heat = Heatmap((MapPart(values, grid.placement),), False, "")
            drawn = overlay(blank, heat, GREY, 1.0, cover="all")[..., 0].astype(float)
            for axis, along in enumerate(centres):
                want = middle_of_tent(along, cell[1 - axis], size[1 - axis])
                one = along[1] - along[0]
                assert abs(middle_of(drawn, axis) - want) <= MOST * one, (grid.shape, cell, axis)


@sizes
def test_a_scale_is_drawn_where_its_tokens_look(family, size):
    """A map of where each token looks, brought onto the grid of the final map and drawn, has at
    each pixel the place of that pixel; half a cell at the border has the value of that cell."""
    base, judged = seen_grid(family.picture(coordinates(*size), 1.0).views[0]), 0
    for grid, centres in cases(family, size, [0.5, 0.6, 0.75]):
        resample = Resampler.between(grid, base, "bilinear")
        for axis, along in enumerate(centres):
            if along is None:
                continue
            ramp = along[:, None] if axis else along[None]
            ramp = np.broadcast_to(ramp, (1, *grid.shape)).astype(np.float32)
            part = MapPart(resample(ramp)[0], base.placement)
            drawn, _ = interpolate(part, (0, 0, *size[::-1]), size)
            points = np.arange(size[1 - axis]) + 0.5
            got = drawn[:, size[1] // 2] if axis else drawn[size[0] // 2]
            one = along[1] - along[0]
            inner = (points > along[0] + one) & (points < along[-1] - one)
            assert np.abs(got - points)[inner].max() <= MOST * one, (grid.shape, axis)
            judged += 1
    assert judged


@sizes
def test_a_cell_is_hidden_where_its_token_looks(family, size):
    for grid, centres in cases(family, size, [0.5, 0.75, 1.0]):
        for cell in impulses(grid.shape):
            chosen = np.zeros(grid.shape, bool)
            chosen[cell] = True
            mask = Region(0, chosen, grid.placement).mask(*size)
            for axis, along in enumerate(centres):
                if along is None or not mask.any():  # a sliver between the centres of pixels
                    continue
                one, middle = along[1] - along[0], along[cell[1 - axis]]
                ends = np.clip([middle - one / 2, middle + one / 2], 0, size[1 - axis])
                held = np.flatnonzero(mask.any(axis=axis))
                got = np.array([held[0], held[-1] + 1])
                assert np.abs(got - ends).max() <= MOST * one + 0.5, (grid.shape, cell, axis)
