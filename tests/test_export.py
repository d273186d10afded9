from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from explainer.export import (
    DIVERGING,
    SEQUENTIAL,
    Caption,
    captioned,
    colour_table,
    overlay,
    png,
)
from explainer.methods.base import Heatmap, MapPart

GREY = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)


def _heat(values, extent, signed=False) -> Heatmap:
    part = MapPart(np.asarray(values, np.float32), extent)
    return Heatmap((part,), signed, "1.0 is the maximum")


@pytest.mark.parametrize("name", [*SEQUENTIAL, *DIVERGING])
def test_tables_have_256_distinct_colours(name):
    table = colour_table(name)
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    assert len(np.unique(table, axis=0)) > 200


def test_the_middle_of_a_diverging_table_is_pale():
    for name in DIVERGING:
        assert colour_table(name)[127:129].min() > 235


def test_an_unknown_table_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="inferno"):
        colour_table("jet")


def test_cells_lie_on_their_part_of_the_picture():
    """2 x 2 cells on 8 x 8 pixels: the centres of the cells are at pixel edges 2 and 6."""
    image = np.zeros((8, 8, 3), np.uint8)
    laid = overlay(image, _heat([[0, 1], [0, 0]], (0, 0, 8, 8)), GREY, 1.0)[..., 0] / 255
    across = np.clip((np.arange(8) + 0.5 - 2) / 4, 0, 1)
    down = 1 - across
    assert laid == pytest.approx(down[:, None] * across, abs=1 / 255)


def test_the_extent_places_the_map_and_the_rest_is_hatched():
    image = np.full((10, 20, 3), 77, np.uint8)
    laid = overlay(image, _heat([[1.0]], (5, 2, 15, 8)), GREY, 1.0)
    assert np.all(laid[2:8, 5:15] == 255)
    outside = np.ones((10, 20), bool)
    outside[2:8, 5:15] = False
    assert set(np.unique(laid[outside])) == {48, 128}
    half = overlay(image, _heat([[1.0]], (5, 2, 15, 8)), GREY, 0.5)
    assert set(np.unique(half[outside])) == {round((77 + 48) / 2), round((77 + 128) / 2)}


def test_a_caption_says_what_hatching_means():
    image = np.full((100, 200, 3), 77, np.uint8)
    caption = Caption("cat", 0.5, "TAM")
    heights = [
        len(captioned([image], _heat([[1.0]], extent), GREY, caption))
        for extent in ((0, 0, 200, 100), (50, 0, 150, 100))
    ]
    assert heights[1] == heights[0] + round(14 * 1.45)  # one line more


def test_signed_maps_use_the_middle_for_zero():
    image = np.zeros((1, 3, 3), np.uint8)
    laid = overlay(image, _heat([[-1, 0, 1]], (0, 0, 3, 1), signed=True), GREY, 1.0)
    assert laid[0, :, 0].tolist() == [0, 128, 255]


def test_opacity_mixes():
    image = np.full((4, 4, 3), 100, np.uint8)
    heat = _heat([[1.0]], (0, 0, 4, 4))
    assert np.all(overlay(image, heat, GREY, 0.0) == 100)
    assert np.all(overlay(image, heat, GREY, 0.5) == 178)


@pytest.mark.parametrize("count", [2, 5])
def test_several_pictures_stand_side_by_side(count):
    images = [np.full((30, 40 + 10 * i, 3), 200, np.uint8) for i in range(count)]
    white = np.ones((2, 2), np.float32)
    parts = tuple(MapPart(white, (0, 0, 40 + 10 * i, 30)) for i in range(count))
    heat = Heatmap(parts, False, "1.0 is the maximum")
    pixels = captioned(images, heat, GREY, Caption("cat", 0.5, "TAM"), 1.0)
    assert pixels.shape[1] >= 480
    row = (pixels[90] == 255).all(-1)  # through the middle of the first row: maps are white
    assert row.sum() == pixels.shape[1]


@pytest.mark.parametrize("size", [(1, 1), (64, 32), (300, 1024), (1024, 11)])
def test_a_captioned_picture_is_a_png_of_its_width_and_taller(size):
    image = np.zeros((*size, 3), np.uint8)
    heat = _heat([[0.1, 0.9]], (0, 0, size[1], size[0]))
    caption = Caption(" 猫\n😀 β", 0.25, "MSEA + ARC", "beta 0.5, " * 30)
    pixels = captioned([image], heat, colour_table("inferno"), caption)
    assert pixels.shape[1] >= 480
    assert pixels.shape[1] % size[1] == 0
    assert pixels.shape[0] > size[0] * (pixels.shape[1] // size[1])
    read = np.asarray(Image.open(io.BytesIO(png(pixels))))
    assert np.array_equal(read, pixels)
