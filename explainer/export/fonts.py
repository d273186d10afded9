"""Choose the font of each character: DejaVu Sans, then fonts of the system, then bundled ones.

DejaVu Sans comes with matplotlib and has Latin, Greek, Cyrillic, Hebrew, Arabic and many signs; the
bundled ones, in assets/fonts, have Chinese, Japanese, Korean, Thai, Devanagari, Bengali and Tamil.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from PIL import ImageFont, features

from explainer.export.bidi import (
    DOTTED,
    has_right_to_left,
    is_mark,
    levels,
    mirror_bracket,
    runs_right_to_left,
    shape_letters,
    visual_order,
)

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_PLAIN = {False: _FONTS / "DejaVuSans.ttf", True: _FONTS / "DejaVuSans-Bold.ttf"}
_BUNDLED = Path(__file__).parents[2] / "assets" / "fonts"
_MOST_FONTS = 1000  # largest number of system fonts to search for a character
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # shape what is beside them, and are not drawn themselves
# Scripts whose letters change places or shapes: U+0900 to U+109F are those of India and
# South-East Asia, U+1780 to U+17FF is Khmer.
_COMPLEX = ((0x0900, 0x109F), (0x1780, 0x17FF))


@dataclass(frozen=True)
class Font:
    """Size in units and weight of a line of text."""

    size: float
    bold: bool = False


@dataclass(frozen=True)
class FontRun:
    """A stretch of a line that one font draws in one direction.

    Attributes:
        text: as the font gets it.
        span: the number of the span of the line that it belongs to.
        file: the font's file; None for DejaVu Sans, which has a bold face too.
        direction: "rtl" or "ltr" for a run that a shaping library sets, "" where glyph follows
            glyph.
    """

    text: str
    span: int
    file: Path | None
    direction: str = ""

    def face(self, font: Font, scale: float) -> ImageFont.FreeTypeFont:
        """Return the face that draws the run at `scale` pixels to the unit."""
        return _face(self.file or _PLAIN[font.bold], font.size * scale, bool(self.direction))

    def width(self, font: Font, scale: float) -> float:
        """Return the width in pixels."""
        return self.face(font, scale).getlength(self.text, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        return {"direction": self.direction} if self.direction else {}


@lru_cache(maxsize=256)
def _face(file: Path, size: float, shaping: bool) -> ImageFont.FreeTypeFont:
    # Without shaping one glyph follows the other, and widths of pieces add up.
    layout = ImageFont.Layout.RAQM if shaping else ImageFont.Layout.BASIC
    return ImageFont.truetype(str(file), size, layout_engine=layout)


@lru_cache(maxsize=1)
def _can_shape() -> bool:
    return bool(features.check("raqm"))


# Which font --------------------------------------------------------------------------------------


def make_drawable(text: str) -> str:
    """Replace characters that no font can draw by a spelling, such as ↵ or [U+1F600]."""
    return "".join(substitute(c) for c in text)


def find_undrawable(text: str) -> list[str]:
    """Return the distinct characters of a text that no font can draw."""
    seen = dict.fromkeys(c for c in text if c.isprintable() and c not in _JOINERS)
    return [c for c in seen if _file_of(c) is _NONE]


def warn_about_undrawable(texts: Iterable[str]) -> str:
    """Return a sentence on characters that pixel figures spell out; "" if there are none."""
    lacking = find_undrawable("".join(texts))
    if not lacking:
        return ""
    shown = ", ".join(f"{c} (U+{ord(c):04X})" for c in lacking[:5])
    more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    return (
        f"No font here draws {shown}{more}, so pictures spell the code point; SVG keeps the text, "
        "or install a font that has it."
    )


@lru_cache(maxsize=8192)
def substitute(character: str) -> str:
    """Return a character, or its spelling if no font draws it."""
    if character in "\n\t":
        return {"\n": "↵", "\t": "⇥"}[character]
    if character in _JOINERS:
        return character
    known = character.isprintable() and _file_of(character) is not _NONE
    return character if known else spell_code_point(character)


def spell_code_point(character: str) -> str:
    """Return the code point of a character, such as [U+1F600]."""
    return f"[U+{ord(character):04X}]"


_NONE = Path("none")


@lru_cache(maxsize=8192)
def _file_of(character: str) -> Path | None:
    """Return the font file that draws a character: None for DejaVu Sans, `_NONE` for none."""
    if _glyphs(_PLAIN[False]).get_char_index(ord(character)):
        return None
    for file in _system_fonts():
        if _has(file, ord(character)) and _draws(file, character):
            return file
    for file in _bundled_fonts():
        if _has(file, ord(character)):
            return file
    return _NONE


def _has(file: Path, code: int) -> bool:
    try:
        return bool(_glyphs(file).get_char_index(code))
    except Exception:  # fonts of a system may be of any kind, or damaged
        return False


def _draws(file: Path, character: str) -> bool:
    """Return whether a font can really draw a character; outlines may be damaged."""
    try:
        _face(file, 16, shaping=False).getmask(character)
    except Exception:
        return False
    return True


@lru_cache(maxsize=_MOST_FONTS + 16)
def _glyphs(file: Path) -> FT2Font:
    return FT2Font(str(file))


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[Path, ...]:
    """Return the scalable fonts of the system, plain upright sans-serif faces first."""
    files = [Path(name) for name in findSystemFonts()]
    scalable = [file for file in files if _opens(file)]
    return tuple(sorted(scalable, key=_oddness)[:_MOST_FONTS])


def _opens(file: Path) -> bool:
    """Return whether Pillow can draw with a font at any size; it cannot with bitmap fonts."""
    try:
        ImageFont.truetype(str(file), 12.5)
    except Exception:
        return False
    return True


def _oddness(file: Path) -> tuple[int, int, str]:
    name = file.stem.lower()
    odd = ("bold", "italic", "oblique", "light", "thin", "black", "condensed", "mono", "serif")
    plain = sum(word in name for word in odd) - 2 * ("sans" in name) + ("sansserif" in name)
    return plain, len(name), str(file)


@lru_cache(maxsize=1)
def _bundled_fonts() -> tuple[Path, ...]:
    return tuple(sorted(_BUNDLED.glob("*.ttf")))


# Which order -------------------------------------------------------------------------------------


def runs_of(spans: Sequence[str], rtl: bool | None = None) -> list[FontRun]:
    """Return the runs of a line from left to right.

    Args:
        spans: the text of the line in pieces, in the order in which it is read.
        rtl: the direction of its paragraph; None for that of its first letter.
    """
    text, owners = "", list[int]()
    for number, span in enumerate(spans):
        drawn_text = make_drawable(span)
        text, owners = text + drawn_text, owners + [number] * len(drawn_text)
    if not text:
        return []
    if text.isascii():
        return [FontRun(span, i, None) for i, span in enumerate(map(make_drawable, spans)) if span]
    rtl = runs_right_to_left(text) if rtl is None else rtl
    turned = rtl or has_right_to_left(text)
    embedding = levels(text, rtl) if turned else [0] * len(text)
    drawn = shape_letters(text, lambda shape: _file_of(shape) is None) if turned else list(text)
    files, lone = _files(text), _lone_marks(text)
    pieces = [
        _run(text, drawn, list(part), key)
        for key, part in groupby(
            range(len(text)),
            key=lambda i: (owners[i], files[i], embedding[i], _is_complex(text[i]), lone[i]),
        )
    ]
    order = visual_order([level for _, level in pieces])
    return [pieces[i][0] for i in order if pieces[i][0].text]


def _files(text: str) -> list[Path | None]:
    """Return the font file of each character; marks use that of their base letter."""
    files: list[Path | None] = []
    for i, character in enumerate(text):
        own = None if character in _JOINERS else _file_of(character)
        if i and (character in _JOINERS or is_mark(character)):
            before = files[-1]
            if character in _JOINERS or _has(before or _PLAIN[False], ord(character)):
                own = before
        files.append(own)
    return files


def _lone_marks(text: str) -> list[bool]:
    """Return which characters are a dotted circle, or Semitic marks on one.

    Their glyphs lie to the right of where they are put, so they are drawn before the circle.
    """
    lone: list[bool] = []
    for i, character in enumerate(text):
        on_circle = bool(i) and (text[i - 1] == DOTTED or lone[-1])
        lone.append(on_circle and is_mark(character) and "\u0590" <= character < "\u0900")
    return [
        one or (text[i] == DOTTED and lone[i + 1 : i + 2] == [True]) for i, one in enumerate(lone)
    ]


def _is_complex(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _COMPLEX)


def _run(
    text: str, drawn: list[str], part: list[int], key: tuple[int, Path | None, int, bool, bool]
) -> tuple[FontRun, int]:
    """Return the run of these characters, and its level."""
    span, file, level, is_complex, is_lone = key
    letters = "".join(drawn[i] for i in part)
    if is_lone:
        return FontRun(letters[1:] + letters[0], span, file), level
    marks = any(is_mark(text[i]) for i in part)
    if _can_shape() and (is_complex or marks):
        return FontRun(letters, span, file, "rtl" if level % 2 else "ltr"), level
    letters = "".join(c for c in letters if c not in _JOINERS)
    if level % 2:
        letters = "".join(_reversed(letters))
    return FontRun(letters, span, file), level


def _reversed(letters: str) -> Iterator[str]:
    """Yield letters from right to left, each after its marks, brackets mirrored."""
    clusters: list[str] = []
    for letter in letters:
        if clusters and is_mark(letter):
            clusters[-1] = letter + clusters[-1]
        else:
            clusters.append(mirror_bracket(letter))
    yield from reversed(clusters)
