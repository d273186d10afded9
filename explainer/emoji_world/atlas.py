"""The sprites: one atlas picture in assets/, and the command that draws it from an emoji font.

python -m explainer.emoji_world.atlas /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from explainer.emoji_world.objects import THINGS

ATLAS = Path(__file__).resolve().parents[2] / "assets" / "emoji" / "atlas.png"
CELL = 128
COLUMNS = 7
FONT_SIZE = 109  # the one bitmap size of the font


def draw_atlas(font_file: Path) -> Image.Image:
    """Return the atlas, RGBA: one `CELL` x `CELL` sprite for each thing, row by row."""
    font = ImageFont.truetype(str(font_file), FONT_SIZE)
    rows = -(-len(THINGS) // COLUMNS)
    atlas = Image.new("RGBA", (COLUMNS * CELL, rows * CELL), (0, 0, 0, 0))
    for i, thing in enumerate(THINGS):
        atlas.paste(_sprite(thing.emoji, font), (i % COLUMNS * CELL, i // COLUMNS * CELL))
    return atlas


def _sprite(emoji: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Return one emoji cropped to its ink, its longer side scaled to the cell."""
    canvas = Image.new("RGBA", (2 * CELL, 2 * CELL), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((CELL // 2, CELL // 2), emoji, font=font, embedded_color=True)
    ink = canvas.crop(canvas.getbbox())
    scale = CELL / max(ink.size)
    ink = ink.resize(
        (max(1, round(ink.width * scale)), max(1, round(ink.height * scale))),
        Image.Resampling.LANCZOS,
    )
    cell = Image.new("RGBA", (CELL, CELL), (0, 0, 0, 0))
    cell.paste(ink, ((CELL - ink.width) // 2, (CELL - ink.height) // 2))
    return cell


@cache
def sprites() -> tuple[Image.Image, ...]:
    """Return the sprite of every thing, in the order of `THINGS`, RGBA, cropped to its ink."""
    with Image.open(ATLAS) as picture:
        atlas = picture.convert("RGBA")
    cells = []
    for i in range(len(THINGS)):
        x, y = i % COLUMNS * CELL, i // COLUMNS * CELL
        cell = atlas.crop((x, y, x + CELL, y + CELL))
        cells.append(cell.crop(cell.getbbox()))
    return tuple(cells)


if __name__ == "__main__":
    ATLAS.parent.mkdir(parents=True, exist_ok=True)
    draw_atlas(Path(sys.argv[1])).save(ATLAS, optimize=True)
    print(f"{ATLAS.name}: {len(THINGS)} sprites, {ATLAS.stat().st_size / 1024:.0f} KiB")
