"""Decode a picture at about the needed size, in strips that need little memory.

A large picture is first averaged over whole blocks of pixels, to about twice the needed size, and
then resampled (Pillow calls this a reducing gap).
"""

from __future__ import annotations

from PIL import Image

from explainer.media.images import colour, depth

_GAP = 2  # blocks leave a picture at least so many times as large as needed
_STRIP = 1 << 18  # pixels that are converted together


def decode(image: Image.Image, side: int, notes: list[str], *, close: bool) -> Image.Image:
    """Decode an opened picture and scale it to at most `side` pixels, in mode L, RGB or CMYK.

    With `close`, its pixels are released as soon as they are not needed any more.
    """
    image.load()
    factor = max(1, max(image.size) // (_GAP * side))
    if depth.is_deep(image):
        small = depth.shrink_grey(image, factor, notes)
    else:
        small = _shrink_plain(image, factor, notes)
    if close:
        image.close()
    exact = (image.width / factor, image.height / factor)  # the last block may be a partial one
    return resize(small, exact, side)


def resize(image: Image.Image, exact: tuple[float, float], side: int) -> Image.Image:
    """Scale an image, whose content is `exact` pixels large, to at most `side` pixels."""
    width, height = exact
    factor = min(1.0, side / max(exact))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == image.size and factor == 1:
        return image
    box = (0, 0, min(width, image.width), min(height, image.height))
    return image.resize(size, Image.Resampling.LANCZOS, box=box)


def _shrink_plain(image: Image.Image, factor: int, notes: list[str]) -> Image.Image:
    """Convert to mode L, RGB or CMYK and average blocks of `factor` x `factor` pixels."""
    mode = colour.plain_mode(image)
    small = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = max(1, _STRIP // image.width // factor) * factor
    transparent = False
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        if image.has_transparency_data:
            strip, seen = colour.on_white(strip)
            transparent |= seen
        strip = strip if strip.mode == mode else strip.convert(mode)
        small.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    if transparent:
        notes.append("Its transparent parts are shown on white.")
    return small
