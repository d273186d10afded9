"""Lay out text and pictures once, and write them as SVG or as pixels.

Lengths are in units of one screen pixel; y grows downwards.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from PIL import Image, ImageDraw

from explainer.export.bidi import runs_right_to_left
from explainer.export.colours import RGB
from explainer.export.fonts import Font, runs_of, substitute
from explainer.export.overlay import draw_hatching

FAMILY = "DejaVu Sans, Verdana, Arial, sans-serif"
MOST_PIXELS = 60_000_000


@dataclass(frozen=True)
class TextSpan:
    """A piece of a line of text; `colour` "" is the line's own."""

    text: str
    colour: str = ""
    underlined: bool = False


@dataclass(frozen=True)
class Line:
    """A line of text whose baseline is at y.

    Attributes:
        anchor: the part of the line at x: its left end "start", "middle", or its right end "end".
        rtl: whether its paragraph runs right to left; None to follow its first letter.
    """

    x: float
    y: float
    spans: tuple[TextSpan, ...]
    font: Font
    colour: str
    anchor: str = "start"
    rtl: bool | None = None

    @property
    def runs_right_to_left(self) -> bool:
        """Return the direction of its paragraph."""
        text = "".join(span.text for span in self.spans)
        return runs_right_to_left(text) if self.rtl is None else self.rtl


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """Pixels (h, w, 3 or 4) uint8 stretched over a rectangle (x, y, width, height).

    The fourth channel is an opacity, of which `opacity` is taken.

    If `photo`, it may be stored with lossy compression.
    """

    box: tuple[float, float, float, float]
    pixels: RGB
    opacity: float = 1.0
    photo: bool = False


@dataclass(frozen=True)
class Hatch:
    """Diagonal strokes over a rectangle, but not over the `hole` in it."""

    box: tuple[float, float, float, float]
    hole: tuple[float, float, float, float]
    opacity: float


@dataclass(eq=False)
class Drawing:
    """Items to draw, in order, on a sheet of `width` x `height` in the colour `paper`."""

    width: float
    height: float
    paper: str
    items: list[Line | DrawnPicture | Hatch] = field(default_factory=list)


# Text --------------------------------------------------------------------------------------------


def measure_width(text: str, font: Font) -> float:
    """Return the width of a line of text."""
    return sum(run.width(font, 8) for run in runs_of([text])) / 8


