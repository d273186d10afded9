"""Export an answer as an animation: one frame for each word, marked in its sentence."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from PIL import Image

from explainer.export.drawing import Drawing, to_pixels
from explainer.export.exhibit import Exhibit
from explainer.export.figure import Sheet
from explainer.export.small_print import describe_run

FRAME_MS, LAST_MS = 800, 2000
MOST_FRAMES = 400
_LINES = 4  # of the sentence
_WIDEST = 960.0  # pixels; what is wider is too large to send
MAX_PIXELS = 60_000_000  # of all frames: 180 MB of memory, and about 20 MB as a GIF

Progress = Callable[[int, int], None]


def _ignore_progress(done: int, total: int) -> None:
    """Ignore the progress of a film."""


def film_gif(exhibit: Exhibit, on_frame: Progress = _ignore_progress) -> bytes:
    """Return an animated GIF that shows the words in order, for ever, in 256 colours a frame.

    `on_frame` hears after each frame how many are done, and of how many.
    """
    reduced = [f.quantize(256, Image.Quantize.FASTOCTREE) for f in frames(exhibit, on_frame)]
    return _saved(reduced, format="GIF", disposal=1, optimize=False)


def film_webp(exhibit: Exhibit, on_frame: Progress = _ignore_progress) -> bytes:
    """Return an animated WebP that shows the words in order, for ever; see `film_gif`."""
    return _saved(list(frames(exhibit, on_frame)), format="WEBP", quality=82, method=2)


def frames(exhibit: Exhibit, on_frame: Progress = _ignore_progress) -> Iterator[Image.Image]:
    """Yield one picture for each word, all of one size; of `MOST_FRAMES` words at most.

    Frames are at most 960 pixels wide, and smaller where all of them together would have more
    than `MAX_PIXELS`.
    """
    drawings = [_frame(exhibit, i) for i in range(len(exhibit.subjects[:MOST_FRAMES]))]
    height = max(drawing.height for drawing in drawings)
    width = max(drawing.width for drawing in drawings)
    zoom = min(1.0, _WIDEST / width, math.sqrt(MAX_PIXELS / (len(drawings) * width * height)))
    for done, drawing in enumerate(drawings, 1):
        drawing.height = height
        yield Image.fromarray(to_pixels(drawing, zoom))
        on_frame(done, len(drawings))


def _frame(exhibit: Exhibit, index: int) -> Drawing:
    sheet = Sheet(exhibit, lines=_LINES)
    sheet.heading(exhibit.subjects[index])
    sheet.panels(exhibit.heats[index])
    sheet.paragraphs([describe_run(exhibit.run)])
    return sheet.done()


def _saved(pictures: Sequence[Image.Image], **how: Any) -> bytes:
    """Encode an animation; the last picture stays a little longer."""
    first, *others = pictures
    buffer = io.BytesIO()
    times = [FRAME_MS] * len(others) + [LAST_MS]
    first.save(buffer, save_all=True, append_images=others, duration=times, loop=0, **how)
    return buffer.getvalue()
