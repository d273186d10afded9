"""Pictures to keep: a heatmap over its image as a PNG, with a caption that says what it is."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont, ImageOps

from explainer.methods.base import Heatmap, MapPart

RGB = npt.NDArray[np.uint8]

# Colour tables by name, with the label for people. Except for turbo, equal steps look equal.
SEQUENTIAL: Mapping[str, str] = MappingProxyType(
    {
        "inferno": "Inferno",
        "magma": "Magma",
        "viridis": "Viridis",
        "cividis": "Cividis (colour-blind safe)",
        "turbo": "Turbo (rainbow: steps do not look equal)",
    }
)
DIVERGING: Mapping[str, str] = MappingProxyType(
    {"RdBu_r": "Blue to red through white", "PuOr_r": "Violet to orange through white"}
)

_FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
_MARGIN = 12
_LEAST_WIDTH = 480  # a caption is not legible below a narrower picture
_PER_ROW = 4  # pictures side by side
_WIDEST = 512  # longest side of each of several pictures


@dataclass(frozen=True)
class Caption:
    """The words under a picture.

    `probability` is None where it is not known; `labels` say what each of several pictures is.
    """

    token: str
    probability: float | None
    method: str
    parameters: str = ""
    labels: tuple[str, ...] = ()


def colour_table(name: str) -> RGB:
    """Return (256, 3) uint8: the colours of a table in `SEQUENTIAL` or `DIVERGING`."""
    if name not in SEQUENTIAL and name not in DIVERGING:
        known = ", ".join([*SEQUENTIAL, *DIVERGING])
        raise ValueError(f"no colour table {name!r}; choose one of {known}")
    steps = matplotlib.colormaps[name](np.arange(256), bytes=True)
    return np.ascontiguousarray(steps[:, :3])


def overlay(image: RGB, heat: Heatmap, table: RGB, opacity: float = 0.55, index: int = 0) -> RGB:
    """Return (H, W, 3) uint8: the image with the colours of its part of the heatmap laid over it.

    Each cell of the map covers its own share of the part's extent; between the centres of cells
    values are interpolated. Pixels outside the extent, which the model did not see, are
    hatched.

    Args:
        image: (H, W, 3) uint8, one of `Run.images`.
        table: (256, 3) uint8; its middle is 0 for a signed map, its start 0 for others.
        opacity: share of the colour in the mixture, 0 to 1.
        index: which of `Run.images` it is.
    """
    height, width = image.shape[:2]
    part = heat.parts[index]
    x0, y0, x1, y1 = part.extent
    rows, seen_y = _interpolate(height, y0, y1, part.values.shape[0])
    columns, seen_x = _interpolate(width, x0, x1, part.values.shape[1])
    values = rows @ part.values.astype(np.float64) @ columns.T
    colours = table[_steps(values, heat.signed)]
    seen = (seen_y[:, None] & seen_x)[..., None]
    colours = np.where(seen, colours, _hatching(height, width))
    return np.round((1 - opacity) * image + opacity * colours).astype(np.uint8)


def _hatching(height: int, width: int) -> RGB:
    """Return (height, width, 3) uint8: light diagonal strokes on dark, as the page draws them."""
    period = max(4, round(max(height, width) / 24))
    across = np.add.outer(np.arange(height), np.arange(width)) % period
    grey = np.where(across < period / 4, 128, 48).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def captioned(
    images: Sequence[RGB], heat: Heatmap, table: RGB, caption: Caption, opacity: float = 0.55
) -> RGB:
    """Return the overlays, side by side if there are several, with a caption strip below them.

    Args:
        images: `Run.images`; small ones are enlarged first.
    """
    width = _LEAST_WIDTH if len(images) == 1 else _LEAST_WIDTH // 2
    laid = [_enlarged(image, heat, table, opacity, i, width) for i, image in enumerate(images)]
    picture = laid[0] if len(laid) == 1 else _side_by_side(laid, caption.labels)
    whole = all(
        np.allclose(part.extent, (0, 0, image.shape[1], image.shape[0]), atol=0.5)
        for part, image in zip(heat.parts, images, strict=True)
    )
    unseen = "" if whole else "Hatched: not seen by the model."
    return np.concatenate([picture, _strip(picture.shape[1], heat, table, caption, unseen)])


def _enlarged(image: RGB, heat: Heatmap, table: RGB, opacity: float, index: int, width: int) -> RGB:
    """Return the overlay of an image repeated by a whole factor until it is `width` wide."""
    factor = -(-width // image.shape[1])
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    part = heat.parts[index]
    x0, y0, x1, y1 = (factor * edge for edge in part.extent)
    scaled = replace(heat, parts=(MapPart(part.values, (x0, y0, x1, y1)),))
    return overlay(large, scaled, table, opacity)


def _side_by_side(pictures: Sequence[RGB], labels: Sequence[str]) -> RGB:
    """Return pictures in rows of `_PER_ROW`, in cells of one size, on white, with labels below."""
    labels = [_shown(text) for text in labels] or [""] * len(pictures)
    cells = [Image.fromarray(picture) for picture in pictures]
    size = (min(_WIDEST, max(c.width for c in cells)), min(_WIDEST, max(c.height for c in cells)))
    cells = [ImageOps.pad(cell, size, color="white") for cell in cells]
    columns = min(len(cells), _PER_ROW)
    rows = -(-len(cells) // columns)
    font = ImageFont.truetype(str(_FONT), 12)
    step_x, step_y = size[0] + _MARGIN, size[1] + _MARGIN + (16 if any(labels) else 0)
    canvas = Image.new("RGB", (columns * step_x - _MARGIN, rows * step_y - _MARGIN), "white")
    draw = ImageDraw.Draw(canvas)
    for i, cell in enumerate(cells):
        x, y = i % columns * step_x, i // columns * step_y
        canvas.paste(cell, (x, y))
        draw.text((x, y + size[1] + 1), _cut(labels[i], font, size[0]), "black", font)
    return np.array(canvas)


def png(pixels: RGB) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _interpolate(
    pixels: int, start: float, stop: float, cells: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return (pixels, cells) bilinear weights of the pixels' centres, and which ones lie inside."""
    centres = np.arange(pixels) + 0.5
    at = np.clip((centres - start) / (stop - start) * cells - 0.5, 0, cells - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells)))
    return weights, (centres >= start) & (centres <= stop)


