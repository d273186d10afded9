"""Taking in videos: whatever a person hands over becomes a few frames, or a clear refusal.

Frames are read with PyAV, which ships its decoders. A whole video is far too much for a model, so a
fixed number of frames at equal distances stands for it; the notes say how many, of how many.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import VideoError
from explainer.media.images import MAX_ASPECT
from explainer.run import Video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

MAX_FRAMES = 16  # of a video that are shown to a model
MAX_SIDE = 448  # longest side of a frame, in pixels
MAX_BYTES = 200_000_000
MAX_SECONDS = 600
MAX_PIXELS = 16_800_000  # of a frame, refused before decoding: 4096 x 4096

VideoSource = str | Path | bytes | Video

# What a file starts with, at which byte, and how it is then read. Named one by one, so that formats
# which refer to other files or addresses (playlists) are never tried.
_KINDS = (
    (4, b"ftyp", "mp4"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (8, b"AVI ", "avi"),
    (0, b"GIF8", "gif"),
    (0, b"OggS", "ogg"),
)
_READABLE = "MP4, MOV, WebM, MKV, AVI, Ogg or animated GIF"


class Opened(NamedTuple):
    """A video that was taken in, and what was left out, in sentences for people."""

    video: Video
    notes: tuple[str, ...]


class _Plan(NamedTuple):
    """When the frames of a stream are shown, in units of its clock, ascending."""

    times: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]  # those that can be decoded without the ones before


def open_video(source: VideoSource, most: int = MAX_FRAMES, multiple: int = 1) -> Opened:
    """Return at most `most` frames of a video at equal distances, with notes on what was left out.

    Args:
        source: a path, the bytes of a file, or a `Video`, which is taken as it is.
        most: the largest number of frames.
        multiple: the number of frames is a multiple of this, as models that read frames in groups
            need it; where a video has too few, its last frame is repeated.

    Raises:
        VideoError: it is no video, holds no picture, is damaged, too long or too large; says what
            to do.
    """
    if isinstance(source, Video):
        return Opened(_filled(source, multiple), ())
    name, data = _bytes_of(source)
    with _opened(name, data) as container:
        stream = _stream(name, container)
        plan = _plan(name, container, stream)
        picks = _spread(len(plan.times), most, multiple)
        frames = list(_decode(name, container, stream, plan, picks))
    seconds = (plan.times - plan.times[0])[picks] * float(stream.time_base)
    interval = _interval(plan, stream) * len(plan.times) / len(picks)
    video = Video(np.stack(frames), seconds, interval, tuple(int(i) for i in picks))
    return Opened(_filled(video, multiple), _notes(video, len(plan.times)))


def is_video(source: object) -> bool:
    """Return whether a file looks like a video; False for pictures and for what is neither."""
    path = Path(source) if isinstance(source, (str, Path)) else None
    if path is None or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(64)
    kind = _kind(start)
    if kind == "gif":
        try:
            with Image.open(path) as image:
                return bool(getattr(image, "is_animated", False))
        except Exception:  # damaged; opening it as a picture says so
            return False
    pictures = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # brands of the same box
    return kind is not None and not (kind == "mp4" and start[8:12] in pictures)


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, "0:01.5"."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def step_label(video: Video, step: int, size: int) -> str:
    """Return the words for one step of `size` frames: their numbers and times."""
    first, last = step * size, step * size + size - 1
    numbers, times = [i + 1 for i in video.numbers], video.times
    if numbers[first] == numbers[last]:
        return f"frame {numbers[first]}, {clock(times[first])}"
    joint = "–" if size == 2 and numbers[last] == numbers[first] + 1 else " and "
    span = f"{clock(times[first])} to {clock(times[last])}"
    return f"frames {numbers[first]}{joint}{numbers[last]}, {span}"


def _bytes_of(source: str | Path | bytes | bytearray) -> tuple[str, bytes]:
    if isinstance(source, (bytes, bytearray)):
        name, size = "the video", len(source)
    elif isinstance(source, (str, Path)):
        if str(source).startswith(("http://", "https://")):
            raise VideoError("addresses are not fetched; download the video and pass the file")
        path = Path(source)
        if not path.is_file():
            raise VideoError(f"no such video: {path}")
        name, size = path.name, path.stat().st_size
    else:
        raise VideoError(f"a video is a file or its bytes, got {type(source).__name__}")
    if size > MAX_BYTES:
        raise VideoError(
            f"{name} is too large ({size / 1e6:.0f} MB); cut it or save it smaller, below "
            f"{MAX_BYTES // 1_000_000} MB"
        )
    return name, bytes(source) if isinstance(source, (bytes, bytearray)) else path.read_bytes()


def _opened(name: str, data: bytes) -> InputContainer:
    """Return the opened container; nothing has been decoded."""
    try:
        import av
    except ImportError:
        raise VideoError('reading videos needs PyAV; install it with "pip install av"') from None
    kind = _kind(data[:64])
    if kind is None:
        raise VideoError(f"{name} is not a video that can be read; use {_READABLE}")
    stream: BinaryIO = io.BytesIO(data)
    try:
        return av.open(stream, "r", format=kind, options={"protocol_whitelist": ""})
    except Exception as error:
        raise _damaged(name) from error


def _kind(start: bytes) -> str | None:
    """Return how a file that starts so is read, None if it is no video."""
    return next((kind for at, mark, kind in _KINDS if start[at : at + len(mark)] == mark), None)


def _damaged(name: str) -> VideoError:
    return VideoError(f"{name} is damaged or cut off; save or download it again")


def _stream(name: str, container: InputContainer) -> Any:
    if not container.streams.video:
        raise VideoError(f"{name} holds no moving picture; choose a video with a picture")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{name} is coded in a way that cannot be read; save it as MP4 (H.264)")
    width, height = stream.codec_context.width, stream.codec_context.height
    if min(width, height) < 1:
        raise _damaged(name)
    if width * height > MAX_PIXELS or max(width, height) > MAX_ASPECT * min(width, height):
        raise VideoError(
            f"{name} has frames of {width}x{height}; save it with at most "
            f"{MAX_PIXELS // 1_000_000} million pixels and a long side of at most {MAX_ASPECT} "
            "times the short one"
        )
    return stream


def _plan(name: str, container: InputContainer, stream: Any) -> _Plan:
    """Return when frames are shown, from the packets alone: nothing is decoded for it."""
    times, keys = [], []
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and packet.size:
                times.append(packet.pts)
                keys += [packet.pts] if packet.is_keyframe else []
    except Exception as error:
        if not times:
            raise _damaged(name) from error  # else what came before the damage is used
    if not times:
        raise _damaged(name)
    plan = _Plan(np.unique(np.array(times, np.int64)), np.unique(np.array(keys, np.int64)))
    seconds = float((plan.times[-1] - plan.times[0]) * stream.time_base)
    if seconds > MAX_SECONDS:
        raise VideoError(
            f"{name} is too long ({clock(seconds)}); cut it to at most {MAX_SECONDS // 60} minutes"
        )
    return plan


def _interval(plan: _Plan, stream: Any) -> float:
    """Return the seconds from one frame of the file to the next, on average."""
    if len(plan.times) < 2:
        return 1.0
    return float((plan.times[-1] - plan.times[0]) * stream.time_base) / (len(plan.times) - 1)


def _spread(total: int, most: int, multiple: int) -> npt.NDArray[np.int64]:
    """Return which of `total` frames are used: at equal distances, the first among them."""
    count = min(total, max(multiple, most - most % multiple))
    if count > multiple:
        count -= count % multiple
    return np.arange(count, dtype=np.int64) * total // count


def _decode(
    name: str, container: InputContainer, stream: Any, plan: _Plan, picks: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the picked frames, going straight to the last point before each that allows it."""
    stream.thread_type = "AUTO"
    decoder: Iterator[VideoFrame] | None = None
    shown: VideoFrame | None = None
    reached: int | None = None  # the time of the shown frame
    size: tuple[int, int] | None = None
    try:
        for pick in picks:
            wanted = int(plan.times[pick])
            before = plan.keys[plan.keys <= wanted]
            start = int(before[-1]) if len(before) else int(plan.times[0])
            if decoder is None or (reached is not None and start > reached):
                container.seek(start, stream=stream)
                decoder = container.decode(stream)
            while reached is None or reached < wanted:
                following = next(decoder, None)
                if following is None:
                    break
                if following.pts is not None:
                    shown, reached = following, following.pts
            if shown is None:
                raise _damaged(name)
            pixels = _pixels(shown, size)
            size = (pixels.shape[1], pixels.shape[0])
            yield pixels
    except VideoError:
        raise
    except Exception as error:
        raise _damaged(name) from error


def _pixels(frame: VideoFrame, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Return a frame as (H, W, 3) uint8, upright, at most `MAX_SIDE`, or of (width, height)."""
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    turned = round(getattr(frame, "rotation", 0) or 0) % 360
    if turned:
        image = image.rotate(turned, expand=True)
    if size is None:
        factor = min(1.0, MAX_SIDE / max(image.size))
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))


def _filled(video: Video, multiple: int) -> Video:
    """Return the video with its last frame repeated until the count is a multiple."""
    short = -len(video.frames) % multiple
    if not short:
        return video
    again = [*range(len(video.frames)), *[len(video.frames) - 1] * short]
    numbers = tuple(video.numbers[i] for i in again)
    return Video(video.frames[again], video.times[again], video.interval, numbers)


def _notes(video: Video, total: int) -> tuple[str, ...]:
    """Return the sentence that says which frames are used, if they are not all."""
    used = len(video.frames)
    if used == total:
        return ()
    times = ", ".join(clock(t) for t in video.times)
    return (f"{used} of its {total} frames are used, at {times}.",)
