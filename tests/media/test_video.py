"""Taking in videos: the right frames at the right times, and words for all that cannot be read."""

from __future__ import annotations

import gc
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from explainer.errors import ImageError, VideoError
from explainer.media import video as module
from explainer.media.video import clock, container, frames, is_video, open_video, step_label
from explainer.run import Video


def clip(
    frames: int = 40,
    size: tuple[int, int] = (64, 96),
    codec: str = "mpeg4",
    kind: str = "mp4",
    rate: int = 20,
    group: int = 12,
) -> bytes:
    """Return a video whose frame i is grey with level 5 * i, and white in the upper left corner."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.gop_size = group
        stream.codec_context.qmax = 3 if codec == "mpeg4" else stream.codec_context.qmax
        for i in range(frames):
            pixels = np.full((*size, 3), 5 * i % 256, np.uint8)
            pixels[: size[0] // 4, : size[1] // 4] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def numbers(video: Video) -> list[int]:
    """Return which frames of `clip` these are, read off their pixels."""
    return [round(float(np.median(frame)) / 5) for frame in video.frames]


def test_frames_are_freed_while_others_are_read(monkeypatch):
    """A frame of 4096 x 4096 takes 25 to 50 MB, so that 16 of them would be too much."""
    alive: list[int] = []

    def count(self, frame):
        told = painted(self, frame)
        alive.append(sum(type(one) is av.VideoFrame for one in gc.get_objects(0)))  # the new ones
        return told

    painted = frames.Painter.paint
    monkeypatch.setattr(frames.Painter, "paint", count)
    gc.collect()
    gc.disable()
    try:
        open_video(clip())
    finally:
        gc.enable()
    assert len(alive) == 16
    assert max(alive) <= 4


@pytest.mark.parametrize(
    ("codec", "kind"),
    [
        ("mpeg4", "mp4"),
        ("libx264", "mp4"),
        ("libx264", "mov"),
        ("libx264", "matroska"),
        ("libvpx-vp9", "webm"),
        ("mpeg4", "avi"),
    ],
)
def test_frames_at_equal_distances_are_read(codec, kind):
    video, notes = open_video(clip(codec=codec, kind=kind), most=8)
    assert numbers(video) == [0, 5, 10, 15, 20, 25, 30, 35] == list(video.numbers)
    assert video.times == pytest.approx(0.25 * np.arange(8), abs=0.002)
    assert video.interval == pytest.approx(0.25, rel=0.01)
    assert notes == (
        "8 of its 40 frames are used, at 0:00.0, 0:00.2, 0:00.5, 0:00.8, 0:01.0, 0:01.2, 0:01.5, "
        "0:01.8.",
    )


@pytest.mark.parametrize("group", [1, 12, 400])
def test_the_place_of_key_frames_plays_no_part(group):
    video, _ = open_video(clip(50, codec="libx264", group=group), most=7)
    assert numbers(video) == list(video.numbers) == [0, 7, 14, 21, 28, 35, 42]


def test_an_animated_gif_is_a_video():
    frames = [Image.new("L", (40, 30), 20 * i) for i in range(10)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=100)
    video, _ = open_video(file.getvalue(), most=4)
    assert [round(float(f.mean()) / 20) for f in video.frames] == [0, 2, 5, 7]
    assert video.times == pytest.approx([0, 0.2, 0.5, 0.7])


def test_a_path_and_bytes_give_the_same(tmp_path):
    data = clip(6)
    (tmp_path / "a.mp4").write_bytes(data)
    for source in (tmp_path / "a.mp4", str(tmp_path / "a.mp4"), data):
        video, notes = open_video(source)
        assert numbers(video) == list(range(6))
        assert notes == ()


@pytest.mark.parametrize(
    ("total", "most", "multiple", "want"),
    [
        (40, 16, 2, 16),
        (40, 15, 2, 14),
        (7, 16, 2, 6),  # rather one frame less than one of them twice
        (3, 16, 2, 2),
        (1, 16, 2, 2),  # the only frame twice
        (5, 2, 4, 4),
        (3, 16, 1, 3),
    ],
)
def test_the_number_of_frames_is_a_multiple(total, most, multiple, want):
    video, _ = open_video(clip(total), most, multiple)
    assert len(video.frames) == want
    assert np.all(np.diff(video.numbers) >= 0)
    if total == 1:
        assert video.numbers == (0, 0)


def test_large_frames_are_fitted_and_keep_their_shape():
    video, _ = open_video(clip(2, (480, 896)))
    assert video.frames.shape == (2, 240, 448, 3)
    corner = video.frames[1, :58, :110].min()
    assert corner > 200
    assert video.frames[1, 64:, 120:].max() < 30


def test_a_video_turned_in_the_hand_is_upright():
    import struct

    data = bytearray(clip(4))
    at = data.index(b"tkhd")
    matrix = at + 4 + 4 + 20 + 16  # after version, times, ids and layers
    turn = [0, 1 << 16, 0, (-1 << 16) & 0xFFFFFFFF, 0, 0, 0, 0, 1 << 30]  # 90 degrees clockwise
    data[matrix : matrix + 36] = struct.pack(">9I", *turn)
    video, _ = open_video(bytes(data))
    assert video.frames.shape == (4, 96, 64, 3)
    assert video.frames[0, :20, -12:].min() > 200  # what was upper left is upper right


def test_labels_and_times_in_words():
    assert [clock(t) for t in (0, 1.25, 59.96, 75.5, 600)] == [
        "0:00.0", "0:01.2", "1:00.0", "1:15.5", "10:00.0"
    ]  # fmt: skip
    video, _ = open_video(clip(8), multiple=2)
    assert step_label(video, 1, 2) == "frames 3–4, 0:00.1 to 0:00.2"
    assert step_label(video, 2, 1) == "frame 3, 0:00.1"
    spread, _ = open_video(clip(40), most=4)
    assert step_label(spread, 1, 2) == "frames 21 and 31, 0:01.0 to 0:01.5"
    single, _ = open_video(clip(1), multiple=2)
    assert step_label(single, 0, 2) == "frame 1, 0:00.0"


def test_videos_are_told_from_pictures(tmp_path):
    still, moving = Image.new("L", (9, 9)), Image.new("L", (9, 9), 99)
    still.save(tmp_path / "still.gif")
    still.save(tmp_path / "moving.gif", save_all=True, append_images=[moving])
    if features.check("avif"):  # Pillow 11.3 and later; the same kind of file as an MP4
        still.convert("RGB").save(tmp_path / "still.avif")
    still.save(tmp_path / "still.png")
    (tmp_path / "cut.gif").write_bytes(b"GIF89a")
    (tmp_path / "clip.mp4").write_bytes(clip(2))
    (tmp_path / "clip.webm").write_bytes(clip(2, codec="libvpx-vp9", kind="webm"))
    videos = {p.name for p in tmp_path.iterdir() if is_video(p)}
    assert videos == {"moving.gif", "clip.mp4", "clip.webm"}
    assert not any(map(is_video, (3, None, "", str(tmp_path), b"", "nowhere.mp4")))


# Refusals ---------------------------------------------------------------------------------------


def audio_only() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.mp4", "no such video: nowhere.mp4"),
        (b"", "is not a video that can be read; use MP4"),
        (b"hello, world" * 9, "is not a video"),
        (b"#EXTM3U\nhttp://example.org/a.ts\n", "is not a video"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not a video"),
        (audio_only(), "no moving picture"),
        (clip()[:900], "damaged or cut off"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 100, "damaged or cut off"),
        ("https://example.org/a.mp4", "not fetched"),
        (3, "got int"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_what_is_no_video_is_refused_in_words(source, words):
    with pytest.raises(VideoError, match=words):
        open_video(source)


def test_a_video_that_is_cut_off_gives_what_there_is_or_says_so():
    whole = clip(60, kind="matroska", codec="libx264")
    shown = 0
    for share in (0.3, 0.6, 0.9):
        try:
            video, _ = open_video(whole[: int(len(whole) * share)])
        except VideoError:
            continue
        shown += 1
        assert numbers(video) == list(video.numbers)
    assert shown


@pytest.mark.parametrize("seed", range(3))
def test_damage_raises_nothing_else(seed):
    whole, rng = clip(), np.random.default_rng(seed)
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 30)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        try:
            video, _ = open_video(bytes(damaged))
        except VideoError:
            continue
        assert video.frames.ndim == 4


def test_too_long_and_too_large_are_refused(monkeypatch, tmp_path):
    with pytest.raises(
        VideoError, match=r"too long \(17 minutes, 1001 frames\); cut it to at most 10 minutes"
    ):
        open_video(clip(1001, (16, 16), rate=1))
    with pytest.raises(VideoError, match="16x3200"):
        open_video(clip(1, (3200, 16), codec="libx264"))
    monkeypatch.setattr(container, "MAX_PIXELS", 3_000_000)
    with pytest.raises(VideoError, match="at most 3 million pixels"):
        open_video(clip(1, (2000, 2000)))
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    (tmp_path / "big.mp4").write_bytes(b"0" * 1_000_001)
    with pytest.raises(VideoError, match="below 1 MB"):
        open_video(tmp_path / "big.mp4")


def test_a_video_error_is_an_error_of_the_picture():
    assert issubclass(VideoError, ImageError)  # the page shows both beside the drop-zone


def test_without_the_library_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(VideoError, match="pip install av"):
        open_video(b"\0\0\0\x18ftypisom")


def test_nothing_but_the_file_itself_is_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_bytes(clip(2))
    playlist = Path("list.mp4")
    playlist.write_bytes(b"\0\0\0\0ftyp#EXTM3U\na.mp4\n")
    with pytest.raises(VideoError):
        open_video(playlist)