def wrap(text: str, font: Font, width: float) -> list[str]:
    """Break the text into lines that fit; truncate single words that do not."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if measure_width(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [truncate(line, font, width) for line in lines if line]


def truncate(text: str, font: Font, width: float) -> str:
    """Return the text or, if it is too wide, as much as fits before an ellipsis."""
    if measure_width(text, font) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the most characters that fit
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high)
            if measure_width(text[:middle] + "…", font) <= width
            else (low, middle - 1)
        )
    return text[:low] + "…"


# SVG ---------------------------------------------------------------------------------------------


def to_svg(drawing: Drawing, title: str) -> bytes:
    """Return an SVG file of the drawing, with text as text and embedded pictures.

    A picture that is drawn several times is stored once.
    """
    size = f"{drawing.width:g}", f"{drawing.height:g}"
    stored: dict[int, str] = {}
    parts = [_svg_item(item, stored) for item in drawing.items]
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}" '
        f'font-family="{FAMILY}">'
    )
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        head,
        f"<title>{escape(_xml(title))}</title>",
        "<defs>",
        _PATTERN,
        *stored.values(),
        "</defs>",
        f'<rect width="100%" height="100%" fill="{drawing.paper}"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines).encode()


_PATTERN = (
    '<pattern id="unseen" width="10" height="10" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="10" height="10" fill="#303030"/>'
    '<rect width="3" height="10" fill="#808080"/></pattern>'
)


def _svg_item(item: Line | DrawnPicture | Hatch, stored: dict[int, str]) -> str:
    if isinstance(item, Line):
        return _svg_line(item)
    x, y, width, height = item.box
    if isinstance(item, Hatch):
        a, b, c, d = item.hole
        outer = f"M{x:g} {y:g}h{width:g}v{height:g}h{-width:g}z"
        inner = f"M{a:g} {b:g}h{c:g}v{d:g}h{-c:g}z"
        return (
            f'<path d="{outer}{inner}" fill="url(#unseen)" fill-rule="evenodd" '
            f'opacity="{item.opacity:g}"/>'
        )
    key, (h, w) = id(item.pixels), item.pixels.shape[:2]
    if key not in stored:
        stored[key] = (
            f'<image id="p{len(stored)}" width="{w}" height="{h}" preserveAspectRatio="none" '
            f'xlink:href="{_data_uri(item)}"/>'
        )
    name = stored[key].split('"', 2)[1]
    place = f"translate({x:.3f} {y:.3f}) scale({width / w:.6f} {height / h:.6f})"
    return f'<use xlink:href="#{name}" transform="{place}" opacity="{item.opacity:g}"/>'


def _svg_line(line: Line) -> str:
    weight = ' font-weight="bold"' if line.font.bold else ""
    spans = "".join(_svg_span(span) for span in line.spans)
    rtl, anchor = "", line.anchor
    if line.runs_right_to_left:  # an anchor is where reading starts
        rtl = ' direction="rtl"'
        anchor = {"start": "end", "end": "start"}.get(anchor, anchor)
    return (
        f'<text x="{line.x:g}" y="{line.y:g}" font-size="{line.font.size:g}"{weight} '
        f'fill="{line.colour}" text-anchor="{anchor}"{rtl} xml:space="preserve">{spans}</text>'
    )


def _svg_span(span: TextSpan) -> str:
    colour = f" fill={quoteattr(span.colour)}" if span.colour else ""
    line = ' text-decoration="underline"' if span.underlined else ""
    text = escape(_xml(span.text))
    return f"<tspan{colour}{line}>{text}</tspan>" if colour or line else text


def _xml(text: str) -> str:
    """Escape a text for XML, and spell out characters that XML forbids or that reverse text."""
    return "".join(c if c.isprintable() else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    joins = character in "\u200c\u200d\ufe0f"  # parts of emoji and of some scripts
    return character if joins else substitute(character)


def _data_uri(item: DrawnPicture) -> str:
    kind, buffer = "jpeg" if item.photo else "png", io.BytesIO()
    if item.photo:
        Image.fromarray(item.pixels).save(buffer, format="JPEG", quality=92, subsampling=0)
    else:
        _with_palette(item.pixels).save(buffer, format="PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _with_palette(pixels: RGB) -> Image.Image:
    """Return the picture with a palette if it has at most 256 colours, at a third of the size."""
    if pixels.shape[2] == 4:
        return Image.fromarray(pixels)
    flat = pixels.reshape(-1, 3).astype(np.uint32)
    colours, at = np.unique(flat @ np.array([65536, 256, 1], np.uint32), return_inverse=True)
    if len(colours) > 256:
        return Image.fromarray(pixels)
    image = Image.fromarray(at.reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
    triples = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    image.putpalette(triples.astype(np.uint8).tobytes())
    return image


# Pixels ------------------------------------------------------------------------------------------


def to_pixels(drawing: Drawing, scale: float = 2.0) -> RGB:
    """Return (H, W, 3) uint8: the drawing at `scale` pixels to the unit, at most `MOST_PIXELS`."""
    scale = min(scale, (MOST_PIXELS / (drawing.width * drawing.height)) ** 0.5)
    size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    canvas = Image.new("RGB", size, drawing.paper)
    draw = ImageDraw.Draw(canvas)
    for item in drawing.items:
        if isinstance(item, Line):
            _draw_line(draw, item, scale)
        elif isinstance(item, DrawnPicture):
            _paste(canvas, item, scale)
        else:
            _paste_hatch(canvas, item, scale)
    return np.array(canvas)


def _draw_line(draw: ImageDraw.ImageDraw, line: Line, scale: float) -> None:
    runs = runs_of([span.text for span in line.spans], line.rtl)
    widths = [run.width(line.font, scale) for run in runs]
    x = line.x * scale - sum(widths) * {"start": 0, "middle": 0.5, "end": 1}[line.anchor]
    y, thick = line.y * scale, max(1, round(line.font.size * scale / 12))
    for run, width in zip(runs, widths, strict=True):
        span = line.spans[run.span]
        colour, face = span.colour or line.colour, run.face(line.font, scale)
        draw.text((x, y), run.text, colour, face, anchor="ls", **run.options)
        if span.underlined and round(x + width) > round(x):
            under = round(y + 1.5 * thick)
            draw.rectangle((round(x), under, round(x + width) - 1, under + thick - 1), colour)
        x += width


def _edges(box: Sequence[float], scale: float) -> tuple[int, int, int, int]:
    """Return the pixel edges (left, top, right, bottom) of a rectangle of at least one pixel."""
    x, y, width, height = (part * scale for part in box)
    left, top = round(x), round(y)
    return left, top, max(left + 1, round(x + width)), max(top + 1, round(y + height))


def _paste(canvas: Image.Image, item: DrawnPicture, scale: float) -> None:
    left, top, right, bottom = _edges(item.box, scale)
    size, pixels = (right - left, bottom - top), Image.fromarray(item.pixels)
    if pixels.size != size:
        smooth = Image.Resampling.LANCZOS if item.photo else Image.Resampling.BILINEAR
        pixels = pixels.resize(size, smooth)
    if pixels.mode == "RGBA":
        mask = pixels.getchannel("A").point(lambda alpha: round(alpha * item.opacity))
        canvas.paste(pixels.convert("RGB"), (left, top), mask)
        return
    if item.opacity < 1:
        below = canvas.crop((left, top, right, bottom))
        pixels = Image.blend(below, pixels, item.opacity)
    canvas.paste(pixels, (left, top))


def _paste_hatch(canvas: Image.Image, item: Hatch, scale: float) -> None:
    left, top, right, bottom = _edges(item.box, scale)
    below = canvas.crop((left, top, right, bottom))
    strokes = Image.blend(
        below, Image.fromarray(draw_hatching(bottom - top, right - left)), item.opacity
    )
    mask = Image.new("1", below.size, 1)
    a, b, c, d = _edges(item.hole, scale)
    mask.paste(0, (a - left, b - top, c - left, d - top))
    canvas.paste(strokes, (left, top), mask)
