"""Figures: the maps where they belong, the words as text, and everything that was set."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explainer.errors import MethodError, RunError, SightlineError, TokenError
from explainer.export import Exhibit, Look, colour_table, overlay
from explainer.export.drawing import (
    Drawing,
    DrawnPicture,
    Font,
    measure_width,
    to_pixels,
    truncate,
    wrap,
)
from explainer.export.figure import MOST_SUBJECTS, figure, figure_png, figure_svg
from explainer.export.fonts import make_drawable
from explainer.export.small_print import small_print
from explainer.methods import METHODS
from explainer.methods.subjects import Contrast, Span
from explainer.run import ANSWER
from explainer.run.geometry import Placement
from tests.ui.fake import ANSWER_TEXTS, box_of, fake_run

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
HOSTILE = (
    "</text><script>",
    "&amp;\"'",
    "\u202eabc",
    "\x00\ufffe",
    "猫😀",
    "]]>",
    "\n",
    "x" * 3000,
)


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def _texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_png_shows_each_map_where_its_word_is(make):
    made = make(look=Look(opacity=1.0, cover="all"))
    pixels = _pixels(figure_png(made))
    x0, y0, x1, y1 = box_of(1)
    table = colour_table("inferno").astype(int)
    for panel, heat in enumerate(made.heats[0]):
        left, top, side = 2 * (16 + 314 * panel), _top(made), 600
        for x, y in (((x0 + x1) / 2, (y0 + y1) / 2), (250, 250)):
            pixel = pixels[top + int(y / 336 * side), left + int(x / 336 * side)]
            flat = overlay(made.run.image, heat, table.astype(np.uint8), 1.0, cover="all")
            assert np.abs(pixel - flat[int(y), int(x)]).max() <= 12


def test_colours_that_cover_by_value_are_mixed_by_their_own_opacity(make):
    pixels = np.full((2, 2, 4), [200, 100, 0, 255], np.uint8)
    pixels[:, 1, 3] = 51
    drawn = Drawing(8, 8, "#ffffff", [DrawnPicture((0, 0, 8, 8), pixels, 0.5)])
    laid = to_pixels(drawn, 1.0)
    for x, share in ((0, 0.5), (7, 0.5 * 51 / 255)):
        expected = (1 - share) * 255 + share * np.array([200, 100, 0])
        assert laid[4, x] == pytest.approx(expected, abs=2)
    maps = [i for i in figure(make()).items if isinstance(i, DrawnPicture) and not i.photo]
    assert [i.pixels.shape[2] for i in maps] == [4, 3] * 3, "maps, and bars as they look"
    assert b"data:image/png" in figure_svg(make())


def _top(made: Exhibit) -> int:
    """Return the pixel row of a PNG at which the panels start."""
    drawing = figure(made)
    return round(2 * next(item.box[1] for item in drawing.items if hasattr(item, "pixels")))


def test_an_svg_holds_text_as_text_and_each_picture_once(make):
    svg = figure_svg(make())
    root = ElementTree.fromstring(svg)
    images = list(root.iter(f"{SVG}image"))
    assert len(images) == 1 + 3 + 1  # the picture, three maps, the colour bar
    assert len(list(root.iter(f"{SVG}use"))) == 3 + 3 + 3
    assert all(image.get(HREF).startswith("data:image/") for image in images)
    texts = _texts(svg)
    assert "“cat”" in texts
    assert "".join(ANSWER_TEXTS) in texts
    (marked,) = [t for t in root.iter(f"{SVG}tspan") if t.get("text-decoration") == "underline"]
    assert marked.text == "cat"
    assert len(svg) < 500_000  # the picture is noise


def test_the_map_of_an_svg_lies_on_its_part_of_the_picture(make):
    made = make(methods=["logit_lens"], look=Look(opacity=1.0))
    heat = made.heats[0][0]
    part = replace(heat.parts[0], placement=Placement.even((84, 0, 336, 168)))
    made.__dict__["heats"] = ((replace(heat, parts=(part,)),),)
    drawing = figure(made)
    picture, map_of = [i for i in drawing.items if hasattr(i, "pixels")][:2]
    x, y, width, height = picture.box
    expected = (x + width / 4, y, width * 3 / 4, height / 2)
    assert map_of.box == pytest.approx(expected)
    svg = figure_svg(made).decode()
    assert "url(#unseen)" in svg
    assert "Hatched: not seen by the model." in _texts(svg.encode())
    pixels = _pixels(figure_png(made))
    left, bottom = pixels[round(2 * (y + height)) - 8, round(2 * x) + 8], colour_table("inferno")
    assert tuple(left) in {(128,) * 3, (48,) * 3}, "hatched"
    data = re.findall(r'<image id="p1"[^>]*base64,([^"]+)"', svg)[0]
    stored = _pixels(base64.b64decode(data))
    assert {tuple(c) for c in stored.reshape(-1, 3)} <= {tuple(c) for c in bottom.astype(int)}


def test_the_small_print_names_every_knob_and_what_answered(make):
    made = make(normalisation="answer")
    told = " ".join(small_print(made))
    for method in made.chosen:
        for knob in method.method.knobs:
            assert f"{knob.name} " in told
    assert "1.0 = the strongest value in the maps of the whole answer" in told
    for words in ("fake-model", "“Describe it.”", "336 × 336", "scales 0.5, 0.75, 1", "2026-01-02"):
        assert words in told
    paper = replace(made.chosen[0], settings=METHODS["msea_arc"].settings(preset="paper"))
    assert "preset paper" in small_print(replace(made, chosen=(paper,)))[0]


def test_dark_figures_have_light_text_on_dark_paper(make):
    for theme, compare in (("light", 250), ("dark", 15)):
        pixels = _pixels(figure_png(make(look=Look(theme=theme))))
        assert abs(int(pixels[2, 2, 0]) - compare) <= 6
        assert np.ptp(pixels[:100].sum(-1)) > 400, "text stands out"


@pytest.mark.parametrize("methods", [1, 2, 4, 6])
def test_any_number_of_methods_fits(make, methods):
    made = make(methods=list(METHODS)[:methods], words=slice(0, 2))
    drawing = figure(made)
    boxes = [i.box for i in drawing.items if hasattr(i, "pixels")]
    assert all(x > 0 and x + w < drawing.width and y + h < drawing.height for x, y, w, h in boxes)
    assert len({round(box[0]) for box in boxes}) == {1: 1, 2: 2, 4: 4, 6: 3}[methods]


@pytest.mark.parametrize("count", [2, 5])
def test_several_pictures_stand_side_by_side_with_labels(make, count):
    run = replace(fake_run(images=count), labels=tuple(f"frame {i}" for i in range(count)))
    made = make(run, methods=["tam"])
    photos = [i for i in figure(made).items if getattr(i, "photo", False)]
    assert len({photo.box for photo in photos}) == count
    texts = _texts(figure_svg(made))
    assert [f"frame {i}" in texts for i in range(count)] == [True] * count
    assert figure_png(made)[:4] == b"\x89PNG"


@pytest.mark.parametrize("size", [(1, 1), (64, 32), (300, 1024), (1024, 11)])
def test_pictures_of_any_shape(make, size):
    run = fake_run(size=size)
    pixels = _pixels(figure_png(make(run, methods=["tam"])))
    assert 700 < pixels.shape[1] < 1100
    assert pixels.shape[0] < 2600


def test_hostile_texts_stay_text(make):
    run = fake_run(HOSTILE, prompt="<b>&\x07 " * 200, size=(48, 336))
    made = make(run, methods=["tam"], words=slice(0, len(HOSTILE)))
    svg = figure_svg(made)
    root = ElementTree.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    said = "".join(_texts(svg))
    for words in ("</text><script>", "&amp;\"'", "[U+202E]abc", "[U+0000][U+FFFE]", "猫😀", "↵"):
        assert words in said
    assert figure_png(made)[:4] == b"\x89PNG"


def test_a_contrast_is_headed_by_both_words_and_has_a_signed_bar(make):
    run = fake_run()
    cat, dog = (Span((int(run.indices(ANSWER)[i]),)) for i in (1, 4))
    texts = _texts(figure_svg(replace(make(run), subjects=(Contrast(cat, dog),))))
    assert "“cat, not dog”" in texts
    assert "−1" in texts
    assert "probability" not in " ".join(texts[:2])


def test_words_of_the_prompt_are_marked_in_the_prompt(make):
    run = fake_run()
    prompt = replace(make(run), subjects=(Span((int(run.indices(1)[0]),)),))
    assert "Describe it." in _texts(figure_svg(prompt))


def test_what_cannot_be_shown_is_said(make):
    made = make()
    with pytest.raises(MethodError, match="no method"):
        replace(made, chosen=())
    with pytest.raises(RunError, match="no word"):
        replace(made, subjects=())
    with pytest.raises(TokenError, match="outside"):
        _ = replace(made, subjects=(Span((999,)),)).heats
    with pytest.raises(RunError, match="at most 24 words"):
        figure(replace(made, subjects=made.subjects * (MOST_SUBJECTS + 1)))
    for wrong in ({"colours": "jet"}, {"theme": "pink"}, {"opacity": 2.0}, {"diverging": "tam"}):
        with pytest.raises(SightlineError):
            Look(**wrong)


def test_lines_fit_and_nothing_is_lost():
    font = Font(12)
    lines = wrap("one two three four " * 20, font, 100)
    assert all(measure_width(line, font) <= 100 for line in lines)
    assert " ".join(lines).split() == ["one", "two", "three", "four"] * 20
    assert truncate("x" * 500, font, 60).endswith("x…")
    assert measure_width(truncate("x" * 500, font, 60), font) <= 60
    assert make_drawable("β\n🦊") == "β↵[U+1F98A]"


def test_a_map_that_sticks_out_of_its_picture_is_cut(make):
    made = make(methods=["logit_lens"])
    heat = made.heats[0][0]
    part = replace(heat.parts[0], placement=Placement.even((-336, 0, 336, 672)))
    made.__dict__["heats"] = ((replace(heat, parts=(part,)),),)
    picture, map_of = [i for i in figure(made).items if hasattr(i, "pixels")][:2]
    assert map_of.box == pytest.approx(picture.box)
    rows, columns = map_of.pixels.shape[:2]
    assert 0.49 < columns / 273 < 0.52
    assert rows == columns
