"""Feed damaged pictures or videos to their readers.

    python -m tests.fuzz.media pictures --minutes 10
    python -m tests.fuzz.media videos --minutes 10

Each example must end within 10 s, with a result or an `ImageError`, and the process stays below
1 GB. What breaks that is left in the folder named by --keep, and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from explainer.errors import ImageError
from explainer.media.images import open_image
from explainer.media.video import open_video
from tests.inputs import pictures, videos

MAX_SECONDS = 10
MAX_BYTES = 1_000_000_000
_ROUND = 100  # examples between two looks at the clock


def picture_seeds() -> list[bytes]:
    """Return one small file of each kind that the reader of pictures knows."""
    scene = Image.fromarray(pictures.scene(24, 32))
    icc = pictures.profile("Display P3")
    formats = {
        "PNG": {"icc_profile": icc},
        "JPEG": {"icc_profile": icc, "exif": pictures.bad_exif()},
        "WEBP": {"exif": pictures.exif(6)},
        "GIF": {},
        "BMP": {},
        "TIFF": {"icc_profile": icc},
        "AVIF": {"quality": 50},
        "JPEG2000": {},
        "PPM": {},
    }
    seeds = [pictures.encode(scene, form, **options) for form, options in formats.items()]
    seeds += [pictures.encode(scene, "JPEG", progressive=True), pictures.real_grey()]
    seeds += [pictures.encode(scene.convert("CMYK"), "TIFF", compression="tiff_lzw")]
    seeds += [pictures.oriented(n, "TIFF") for n in (3, 6)]
    seeds += [pictures.ycbcr_tiff(kind) for kind in (None, "tiff_lzw", "jpeg")]
    seeds += [pictures.pnm(kind, white) for kind in (2, 3, 5, 6) for white in (255, 1023)]
    seeds += [pictures.deep_grey(), pictures.deep_grey(form="TIFF")]
    return seeds + [data for data in pictures.png_texts().values() if len(data) < 100_000]


def video_seeds() -> list[bytes]:
    """Return one small file of each kind that the reader of videos knows."""
    frames = videos.numbered(10, (32, 48))
    kinds = [
        *(("libx264", kind) for kind in ("mp4", "mov", "matroska", "mpegts", "flv", "avi")),
        ("mpeg4", "mp4"),
        ("mpeg2video", "mpeg"),
        ("msmpeg4v3", "asf"),
        ("libvpx-vp9", "webm"),
    ]
    seeds = [videos.video(frames, kind, codec, rate=25) for codec, kind in kinds]
    seeds += [videos.edited(), videos.variable_rate()[0], videos.interlaced(), videos.hlg()]
    stills = [Image.fromarray(frame) for frame in frames]
    gif = pictures.encode(stills[0], "GIF", save_all=True, append_images=stills[1:])
    return [*seeds, gif, videos.two_tracks(), videos.changing_size(), videos.oriented(5)]


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw a file with bytes changed, cut out, repeated, or numbers made extreme."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        near = draw(st.sampled_from([64, 1024, len(data)]))  # headers break more than pixels do
        at = draw(st.integers(0, max(0, min(near, len(data)) - 1)))
        action = draw(st.sampled_from(["byte", "number", "cut", "repeat", "end"]))
        if action == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif action == "number":
            extreme = st.sampled_from(
                [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1]
            )
            width, order = draw(st.sampled_from([2, 4])), draw(st.sampled_from(["big", "little"]))
            data[at : at + width] = (draw(extreme) % 256**width).to_bytes(width, order)
        elif action == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif action == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
        else:
            del data[max(1, at) :]
    return bytes(data)


READERS: dict[str, tuple[Callable[[bytes], object], Callable[[], list[bytes]]]] = {
    "pictures": (open_image, picture_seeds),
    "videos": (open_video, video_seeds),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=sorted(READERS))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="of the examples; else random")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failure"))
    args = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    read, make_seeds = READERS[args.reader]
    until, counts = time.monotonic() + 60 * args.minutes, {"read": 0, "refused": 0}
    check, start = checked(read, args.keep, counts), args.seed
    seeds = make_seeds()
    start = random.SystemRandom().randrange(2**32) if start is None else start
    number, slowest = 0, check.slowest  # type: ignore[attr-defined]
    while time.monotonic() < until:
        run_round(check, seeds, start + number)
        number += 1
    print(
        f"{args.reader}: {counts['read']} read, {counts['refused']} refused, slowest "
        f"{slowest[0]:.2f} s, at most {peak_bytes() / 1e6:.0f} MB, seed {start}"
    )


def run_round(check: Callable[[bytes], None], seeds: Sequence[bytes], number: int) -> None:
    """Run the examples of one round, which its number decides."""
    test = given(damaged(seeds))(check)
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    options = settings(
        max_examples=_ROUND, deadline=None, database=None, suppress_health_check=health
    )
    seed(number)(options(test))()


def checked(
    read: Callable[[bytes], object], keep: Path, counts: dict[str, int]
) -> Callable[[bytes], None]:
    """Return a function that reads one example and checks what is promised of it."""
    slowest = [0.0]

    def check(data: bytes) -> None:
        keep.mkdir(exist_ok=True)
        current = keep / "current"
        current.write_bytes(data)  # what is left of a process that is killed
        faulthandler.dump_traceback_later(2 * MAX_SECONDS, exit=True)
        start = time.perf_counter()
        try:
            read(data)
            counts["read"] += 1
        except ImageError:
            counts["refused"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
        seconds = time.perf_counter() - start
        slowest[0] = max(slowest[0], seconds)
        assert seconds < MAX_SECONDS, f"{seconds:.1f} s"
        assert peak_bytes() < MAX_BYTES, f"{peak_bytes() / 1e6:.0f} MB"
        current.unlink()

    check.slowest = slowest  # type: ignore[attr-defined]
    return check


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    main()
