"""Decode chosen frames of a video as upright pictures with square pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import VideoError
from explainer.media.video import hdr
from explainer.media.video.container import Reader, check_size, damaged
from explainer.media.video.timeline import Timeline

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MAX_SIDE = 448  # longest side of a frame, in pixels
_TRIES = 3  # places to go to, before a video is read from its beginning

Pixels = npt.NDArray[np.uint8]
Matrix = tuple[int, int, int, int]


class Frame(NamedTuple):
    """One frame, (H, W, 3) uint8, and its number in the file, counted from 0."""

    pixels: Pixels
    number: int


def decode(
    name: str, reader: Reader, times: Timeline, picks: Sequence[int], notes: list[str]
) -> Iterator[Frame]:
    """Yield the picked frames, each once, as pictures of one size; adds to `notes`.

    Raises:
        VideoError: nothing can be decoded, or it takes too long.
    """
    painter, last = Painter(reader, notes), -1
    try:
        for number, frame in (
            _counted(reader, picks) if times.counted else _timed(reader, times, picks)
        ):
            if number > last:
                last = number
                yield Frame(painter.paint(frame), number)
    except VideoError:
        raise
    except Exception as error:
        raise damaged(name) from error
    if last < 0:
        raise damaged(name)
    if reader.damages:
        notes.append("Parts of it are damaged; what could be read is used.")


def _counted(reader: Reader, picks: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield frames chosen by their order, with their numbers."""
    wanted = {int(pick) for pick in picks}
    for number, frame in enumerate(reader.decode()):
        if number in wanted:
            yield number, frame
        if number >= max(wanted):
            return


