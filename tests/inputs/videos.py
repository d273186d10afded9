"""Videos as people have them: odd clocks, matrices, pixel shapes, scans, ranges and boxes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from tests.inputs.pictures import scene

Pixels = npt.NDArray[np.uint8]
TICKS = 1000  # of the clock, each second


def level(number: int) -> int:
    """Return the grey level by which frame `number` is known, see `number_of`."""
    return 16 + 5 * number % 240


def number_of(frame: Pixels) -> int:
    """Return which frame of `numbered` this is, read off its pixels."""
    return round((float(np.median(frame)) - 16) / 5)


def numbered(count: int, size: tuple[int, int] = (64, 96)) -> list[Pixels]:
    """Return grey frames whose level tells their number."""
    return [np.full((*size, 3), level(i), np.uint8) for i in range(count)]


def video(
    frames: Iterable[Pixels],
    kind: str = "mp4",
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    rate: int = 10,
    prepare: object = None,
    **options: str,
) -> bytes:
    """Return frames as the bytes of a video.

    Args:
        times: seconds at which they are shown; None for equal distances.
        prepare: a function that is given the stream before anything is encoded.
        options: of the codec.
    """
    frames = list(frames)
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = options.pop("pix_fmt", "yuv420p")
        stream.options = {"qp": "4", **options} if codec == "libx264" else options
        if times is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        if prepare is not None:
            prepare(stream)
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def damaged_inside(kind: str, share: float = 0.05) -> bytes:
    """Return 60 noisy frames, a key frame each 6, with a part of the file overwritten."""
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 9, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    frames = [np.uint8(3 * i) + 16 + part for i, part in enumerate(noise)]
    data = bytearray(video(frames, kind, g="6"))
    start, size = len(data) // 3, round(len(data) * share)
    data[start : start + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    return bytes(data)


def coloured(full: bool, matrix: int) -> bytes:
    """Return one frame of colour (200, 40, 90) in BT.709 (1) or BT.601 (5), of limited or full
    range."""
    pixels = np.full((64, 96, 3), (200, 40, 90), np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace={1: "ITU709", 5: "ITU601"}[matrix],
        dst_color_range="JPEG" if full else "MPEG",
    )
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.options = {"qp": "1"}
        stream.codec_context.color_range = 2 if full else 1
        stream.codec_context.colorspace = matrix
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def wide_pixels(aspect: Fraction = Fraction(2)) -> bytes:
    """Return a video of a circle whose pixels are `aspect` times as wide as they are high."""
    height, width = 96, int(96 / aspect)
    y, x = np.mgrid[0:height, 0:width]
    circle = ((x - width / 2) * float(aspect)) ** 2 + (y - height / 2) ** 2 < 36**2
    pixels = np.where(circle[..., None], 255, 0).astype(np.uint8).repeat(3, -1)

    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    return video([pixels] * 4, prepare=prepare)


# The display matrices of the eight orientations of EXIF: a, b, c, d.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def oriented(orientation: int) -> bytes:
    """Return a video of `scene` with the display matrix of an orientation."""
    data = bytearray(video([scene()] * 4))
    at = data.index(b"tkhd") + 4 + 4 + 20 + 16  # behind version, times, ids and layers
    a, b, c, d = (v << 16 for v in MATRICES[orientation])
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(data)


def without_times(count: int = 30) -> bytes:
    """Return an AVI of H.264 with B-frames: it stores no time at which frames are shown."""
    return video(numbered(count), "avi", bf="2", x264opts="b-adapt=0")


def variable_rate() -> tuple[bytes, list[float]]:
    """Return a video of 20 frames in 2 s and 10 frames 10 s apart, and all times."""
    times = [i / 10 for i in range(20)] + [2 + 10 * i for i in range(10)]
    return video(numbered(30), times=times), times


def behind(box: bytes) -> bytes:
    """Return a MOV that begins with a box of this name: b"free", b"skip"."""
    data = bytearray(video(numbered(10), "mov"))
    at = data.index(b"stco") + 8
    count = struct.unpack_from(">I", data, at)[0]
    places = struct.unpack_from(f">{count}I", data, at + 4)
    struct.pack_into(f">{count}I", data, at + 4, *(place + 24 for place in places))
    return struct.pack(">I4s", 24, box) + b"\0" * 16 + bytes(data)


def edited(first: int = 27, last: int = 39, count: int = 40) -> bytes:
    """Return an MP4 of which an edit list shows only frames `first` to `last`."""
    data = bytearray(video(numbered(count), bf="0", g="12"))
    at = data.index(b"elst") + 8
    entries, _, start = struct.unpack(">Iii", data[at : at + 12])
    assert entries == 1
    clock = struct.unpack(">I", data[(m := data.index(b"mdhd") + 16) : m + 4])[0]
    movie = struct.unpack(">I", data[(m := data.index(b"mvhd") + 16) : m + 4])[0]
    shown = round((last - first + 1) / 10 * movie)
    struct.pack_into(">Iii", data, at, 1, shown, start + round(first / 10 * clock))
    return bytes(data)


def hlg(white: float = 0.75) -> bytes:
    """Return a video in HLG whose left half is diffuse white (75 % of the signal)."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48] = round(255 * white)

    def prepare(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = 18, 9, 9

    return video([pixels] * 4, prepare=prepare)


def interlaced() -> bytes:
    """Return a video of two fields: even lines white on the left, odd lines white on the right."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[0::2, :48] = 255
    pixels[1::2, 48:] = 255
    return video([pixels] * 4, x264opts="interlaced=1:tff=1")


def changing_size() -> bytes:
    """Return an MPEG-TS whose first 5 frames are 96x64 and whose last 5 are 64x96, all light."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        target = None
        for part, size in enumerate(((64, 96), (96, 64))):
            raw = video([np.full((*size, 3), 200, np.uint8)] * 5, "h264", bf="0")
            with av.open(io.BytesIO(raw), format="h264") as source:
                track = source.streams.video[0]
                target = target or container.add_stream_from_template(track)
                for i, packet in enumerate(p for p in source.demux(track) if p.size):
                    packet.pts = packet.dts = (5 * part + i) * 9000
                    packet.time_base, packet.stream = Fraction(1, 90000), target
                    container.mux(packet)
    return file.getvalue()


def with_cover() -> bytes:
    """Return an MP4 of sound with a cover picture, and no moving one."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 64, 96, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(cover.encode(av.VideoFrame.from_ndarray(scene(64, 96), format="rgb24")))
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return file.getvalue()


def two_tracks() -> bytes:
    """Return an MP4 with a small dark video track before a larger light one."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        streams = []
        for size, grey in (((32, 48), 40), ((64, 96), 200)):
            stream = container.add_stream("libx264", rate=10)
            stream.height, stream.width = size
            stream.pix_fmt = "yuv420p"
            streams.append((stream, np.full((*size, 3), grey, np.uint8)))
        for stream, pixels in streams * 4:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        for stream, _ in streams:
            container.mux(stream.encode())
    return file.getvalue()
