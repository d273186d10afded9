"""Videos as people have them: frames at their times, upright, with true proportions, and notes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from explainer.errors import VideoError
from explainer.media.video import is_video, open_video
from explainer.media.video.timeline import spread
from tests.inputs import pictures, videos

# What `scene` looks like, clockwise from the upper left, once it is upright.
UPRIGHT = {1: "rgwb", 2: "grbw", 3: "wbrg", 4: "bwgr", 5: "rbwg", 6: "brgw", 7: "wgrb", 8: "gwbr"}
TURNED = "It was turned upright as the file says."


def numbers(frames: np.ndarray) -> list[int]:
    return [videos.number_of(frame) for frame in frames]


# The clock ---------------------------------------------------------------------------------------


def test_avi_without_times_gives_each_frame_once_and_in_order():
    video, _ = open_video(videos.without_times())
    want = [k * 30 // 16 for k in range(16)]
    assert numbers(video.frames) == list(video.numbers) == want
    assert video.times == pytest.approx([i / 10 for i in want])


def test_frames_stand_at_equal_distances_in_time_at_a_variable_rate():
    data, times = videos.variable_rate()
    video, notes = open_video(data)
    length = times[-1] + times[-1] / 29
    moments = [k * length / 16 for k in range(16)]
    want = sorted({max(i for i, t in enumerate(times) if t <= m + 1e-9) for m in moments})
    assert numbers(video.frames) == list(video.numbers) == want
    assert video.times == pytest.approx([times[i] for i in want])
    assert sum(t < 2 for t in video.times) <= 2  # 2 of 92 seconds
    assert notes[0].startswith(f"{len(want)} of its 30 frames are used, at 0:00.0, ")


def _literal_spread(ticks: list[int], most: int) -> list[int]:
    """Equal distances, word for word: of each moment the frame that is shown."""
    count = min(len(ticks), most)
    length = Fraction((ticks[-1] - ticks[0]) * len(ticks), max(1, len(ticks) - 1))
    chosen = []
    for k in range(count):
        moment = ticks[0] + k * length / count
        shown = [i for i, tick in enumerate(ticks) if tick <= moment]
        if shown[-1] not in chosen:
            chosen.append(shown[-1])
    return chosen


def test_spread_is_its_literal_transcription():
    rng = np.random.default_rng(0)
    for _ in range(300):
        gaps = rng.integers(1, [2, 5, 1000][rng.integers(3)], rng.integers(1, 60))
        ticks = np.cumsum(gaps) - rng.integers(0, 90)
        most = int(rng.integers(1, 20))
        assert spread(ticks, most).tolist() == _literal_spread(ticks.tolist(), most)
        even = spread(ticks, most, 2)
        assert len(even) % 2 == 0 or len(ticks) == 1
        assert np.all(np.diff(even) > 0)


def test_an_edit_list_leaves_only_what_is_shown():
    video, notes = open_video(videos.edited(27, 39))
    assert numbers(video.frames) == list(range(27, 40))
    assert list(video.numbers) == list(range(13))
    assert video.times == pytest.approx(np.arange(13) / 10)
    assert notes == ()


@pytest.mark.parametrize("box", [b"free", b"skip"])
def test_a_mov_may_begin_with_a_box_of_nothing(box, tmp_path):
    (tmp_path / "a.mov").write_bytes(videos.behind(box))
    assert is_video(tmp_path / "a.mov")
    video, _ = open_video(tmp_path / "a.mov")
    assert numbers(video.frames) == list(range(10))


@pytest.mark.parametrize("kind", ["mpegts", "flv", "mpeg", "asf"])
def test_other_containers_are_read(kind, tmp_path):
    codec = {"mpeg": "mpeg2video", "asf": "msmpeg4v3"}.get(kind, "libx264")
    rate = 25 if kind == "mpeg" else 10
    data = videos.video(videos.numbered(20), kind, codec, rate=rate, qmax="2")
    (tmp_path / "a").write_bytes(data)
    assert is_video(tmp_path / "a")
    video, _ = open_video(data, most=10)
    assert numbers(video.frames) == list(range(0, 20, 2))
    assert video.times == pytest.approx(np.arange(10) * 2 / rate, abs=0.002)


@pytest.mark.parametrize("kind", ["mp4", "matroska", "mpegts"])
def test_what_lies_behind_a_damaged_part_is_read(kind):
    video, _ = open_video(videos.damaged_inside(kind))
    levels = [(float(np.median(frame)) - 20) / 3 for frame in video.frames]
    wrong = np.abs(np.array(levels) - 10 * video.times)
    assert len(wrong) >= 14
    assert np.sum(wrong > 1.5) <= 2  # within the damaged part
    assert wrong[-6:].max() < 1.5


# Geometry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(16, 11)])
def test_pixels_become_square(aspect):
    video, notes = open_video(videos.wide_pixels(aspect))
    seen = video.frames[1][..., 0] > 127
    height, width = np.ptp(np.flatnonzero(seen.any(1))), np.ptp(np.flatnonzero(seen.any(0)))
    assert width / height == pytest.approx(1, abs=0.05)
    assert notes == ("Its pixels are not square; frames were stretched to their true proportions.",)


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_the_whole_display_matrix_is_applied(orientation):
    video, notes = open_video(videos.oriented(orientation))
    size = (48, 64) if orientation < 5 else (64, 48)
    assert video.frames.shape == (4, *size, 3)
    assert {pictures.corners(frame) for frame in video.frames} == {UPRIGHT[orientation]}
    assert notes == ((TURNED,) if orientation > 1 else ())


# Light, scan, size, tracks -----------------------------------------------------------------------


def test_hlg_is_not_washed_out():
    video, notes = open_video(videos.hlg())
    white, black = video.frames[1][32, 20], video.frames[1][32, 80]
    assert white.min() > 225  # 75 % of the signal, 191, is diffuse white
    assert np.ptp(white.astype(int)) <= 4
    assert black.max() < 12
    assert notes == ("Its HDR brightness (HLG) was converted to the usual range.",)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5])
def test_colours_of_each_matrix_and_range_are_right(full, matrix):
    video, _ = open_video(videos.coloured(full, matrix))
    assert video.frames[0, 30, 40].astype(int) == pytest.approx((200, 40, 90), abs=3)


def test_interlaced_frames_show_one_moment():
    video, notes = open_video(videos.interlaced())
    frame = video.frames[1].astype(int)
    assert frame.shape == (64, 96, 3)
    assert frame[:, 8:40].min() > 200
    assert frame[:, 56:88].max() < 50
    assert notes == ("It is interlaced; every second line of each frame is used.",)


def test_frames_of_another_size_keep_their_proportions():
    video, notes = open_video(videos.changing_size())
    assert video.frames.shape == (10, 64, 96, 3)
    assert video.frames[2].min() > 180
    last = video.frames[9]
    assert last[:, 30:66].min() > 150  # 43 of 96 columns
    assert last[:, :24].max() < 20
    assert last[:, -24:].max() < 20
    assert notes == ("Its frames change their size; all are fitted into that of the first.",)


def test_of_two_tracks_the_one_that_players_show_is_used_and_said():
    video, notes = open_video(videos.two_tracks())
    assert video.frames.shape[1:3] == (32, 48)
    assert notes == ("It has 2 video tracks; track 1 is used.",)


def test_the_cover_of_a_piece_of_music_is_no_video():
    with pytest.raises(VideoError, match="holds no moving picture"):
        open_video(videos.with_cover())


@pytest.mark.parametrize("place", ["folder", "pipe"])
def test_a_folder_is_named_and_a_pipe_is_read(place, tmp_path):
    if place == "folder":
        with pytest.raises(VideoError, match=f"^{tmp_path} is a folder; name a video in it$"):
            open_video(tmp_path)
        return
    import os
    import threading

    os.mkfifo(tmp_path / "pipe")
    data = videos.video(videos.numbered(4))
    threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True).start()
    assert numbers(open_video(tmp_path / "pipe").video.frames) == [0, 1, 2, 3]
