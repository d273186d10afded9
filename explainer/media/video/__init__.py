"""Read a few frames of an untrusted video, or refuse it with a clear message.

Frames are read with PyAV, which includes its decoders. A model cannot read a whole video, so a few
frames at equal distances in time are chosen; the notes say how many of how many, and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from explainer.errors import VideoError
from explainer.media.sources import Kind, open_source
from explainer.media.video import container, frames, timeline
from explainer.media.video.container import opened
from explainer.run import Video

MAX_FRAMES = 16  # of a video that are shown to a model
MAX_BYTES = 200_000_000

VideoSource = str | Path | bytes | Video


class OpenedVideo(NamedTuple):
    """A video, and sentences on what was changed or left out when it was read."""

    video: Video
    notes: tuple[str, ...]


def open_video(source: VideoSource, most: int = MAX_FRAMES, multiple: int = 1) -> OpenedVideo:
    """Read at most `most` frames of a video at equal distances in time, each frame once.

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
        return OpenedVideo(_filled(source, multiple), ())
    name, stream = open_source(source, Kind("video", VideoError, MAX_BYTES))
    with stream:
        with opened(name, stream) as reader:
            times = timeline.read_timeline(name, reader)
        picks = timeline.spread(times.ticks, most, multiple)
        stream.seek(0)
        with opened(name, stream) as reader:
            reader.limit()
            notes = list(reader.notes())
            read = list(frames.decode(name, reader, times, picks.tolist(), notes))
    video = _video(read, times)
    notes += _use_notes(video, len(times.ticks))
    return OpenedVideo(_filled(video, multiple), tuple(notes))


def is_video(source: object) -> bool:
    """Return whether a file looks like a video; False for pictures and other files."""
    path = Path(source) if isinstance(source, (str, Path)) else None
    if path is None or "\0" in str(path) or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(b"GIF8"):
        try:
            with Image.open(path, formats=["GIF"]) as image:
                return bool(getattr(image, "is_animated", False))
        except Exception:  # damaged; opening it as a picture says so
            return False
    return container.starts_like_a_video(start)


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, "0:01.5"."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 // 10:02d}.{tenths % 10}"


def step_label(video: Video, step: int, size: int) -> str:
    """Return the label of a temporal step of `size` frames: their numbers and times."""
    first, last = step * size, step * size + size - 1
    numbers, times = [i + 1 for i in video.numbers], video.times
    if numbers[first] == numbers[last]:
        return f"frame {numbers[first]}, {clock(times[first])}"
    joint = "–" if size == 2 and numbers[last] == numbers[first] + 1 else " and "
    span = f"{clock(times[first])} to {clock(times[last])}"
    return f"frames {numbers[first]}{joint}{numbers[last]}, {span}"


def _video(read: Sequence[frames.Frame], times: timeline.Timeline) -> Video:
    """Return the frames that were read as a `Video`."""
    numbers = tuple(frame.number for frame in read)
    ticks = times.ticks[list(numbers)] - times.ticks[0]
    interval = times.interval * len(times.ticks) / len(read)
    seconds = ticks * float(times.tick)
    return Video(np.stack([frame.pixels for frame in read]), seconds, interval, numbers)


def _filled(video: Video, multiple: int) -> Video:
    """Return the video with its last frame repeated until the count is a multiple."""
    short = -len(video.frames) % multiple
    if not short:
        return video
    again = [*range(len(video.frames)), *[len(video.frames) - 1] * short]
    numbers = tuple(video.numbers[i] for i in again)
    return Video(video.frames[again], video.times[again], video.interval, numbers)


def _use_notes(video: Video, total: int) -> tuple[str, ...]:
    """Return a sentence on which frames are used, if not all."""
    used = len(video.frames)
    if used == total:
        return ()
    times = ", ".join(clock(t) for t in video.times)
    return (f"{used} of its {total} frames are used, at {times}.",)