def _timed(
    reader: Reader, times: Timeline, picks: Sequence[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield frames chosen by their times, with their numbers."""
    search = _Search(reader, times)
    for pick in picks:
        shown = search.frame_at(int(times.ticks[pick]))
        if shown is not None:
            number = int(np.searchsorted(times.ticks, shown.at, side="right")) - 1
            yield max(0, number), shown.frame


class _Shown(NamedTuple):
    """A decoded frame and when it is shown."""

    frame: VideoFrame
    at: int


class _Search:
    """Find frames of a track in ascending order of their times."""

    def __init__(self, reader: Reader, times: Timeline) -> None:
        self._reader, self._times = reader, times
        self._frames = reader.decode()
        self._shown: _Shown | None = None

    def frame_at(self, wanted: int) -> _Shown | None:
        """Return the first frame at or behind a time, None if there is none left to show."""
        here = int(self._times.ticks[0]) if self._shown is None else self._shown.at
        first = int(np.searchsorted(self._times.keys, here, side="right"))
        last = int(np.searchsorted(self._times.keys, wanted, side="right"))
        if first < last:
            places = self._times.seeks[first:last][: -_TRIES - 1 : -1]
            self._shown = self._go_before(wanted, places.tolist())
        while self._shown is None or self._shown.at < wanted:
            following = self._next()
            if following is None:
                break
            self._shown = following
        return self._shown

    def _go_before(self, wanted: int, places: Sequence[int]) -> _Shown | None:
        """Continue at the first of some places that is not behind a time, or at the beginning.

        Formats without an index are searched by guessing, which may end behind the frame.
        """
        for place in places:
            self._go(place)
            shown = self._next()
            if shown is not None and shown.at <= wanted:
                return shown
        self._go(min(int(self._times.seeks[0]), int(self._times.ticks[0])))
        return None

    def _go(self, place: int) -> None:
        self._reader.container.seek(place, stream=self._reader.stream)
        self._frames = self._reader.decode()

    def _next(self) -> _Shown | None:
        """Return the next frame that has a time, None at the end."""
        for frame in self._frames:
            if frame.pts is not None:
                return _Shown(frame, frame.pts)
        return None


class Painter:
    """Convert frames to pictures: upright, with square pixels, all of the size of the first."""

    def __init__(self, reader: Reader, notes: list[str]) -> None:
        self._reader, self._notes = reader, notes
        self._size: tuple[int, int] | None = None
        self._matrices: dict[int, Matrix] = {}

    def paint(self, frame: VideoFrame) -> Pixels:
        """Return a frame as (H, W, 3) uint8, its long side at most `MAX_SIDE`."""
        check_size(self._reader.name, frame.width, frame.height)
        pixels = self._rgb(_halved(frame))
        if frame.interlaced_frame and frame.height > 1:
            pixels = pixels[::2]  # one of the two moments that such a frame holds
            self._note("It is interlaced; every second line of each frame is used.")
        image = Image.fromarray(pixels)
        size = self._square(frame)
        if image.size != size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        return self._fitted(self._upright(np.asarray(image), frame))

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    def _rgb(self, frame: VideoFrame) -> Pixels:
        transfer = hdr.TRANSFERS.get(int(frame.color_trc or 0))
        if transfer is not None:
            self._note(f"Its HDR brightness ({transfer.name}) was converted to the usual range.")
            return transfer.to_sdr(frame.to_ndarray(format="rgb48le").astype(np.uint16, copy=False))
        if frame.format.name in ("bgra", "rgba", "argb", "abgr", "pal8", "yuva420p", "yuva444p"):
            image = Image.fromarray(frame.to_ndarray(format="rgba"))
            white = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        return frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)

    def _square(self, frame: VideoFrame) -> tuple[int, int]:
        """Return the (width, height) at which the pixels of a frame are square."""
        shape = float(self._reader.pixel_shape)
        width, height = frame.width * max(shape, 1.0), frame.height / min(shape, 1.0)
        if shape != 1:
            self._note(
                "Its pixels are not square; frames were stretched to their true proportions."
            )
        factor = min(1.0, MAX_SIDE / max(width, height))
        return max(1, round(width * factor)), max(1, round(height * factor))

    def _upright(self, pixels: Pixels, frame: VideoFrame) -> Pixels:
        a, b, c, d = self._matrix(frame)
        if abs(a) + abs(d) < abs(b) + abs(c):
            pixels, a, d = pixels.swapaxes(0, 1), c, b
            turned = True
        else:
            turned = a < 0 or d < 0
        if turned:
            self._note("It was turned upright as the file says.")
        return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]

    def _matrix(self, frame: VideoFrame) -> Matrix:
        """Return the display matrix of a frame.

        PyAV's frames and their side data refer to each other, so that a frame whose side data was
        looked at keeps its pixels for long; it is looked at again only where the rotation changes.
        """
        turn = int(frame.rotation)
        if turn not in self._matrices:
            self._matrices[turn] = _matrix(frame)
        return self._matrices[turn]

    def _fitted(self, pixels: Pixels) -> Pixels:
        """Return a frame in the size of the first, with black bars where its shape differs."""
        size = (pixels.shape[1], pixels.shape[0])
        if self._size is None:
            self._size = size
        if size == self._size:
            return np.ascontiguousarray(pixels)
        self._note("Its frames change their size; all are fitted into that of the first.")
        factor = min(self._size[0] / size[0], self._size[1] / size[1])
        fitted = tuple(max(1, round(side * factor)) for side in size)
        canvas = Image.new("RGB", self._size)
        place = tuple((whole - part) // 2 for whole, part in zip(self._size, fitted, strict=True))
        image = Image.fromarray(np.ascontiguousarray(pixels))
        canvas.paste(image.resize(fitted, Image.Resampling.LANCZOS), place)
        return np.asarray(canvas)


def _halved(frame: VideoFrame) -> VideoFrame:
    """Return a large frame at a half, a third ... of its size, to keep its RGB copies small."""
    factor = max(frame.width, frame.height) // (2 * MAX_SIDE)
    if factor < 2 or frame.interlaced_frame:
        return frame
    width, height = max(1, frame.width // factor), max(1, frame.height // factor)
    return frame.reformat(width=width, height=height, interpolation="AREA")


def _matrix(frame: VideoFrame) -> Matrix:
    """Return the display matrix: x' = a x + c y and y' = b x + d y, the identity if there is none.

    FFmpeg stores it as nine integers of 32 bits in rows: a b u, c d v, x y w.
    """
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data  # by PyAV's own types it holds nothing of the kind
    if Type.DISPLAYMATRIX not in side_data:
        return 1, 0, 0, 1
    data = memoryview(side_data[Type.DISPLAYMATRIX])
    values = np.frombuffer(data, np.int32)[:9].tolist()
    if len(values) < 9 or not any(values[:5]):
        return 1, 0, 0, 1
    return values[0], values[1], values[3], values[4]
