from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from explainer.export import COVERS, DIVERGING, SEQUENTIAL, colour_table, overlay, png
from explainer.export.colours import DARK, LIGHT, add_cover, draw_bar
from explainer.export.overlay import magnify
from explainer.methods.base import Heatmap, MapPart
from explainer.run.geometry import Placement

GREY = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)


def _heat(values, extent, signed=False) -> Heatmap:
    part = MapPart(np.asarray(values, np.float32), Placement.even(extent))
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
    laid = (
        overlay(image, _heat([[0, 1], [0, 0]], (0, 0, 8, 8)), GREY, 1.0, cover="all")[..., 0] / 255
    )
    across = np.clip((np.arange(8) + 0.5 - 2) / 4, 0, 1)
    down = 1 - across
    assert laid == pytest.approx(down[:, None] * across, abs=1 / 255)


def test_the_extent_places_the_map_and_the_rest_is_hatched():
    image = np.full((10, 20, 3), 77, np.uint8)
    laid = overlay(image, _heat([[1.0]], (5, 2, 15, 8)), GREY, 1.0, cover="all")
    assert np.all(laid[2:8, 5:15] == 255)
    outside = np.ones((10, 20), bool)
    outside[2:8, 5:15] = False
    assert set(np.unique(laid[outside])) == {48, 128}
    half = overlay(image, _heat([[1.0]], (5, 2, 15, 8)), GREY, 0.5)
    assert set(np.unique(half[outside])) == {round((77 + 48) / 2), round((77 + 128) / 2)}


def test_signed_maps_use_the_middle_for_zero():
    image = np.zeros((1, 3, 3), np.uint8)
    laid = overlay(image, _heat([[-1, 0, 1]], (0, 0, 3, 1), signed=True), GREY, 1.0, cover="all")
    assert laid[0, :, 0].tolist() == [0, 128, 255]


def test_opacity_mixes():
    image = np.full((4, 4, 3), 100, np.uint8)
    heat = _heat([[1.0]], (0, 0, 4, 4))
    assert np.all(overlay(image, heat, GREY, 0.0) == 100)
    assert np.all(overlay(image, heat, GREY, 0.5) == 178)


def test_a_magnified_map_is_what_the_overlay_shows():
    values = np.random.default_rng(0).random((3, 5)).astype(np.float32)
    large = magnify(MapPart(values, Placement.even((0, 0, 50, 30))), 50)
    assert large.shape == (30, 50)
    laid = overlay(
        np.zeros((30, 50, 3), np.uint8), _heat(values, (0, 0, 50, 30)), GREY, 1.0, cover="all"
    )
    assert np.array_equal(np.round(large * 255), laid[..., 0])


def test_a_png_gives_its_pixels_back():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


@pytest.mark.parametrize("signed", [False, True])
def test_by_value_each_pixel_is_mixed_as_its_value_says(signed):
    """A literal transcription: share = opacity x min(1, 2 |value|), of the colour of the value."""
    values = np.linspace(-1 if signed else 0, 1, 12).reshape(3, 4)
    heat, image = _heat(values, (0, 0, 4, 3), signed), np.full((3, 4, 3), 200, np.uint8)
    table = colour_table("RdBu_r" if signed else "inferno")
    laid = overlay(image, heat, table, 0.8, cover="value")
    for y in range(3):
        for x in range(4):
            value = values[y, x]
            step = round((value + 1) / 2 * 255) if signed else round(value * 255)
            share = 0.8 * min(1, 2 * abs(value))
            expected = (1 - share) * image[y, x] + share * table[step].astype(float)
            assert laid[y, x] == pytest.approx(expected, abs=3), (y, x)


def test_by_value_the_picture_stays_where_the_map_is_0_and_the_unseen_is_hatched():
    image = np.full((4, 8, 3), 200, np.uint8)
    heat = _heat([[0.0, 0.0]], (0, 0, 4, 4))
    laid = overlay(image, heat, colour_table("inferno"), 1.0, cover="value")
    assert (laid[:, :4] == 200).all()
    assert set(np.unique(laid[:, 4:])) <= {48, 128}


@pytest.mark.parametrize("cover", COVERS)
def test_a_bar_shows_the_colours_as_they_look_over_light_and_dark(cover):
    table = colour_table("inferno")
    heat = _heat(np.arange(256)[None] / 255, (0, 0, 256, 1))
    bar = draw_bar(add_cover(table, False, cover), 0.6)
    for row, below in ((0, LIGHT), (-1, DARK)):
        laid = overlay(np.full((1, 256, 3), below, np.uint8), heat, table, 0.6, cover=cover)
        assert np.abs(bar[row].astype(int) - laid[0]).max() <= 1
    assert (bar[:4] == bar[0]).all()
    assert (bar[4:] == bar[-1]).all()


def test_tables_cover_by_value_unless_told():
    assert COVERS == ("value", "all")
    assert (add_cover(GREY, False, "all")[:, 3] == 255).all()