def _steps(values: npt.NDArray[np.float64], signed: bool) -> npt.NDArray[np.intp]:
    share = (values + 1) / 2 if signed else values
    return np.clip(np.round(share * 255), 0, 255).astype(np.intp)


# Captions ----------------------------------------------------------------------------------------


def _strip(width: int, heat: Heatmap, table: RGB, caption: Caption, unseen: str) -> RGB:
    """Return (h, width, 3) uint8: token, probability, method, parameters and a colour bar."""
    large, small = (ImageFont.truetype(str(_FONT), size) for size in (22, 14))
    chance = "" if caption.probability is None else f"   {caption.probability:.1%}"
    lines = [(f"“{_shown(caption.token)}”{chance}", large)]
    about = " · ".join(filter(None, (caption.method, caption.parameters)))
    for text in filter(None, (about, heat.normalisation, unseen)):
        lines += [(line, small) for line in _wrap(_shown(text), small, width - 2 * _MARGIN)]
    heights = [round(font.size * 1.45) for _, font in lines]
    canvas = Image.new("RGB", (width, sum(heights) + 3 * _MARGIN + 34), "white")
    draw = ImageDraw.Draw(canvas)
    y = _MARGIN
    for (text, font), step in zip(lines, heights, strict=True):
        draw.text((_MARGIN, y), text, "black", font)
        y += step
    _colour_bar(canvas, draw, y + 4, ("−1", "0", "+1") if heat.signed else ("0", "", "1"), table)
    return np.array(canvas)


def _colour_bar(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, y: int, ticks: tuple[str, str, str], table: RGB
) -> None:
    font = ImageFont.truetype(str(_FONT), 13)
    width = canvas.width - 2 * _MARGIN
    bar = Image.fromarray(table[None]).resize((width, 14), Image.Resampling.BILINEAR)
    canvas.paste(bar, (_MARGIN, y))
    for tick, x, anchor in zip(ticks, (0, width // 2, width), ("la", "ma", "ra"), strict=True):
        draw.text((_MARGIN + x, y + 18), tick, "black", font, anchor=anchor)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Return `text` in lines that fit; a single word that does not is cut."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_cut(line, font, width) for line in lines if line]


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _shown(text: str) -> str:
    """Return `text` with what the font cannot draw spelled out, as ↵ or [U+1F600]."""
    known = FT2Font(str(_FONT))
    named = {"\n": "↵", "\t": "⇥"}
    return "".join(
        named.get(c) or (c if known.get_char_index(ord(c)) else f"[U+{ord(c):04X}]") for c in text
    )
