"""Read from the packets of a video when each frame is shown, without decoding.

Only frames that a player shows count: packets outside of an edit list serve the decoder only. AVI
stores no presentation times, only the decoding order; there the k-th decoded frame is shown at the
k-th time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from explainer.errors import VideoError
from explainer.media.video.container import Reader, damaged

MAX_SECONDS = 600
MAX_FRAMES = 200_000  # of a file

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the frames of a track are shown.

    Attributes:
        ticks: (N,) int64, ascending, each once.
        tick: seconds of one of them.
        keys: (K,) int64, ascending, times of frames at which decoding can start.
        seeks: (K,) int64, the times at which these are decoded, by which a file is searched.
        counted: frames are told by their order, because the file has no times for them.
    """

    ticks: Ticks
    tick: Fraction
    keys: Ticks
    seeks: Ticks
    counted: bool

    @property
    def interval(self) -> float:
        """Return the mean seconds from one frame to the next; 1 for a single frame."""
        if len(self.ticks) < 2:
            return 1.0
        return float((self.ticks[-1] - self.ticks[0]) * self.tick) / (len(self.ticks) - 1)


def read_timeline(name: str, reader: Reader) -> Timeline:
    """Read when the frames of an opened video are shown; nothing is decoded.

    Raises:
        VideoError: it has no frames, or is too long.
    """
    shown: list[tuple[int | None, int | None]] = []
    keys: list[tuple[int, int]] = []
    try:
        for packet in reader.container.demux(reader.stream):
            if not packet.size or len(shown) > MAX_FRAMES:
                continue
            if not packet.is_discard:
                shown.append((packet.pts, packet.dts))
            if packet.is_keyframe and packet.pts is not None:
                keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            reader.check_time()
    except VideoError:
        raise
    except Exception as error:
        if not shown:
            raise damaged(name) from error  # else what came before the damage is used
    return _checked(name, _timeline(name, reader, shown, keys))


def _timeline(
    name: str,
    reader: Reader,
    shown: list[tuple[int | None, int | None]],
    keys: list[tuple[int, int]],
) -> Timeline:
    if not shown:
        raise damaged(name)
    stored, decoded = zip(*shown, strict=True)
    in_avi = reader.container.format.name == "avi" and reader.stream.codec_context.has_b_frames
    counted = bool(in_avi) or None in stored
    times: Sequence[int | None] = decoded if counted else stored
    tick = reader.stream.time_base or Fraction(1, 25)
    if None in times:  # raw pictures one after another
        times, tick = range(len(shown)), 1 / Fraction(reader.stream.average_rate or 25)
    starts = np.array(sorted(keys), np.int64).reshape(-1, 2)
    ticks = np.unique(np.array(times, np.int64))
    return Timeline(ticks, tick, starts[:, 0], starts[:, 1], counted)


def _checked(name: str, times: Timeline) -> Timeline:
    seconds = float((int(times.ticks[-1]) - int(times.ticks[0])) * times.tick)
    if seconds > MAX_SECONDS or len(times.ticks) > MAX_FRAMES:
        raise VideoError(
            f"{name} is too long ({seconds / 60:.0f} minutes, {len(times.ticks)} frames); cut it "
            f"to at most {MAX_SECONDS // 60} minutes"
        )
    return times


def spread(ticks: Ticks, most: int, multiple: int = 1) -> Ticks:
    """Choose at most `most` frames at equal distances in time, each once, the first among them.

    Each is the frame that is shown at its moment. Where one is shown for so long that several
    moments fall on it, there are fewer frames.

    Args:
        ticks: (N,) when the frames are shown, ascending.
        most: the largest number.
        multiple: the number is a multiple of this, if there are so many frames.

    Returns:
        Their numbers, ascending.
    """
    total = len(ticks)
    count = min(total, max(multiple, most - most % multiple))
    if count > multiple:
        count -= count % multiple
    if total < 2:
        return np.zeros(1, np.int64)
    since = [int(tick) - int(ticks[0]) for tick in ticks]
    # Moment k is k / count of the whole, which ends one mean interval after the last frame.
    moments = [k * since[-1] * total // (count * (total - 1)) for k in range(count)]
    chosen = np.unique(np.searchsorted(since, moments, side="right") - 1)
    return _to_multiple(np.array(since), chosen, multiple)


def _to_multiple(since: npt.NDArray, chosen: Ticks, multiple: int) -> Ticks:
    """Add the frames that are farthest from the chosen ones until their number is a multiple."""
    while len(chosen) % multiple and len(chosen) < len(since):
        after = np.searchsorted(chosen, np.arange(len(since)), side="right")
        before = since[chosen[after - 1]]
        behind = since[chosen[np.minimum(after, len(chosen) - 1)]]
        gaps = np.minimum(since - before, np.abs(behind - since))
        gaps[chosen] = -1
        chosen = np.union1d(chosen, [int(np.argmax(gaps))])
    return chosen
