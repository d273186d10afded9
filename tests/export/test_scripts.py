"""Scripts of the world in figures: every letter is drawn, in the order in which it is read."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFont

from explainer.export import chips
from explainer.export import fonts as fonts_module
from explainer.export.bidi import add_mark_base, levels, shape_letters, visual_order
from explainer.export.drawing import Drawing, Line, TextSpan, to_pixels, to_svg
from explainer.export.figure import figure, figure_png, figure_svg
from explainer.export.film import film_gif, film_webp
from explainer.export.fonts import Font, find_undrawable, make_drawable, runs_of
from tests.inputs.text import ANSWERS, EMOJI, MARKS
from tests.ui.fake import fake_run

LOW = (48, 336)  # pictures that leave figures to the words


@pytest.fixture(autouse=True)
def _no_fonts_of_this_machine(monkeypatch):
    """Figures are the same on a machine that has no fonts."""
    monkeypatch.setattr(fonts_module, "_system_fonts", tuple)
    fonts_module._file_of.cache_clear()
    fonts_module.substitute.cache_clear()
    yield
    fonts_module._file_of.cache_clear()
    fonts_module.substitute.cache_clear()


def drawn(*spans: str, **how) -> str:
    """Return the letters of a line from left to right, in their plain shapes."""
    text = "".join(run.text for run in runs_of(spans, **how))
    return unicodedata.normalize("NFKC", text)


# Fonts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", ANSWERS)
def test_answers_in_any_script_are_drawn(script, make):
    answer = ANSWERS[script]
    assert not find_undrawable("".join(answer))
    assert make_drawable("".join(answer)) == "".join(answer)
    made = make(fake_run(answer, size=LOW), methods=["tam"])
    pixels = np.asarray(Image.open(io.BytesIO(figure_png(made))))
    assert pixels[60:110].std() > 5, "the sentence"
    svg = figure_svg(made).decode()
    assert f"“{answer[1].strip()}”" in svg


@pytest.mark.parametrize("make_film", [film_gif, film_webp])
def test_films_draw_chinese(make_film, make):
    made = make(fake_run(ANSWERS["Chinese"]), methods=["tam"], words=slice(0, 3))
    picture = Image.open(io.BytesIO(make_film(made)))
    assert picture.n_frames == 3


def test_each_letter_is_a_glyph_of_a_font_that_has_it():
    for run in runs_of(["a猫고แबβא"]):
        face = run.face(Font(20), 1)
        blank = face.getmask("\U0010fffe").getbbox()
        for letter in run.text:
            assert face.getmask(letter).getbbox() not in (None, blank)


def test_what_no_font_has_is_spelled_out_and_named():
    text = "".join(EMOJI)
    assert find_undrawable(text) == ["🦊", "👩", "👧", "🏳", "🌈"]
    assert make_drawable("a🦊\n\x00") == "a[U+1F98A]↵[U+0000]"
    assert find_undrawable("\n\u202e a猫") == []


def test_fonts_of_the_system_come_before_bundled_ones(monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    (bundled,) = [f for f in fonts_module._bundled_fonts() if "Droid" in f.name]
    own = tmp_path / "own.ttf"
    own.write_bytes(bundled.read_bytes())
    monkeypatch.setattr(fonts_module, "_system_fonts", lambda: (tmp_path / "broken.ttf", own))
    fonts_module._file_of.cache_clear()
    assert [run.file for run in runs_of(["a猫"])] == [None, own]


def test_fonts_that_list_letters_and_cannot_draw_them_are_passed_by(monkeypatch, tmp_path):
    """Pillow 5576 and 6093: errors of FreeType in the middle of a figure."""
    (bundled,) = [f for f in fonts_module._bundled_fonts() if "Droid" in f.name]
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(bundled.read_bytes())
    monkeypatch.setattr(fonts_module, "_system_fonts", lambda: (damaged,))
    face = fonts_module._face

    def raise_on_damaged(file, size, shaping):
        if file == damaged:
            raise OSError("invalid outline")
        return face(file, size, shaping)

    monkeypatch.setattr(fonts_module, "_face", raise_on_damaged)
    fonts_module._file_of.cache_clear()
    assert runs_of(["猫"])[0].file == bundled


# Marks without letters ---------------------------------------------------------------------------


@pytest.mark.parametrize("mark", MARKS)
def test_words_of_marks_alone_are_drawn(mark, make):
    run = fake_run((mark, " قط", mark, " a", mark), size=LOW)
    made = make(run, methods=["tam"], words=slice(0, None))
    for subject in made.subjects:
        one = replace(made, subjects=(subject,))
        assert figure_png(one)[:4] == b"\x89PNG"
        assert figure_svg(one)
    assert film_gif(made)[:3] == film_webp(made)[8:11].replace(b"WEB", b"GIF")


def test_a_mark_is_shown_on_a_dotted_circle(make):
    assert add_mark_base("\u064e") == "◌\u064e"
    assert add_mark_base("e\u0301") == "e\u0301"
    run = fake_run(("\u064e", " قط"))
    made = replace(make(run, methods=["tam"]), subjects=(chips(run)[0],))
    texts = [
        "".join(span.text for span in item.spans)
        for item in figure(made).items
        if isinstance(item, Line)
    ]
    assert texts[0] == "“◌\u064e”"
    assert texts[2] == "◌\u064e قط"


# Order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rtl", "seen"),
    [
        ("abc", False, "abc"),
        ("אבג", True, "גבא"),
        ("a אבג b", False, "a גבא b"),
        ("אבג abc", True, "abc גבא"),
        ("אבג 123", True, "123 גבא"),
        ("אבג (12%).", True, ".(12%) גבא"),
        ("a (אבג) b", False, "a (גבא) b"),
        ("אב 1,234.5 גד", True, "דג 1,234.5 בא"),
        ("אבג!", False, "גבא!"),
        ("אבג!", True, "!גבא"),
        ("a אב 12 גד b", False, "a דג 12 בא b"),
    ],
)
def test_lines_run_in_the_order_of_their_letters(text, rtl, seen):
    assert drawn(text, rtl=rtl) == seen


@pytest.mark.parametrize("seed", range(40))
def test_the_order_is_that_of_the_unicode_algorithm(seed):
    """Against a library that has it whole, without brackets, on which that one is of another
    version."""
    bidi = pytest.importorskip("bidi")
    rng = np.random.default_rng(seed)
    letters = list("abאבגعب12 .,-+%!?٣")
    for _ in range(50):
        text = "".join(rng.choice(letters, rng.integers(1, 12)))
        for rtl in (False, True):
            order = visual_order(levels(text, rtl))
            theirs = bidi.get_display(text, base_dir="R" if rtl else "L")
            assert "".join(text[i] for i in order) == theirs, (text, rtl)


def test_a_right_to_left_sentence_starts_at_the_right_edge(make):
    made = make(fake_run(ANSWERS["Arabic"]), methods=["tam"])
    lines = [item for item in figure(made).items if isinstance(item, Line)]
    sentence = lines[2]
    assert sentence.anchor == "end"
    assert sentence.x == figure(made).width - 16
    svg = figure_svg(made).decode()
    assert 'direction="rtl"' in svg
    assert svg.count('direction="rtl"') == 1


def test_the_first_word_of_a_right_to_left_line_is_on_the_right():
    line = Line(300, 30, (TextSpan("א" * 3), TextSpan(" ב", "#ff0000")), Font(20), "#000000", "end")
    pixels = to_pixels(Drawing(310, 40, "#ffffff", [line]), 1).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 120)
    black = pixels.max(axis=-1) < 100
    assert np.nonzero(red)[1].max() < np.nonzero(black)[1].min()
    assert b"direction" in to_svg(Drawing(310, 40, "#ffffff", [line]), "x")


# Shapes ------------------------------------------------------------------------------------------


def test_arabic_letters_have_the_shapes_of_their_places():
    names = [unicodedata.name(c).rsplit(" ", 2)[1] for c in shape_letters("بببا", lambda c: True)]
    assert names == ["INITIAL", "MEDIAL", "MEDIAL", "FINAL"]
    assert shape_letters("ب", lambda c: True) == ["ﺏ"]
    assert shape_letters("سلام", lambda c: True) == ["ﺳ", "ﻼ", "", "ﻡ"]
    assert shape_letters("بَب", lambda c: True) == ["ﺑ", "َ", "ﺐ"], "marks do not part letters"
    assert shape_letters("ب ب", lambda c: True) == ["ﺏ", " ", "ﺏ"]
    assert shape_letters("ببب", lambda c: False) == list("ببب"), "no font has the shapes"


def test_letters_join_across_the_pieces_of_a_word():
    first, second = runs_of(["قط", "ة"])[::-1]
    assert first.span == 0
    assert [unicodedata.name(c).split()[-2] for c in first.text] == ["MEDIAL", "INITIAL"]
    assert unicodedata.name(second.text).split()[-2] == "FINAL"


@pytest.mark.parametrize("shaping", [True, False])
def test_lines_are_drawn_with_and_without_a_shaping_library(monkeypatch, shaping):
    monkeypatch.setattr(fonts_module, "_can_shape", lambda: shaping)
    for answer in (*ANSWERS.values(), *((m, "a") for m in MARKS)):
        line = Line(4, 30, tuple(map(TextSpan, answer)), Font(20), "#000000")
        pixels = to_pixels(Drawing(900, 40, "#ffffff", [line]), 1)
        assert pixels.min() < 128
    if not shaping:
        faces = {run.face(Font(20), 1).layout_engine for run in runs_of(["हिन्दी"])}
        assert faces == {ImageFont.Layout.BASIC}
