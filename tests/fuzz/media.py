"""Feed damaged pictures or videos to their readers.

    python -m tests.fuzz.media pictures --minutes 10
    python -m tests.fuzz.media videos --minutes 10

What is promised of each example is said in `harness`.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from PIL import Image

from explainer.errors import ImageError
from explainer.media.images import open_image
from explainer.media.video import open_video
from tests.fuzz.harness import Reader, main
from tests.inputs import pictures, videos


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


READERS = {
    "pictures": Reader(open_image, lambda: damaged(picture_seeds()), ImageError),
    "videos": Reader(open_video, lambda: damaged(video_seeds()), ImageError),
}


if __name__ == "__main__":
    main(__doc__.splitlines()[0], READERS, None)
