"""Open video files with PyAV: formats, track, and header."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from explainer.errors import VideoError
from explainer.media.images import MAX_ASPECT

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_PIXELS = 16_800_000  # of a frame, refused before decoding: 4096 x 4096
MAX_WORK = 60.0  # seconds that reading one video may take
_MAX_DAMAGES = 1000
_THREADS = 2  # of a decoder; each holds frames of its own
_LARGE = 4_000_000  # pixels of a frame, above which a decoder has one thread

# Named one by one, so that formats which refer to other files or addresses (playlists) are never
# tried. Which of them a file is, is for FFmpeg to find out.
_FORMATS = "mov,matroska,webm,avi,gif,ogg,mpegts,mpeg,flv,asf"
_READABLE = "MP4, MOV, WebM, MKV, AVI, Ogg, MPEG or animated GIF"

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STARTS = (
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF, as WMV
    b"\0\0\x01\xba",  # MPEG program stream
)
_PICTURES = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # brands in a box of MP4
_MAX_SHAPE = 8  # largest ratio of the sides of a pixel that is believed


@dataclass
class Reader:
    """An opened video and the track that is read.

    Attributes:
        until: deadline of reading, on the monotonic clock.
        damages: number of decoding errors so far.
    """

    name: str
    container: InputContainer
    stream: VideoStream
    until: float = field(default_factory=lambda: time.monotonic() + MAX_WORK)
    damages: int = 0

    @property
    def pixel_shape(self) -> Fraction:
        """Return how many times as wide as high a pixel is."""
        shape = self.stream.sample_aspect_ratio or self.stream.codec_context.sample_aspect_ratio
        if not shape or not Fraction(1, _MAX_SHAPE) <= shape <= _MAX_SHAPE:
            return Fraction(1)
        return Fraction(shape)

    def limit(self) -> None:
        """Bound what the decoder takes; called before the first frame."""
        context = self.stream.codec_context
        large = context.width * context.height > _LARGE
        context.thread_count = 1 if large else _THREADS
        self.stream.thread_type = "AUTO"

    def decode(self) -> Iterator[VideoFrame]:
        """Yield the frames from here on, beyond damaged parts, as players do."""
        from av.error import FFmpegError

        while self.damages <= _MAX_DAMAGES:
            try:
                for frame in self.container.decode(self.stream):
                    self.check_time()
                    yield frame
                return
            except FFmpegError:
                self.damages += 1
                self.check_time()

    def check_time(self) -> None:
        """Raise `VideoError` once reading has taken too long."""
        if time.monotonic() > self.until:
            raise VideoError(f"{self.name} takes too long to read; save it smaller or cut it")

    def notes(self) -> Iterator[str]:
        """Yield sentences on what the header says and a viewer should know."""
        tracks = _moving(self.container)
        if len(tracks) > 1:
            number = 1 + [track.index for track in tracks].index(self.stream.index)
            yield f"It has {len(tracks)} video tracks; track {number} is used."


@contextmanager
def opened(name: str, stream: BinaryIO) -> Iterator[Reader]:
    """Open a stream of bytes as a video; nothing has been decoded."""
    try:
        import av
    except ImportError:
        raise VideoError('reading videos needs PyAV; install it with "pip install av"') from None
    start = stream.read(1024)
    stream.seek(0)
    options = {"protocol_whitelist": "", "format_whitelist": _FORMATS}
    try:
        container = av.open(stream, "r", options=options)
    except Exception as error:
        if starts_like_a_video(start) or start.startswith(b"GIF8"):
            raise damaged(name) from error
        raise VideoError(f"{name} is not a video that can be read; use {_READABLE}") from None
    with container:
        yield Reader(name, container, _track(name, container))


def starts_like_a_video(start: bytes) -> bool:
    """Return whether a file that starts so is a video; animated GIFs are left out."""
    if start[4:8] in _BOXES:
        return not (start[4:8] == b"ftyp" and start[8:12] in _PICTURES)
    if start[:4] == b"RIFF":
        return start[8:12] == b"AVI "
    # Packets of a transport stream begin with G, every 188 bytes, or 192 where each has a clock.
    transport = start[:1] == b"G" == start[188:189] or start[4:5] == b"G" == start[196:197]
    return transport or start.startswith(_STARTS)


def damaged(name: str) -> VideoError:
    """Return the refusal of a video that cannot be decoded."""
    return VideoError(f"{name} is damaged or cut off; save or download it again")


def check_size(name: str, width: int, height: int) -> None:
    """Raise `VideoError` for frames that are empty, too large or too thin."""
    if min(width, height) < 1:
        raise damaged(name)
    if width * height > MAX_PIXELS or max(width, height) > MAX_ASPECT * min(width, height):
        raise VideoError(
            f"{name} has frames of {width}x{height}; save it with at most "
            f"{MAX_PIXELS // 1_000_000} million pixels and a long side of at most {MAX_ASPECT} "
            "times the short one"
        )


def _moving(container: InputContainer) -> list[VideoStream]:
    """Return the video tracks of a file; the cover of a piece of music is none."""
    from av.stream import Disposition

    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def _track(name: str, container: InputContainer) -> VideoStream:
    """Return the track that a player would show."""
    tracks = _moving(container)
    if not tracks:
        raise VideoError(f"{name} holds no moving picture; choose a video with a picture")
    best = container.streams.best("video")
    stream = next(
        (track for track in tracks if best is not None and track.index == best.index), tracks[0]
    )
    if stream.codec_context is None:
        raise VideoError(f"{name} is coded in a way that cannot be read; save it as MP4 (H.264)")
    check_size(name, stream.codec_context.width, stream.codec_context.height)
    return stream
