"""Read untrusted pictures as (H, W, 3) uint8 RGB, or refuse them with a clear message.

One reader handles size, orientation, bit depth, colour profile and transparency. It decodes no more
than needed, and lists in notes what it changed. Pictures are scaled to at most `side` pixels; this
and limits on declared sizes keep the memory of one picture below 300 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import ImageError
from explainer.media.images import colour, depth, files, limits, looks, shrink
from explainer.media.images.limits import MAX_ASPECT
from explainer.media.images.orientation import stored_orientation, turn, turned_by_decoder

__all__ = (
    "MAX_ASPECT",
    "MAX_SIDE",
    "Header",
    "ImageSource",
    "Picture",
    "fit",
    "open_image",
    "open_images",
    "read_header",
)

MAX_SIDE = 1024  # longest side of a recorded picture, in pixels

ImageSource = str | Path | bytes | Image.Image | npt.NDArray


class Picture(NamedTuple):
    """A picture, and sentences on what was changed when it was read."""

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...]


class Header(NamedTuple):
    """Size and orientation of a picture as stored, before it is turned upright.

    `orientation` is EXIF's: 1 is upright, 5 to 8 swap width and height.
    """

    width: int
    height: int
    orientation: int


def open_image(source: ImageSource, side: int = MAX_SIDE, *, upright: bool = True) -> Picture:
    """Read a picture as (H, W, 3) uint8 RGB, its long side at most `side` pixels.

    Args:
        source: a path, the bytes of a file, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3)
            or (H, W, 4) of uint8, uint16, bool, or float in [0, 1].
        side: longest side of the result, at least 1; smaller pictures keep their size.
        upright: turn the picture as its EXIF orientation says; False gives it as it is stored,
            which is what the masks of COCO are drawn on.

    Raises:
        ImageError: it is no picture, is damaged, too large, too thin or empty; says what to do.
    """
    if isinstance(source, np.ndarray):
        return _read(_opened_array(source), side)
    if isinstance(source, Image.Image):
        return _read(_opened_pil(source), side, upright=upright)
    with files.opened(source) as opened:
        limits.prepare(opened.name, opened.image, side)
        return _read(opened, side, upright=upright)


def read_header(source: str | Path | bytes) -> Header:
    """Read the stored size and the orientation of a picture file without decoding it.

    Raises:
        ImageError: it is not a readable picture.
    """
    with files.opened(source) as opened:
        return Header(*opened.image.size, opened.orientation)


def open_images(
    sources: Sequence[ImageSource], read: Callable[[ImageSource], Picture] = open_image
) -> tuple[tuple[npt.NDArray[np.uint8], ...], tuple[str, ...]]:
    """Read several pictures, each by `read`; notes are numbered if there are several."""
    opened = [read(source) for source in sources]
    notes = [
        f"Picture {i}: {note}" if len(opened) > 1 else note
        for i, picture in enumerate(opened, 1)
        for note in picture.notes
    ]
    return tuple(picture.pixels for picture in opened), tuple(notes)


def fit(pixels: npt.NDArray[np.uint8], side: int = MAX_SIDE) -> npt.NDArray[np.uint8]:
    """Scale a picture down to at most `side` pixels; return smaller ones unchanged."""
    height, width = pixels.shape[:2]
    if max(height, width) <= side:
        return pixels
    return np.asarray(shrink.resize(Image.fromarray(pixels), (width, height), side))


def _read(opened: files.OpenedPicture, side: int, *, upright: bool = True) -> Picture:
    """Convert an opened picture: decode, scale, turn, and collect notes."""
    name, image, orientation, profile, size, owned = opened
    notes = files.frame_notes(image)
    try:
        small = shrink.decode(image, side, notes, close=owned)
        rgb = colour.to_srgb(small, profile, notes)
    except Exception as error:  # decoders raise many types of errors on damaged files
        raise limits.damaged(name) from error
    if rgb.size != size:
        before, after = ("x".join(map(str, pair)) for pair in (size, rgb.size))
        notes.append(f"It was scaled down from {before} to {after} pixels.")
    if upright:
        rgb = turn(rgb, orientation)
    if (upright and orientation != 1) or turned_by_decoder(image):
        notes.append("It was turned upright as its EXIF data say.")
    pixels = np.array(rgb)
    return Picture(pixels, (*notes, *looks.warnings(pixels)))


def _opened_pil(image: Image.Image) -> files.OpenedPicture:
    """Open a PIL image of the caller without changing it."""
    limits.check_size("the picture", *image.size)
    limits.check_pixels("the picture", image)
    try:
        image.load()
    except Exception as error:
        raise limits.damaged("the picture") from error
    profile = image.info.get("icc_profile")
    return files.OpenedPicture(
        "the picture", image, stored_orientation(image), profile, image.size, owned=False
    )


def _opened_array(array: npt.NDArray) -> files.OpenedPicture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"an array must be (H, W) or (H, W, 1, 3 or 4), got {array.shape}")
    limits.check_size("the array", array.shape[1], array.shape[0])
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    image = Image.fromarray(depth.checked_array(flat))
    return files.OpenedPicture("the array", image, 1, None, image.size, owned=True)
