"""Open picture files: detect the format and read the header, without decoding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, ImagePalette, TiffImagePlugin

from explainer.errors import ImageError
from explainer.media.images import pnm
from explainer.media.images.limits import damaged
from explainer.media.images.orientation import stored_orientation
from explainer.media.images.png import SIGNATURE, pixels_only
from explainer.media.sources import Kind, open_source

MAX_FILE_BYTES = 500_000_000  # 64 million pixels of three times 16 bits, not compressed
_KIND = Kind("picture", ImageError, MAX_FILE_BYTES)

# Named one by one, so that formats which run helper programs (EPS) are never tried.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "HEIF")
READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, PPM or HEIC"
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"mif1", b"msf1")
_START = 4096  # bytes by which a file is recognised
_UNCOMPRESSED, _YCBCR = 1, 6  # of a TIFF


class OpenedPicture(NamedTuple):
    """A picture file whose header has been read, as it is stored: not turned.

    `profile` is its ICC profile, if there is one, `size` its width and height. An image that a
    caller handed over is not `owned` and stays open.
    """

    name: str
    image: Image.Image
    orientation: int
    profile: bytes | None
    size: tuple[int, int]
    owned: bool


@contextmanager
def opened(source: str | Path | bytes) -> Iterator[OpenedPicture]:
    """Open a file or its bytes as a picture, as a context manager.

    Raises:
        ImageError: the file does not exist, or is not a readable picture.
    """
    with ExitStack() as stack:
        name, stream = open_source(source, _KIND)
        stack.enter_context(stream)
        start = stream.read(_START)
        _refuse_known(name, start)
        profile = None
        if start.startswith(SIGNATURE):
            stream, profile = pixels_only(stream)
        image = stack.enter_context(_image(name, stream, start))
        orientation = stored_orientation(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            _prepare_tiff(image)
        profile = profile or image.info.get("icc_profile")
        yield OpenedPicture(name, image, orientation, profile, image.size, owned=True)


def frame_notes(image: Image.Image) -> list[str]:
    """Return a sentence if an opened picture has several frames. MPO holds one and its previews."""
    try:
        several = image.format != "MPO" and getattr(image, "is_animated", False)
    except Exception:  # what comes behind the first frame may be damaged
        return []
    return ["It has several frames; the first one is used."] if several else []


def _refuse_known(name: str, start: bytes) -> None:
    """Refuse formats that are common but not supported, with advice."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        raise ImageError(f"{name} is an SVG drawing; export it as PNG and use that")
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS and b"avif" not in start[:64]:
        _register_heif(name)


def _register_heif(name: str) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise ImageError(
            f'{name} is a HEIC photo; install the reader with "pip install pillow-heif", or '
            "save the photo as JPEG"
        ) from None
    register_heif_opener()


def _image(name: str, stream: BinaryIO, start: bytes) -> Image.Image:
    """Return the opened file by the first format that takes it.

    This is `Image.open` without its own limit on pixels: `limits` knows more about each format.
    """
    Image.init()
    refusal = f"{name} is not a picture that can be read; use {READABLE}"
    try:
        if (image := pnm.read(stream, start)) is not None:
            return image
        for factory, accept in (Image.OPEN[form] for form in FORMATS if form in Image.OPEN):
            if accept is None or accept(start[:16]) is not True:
                continue
            stream.seek(0)
            try:
                return factory(stream, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                refusal = str(damaged(name))  # or of another format
                if "unknown" in str(error):
                    refusal = f"{name} stores its pixels in a way that is not read; save it as PNG"
    except Exception as error:  # decoders raise many types of errors on damaged files
        raise damaged(name) from error
    raise ImageError(refusal)


def _prepare_tiff(image: TiffImagePlugin.TiffImageFile) -> None:
    """Have a TIFF decoded as it is stored, and uncompressed YCbCr by libtiff.

    Pillow turns a TIFF itself when it has loaded it, at full size, and fails there on damaged EXIF;
    and it takes YCbCr without compression for four bytes a pixel, and all palettes for 16 bits.
    """
    vars(image)["load_end"] = lambda: None
    image._size = (image.tag_v2[256], image.tag_v2[257])
    tags = image.tag_v2
    if tags.get(262) == _YCBCR and tags.get(259, 1) == _UNCOMPRESSED:
        box, stored = (0, 0, *image._size), image.tile[0][3]
        rawmode = stored[0] if isinstance(stored, tuple) else stored
        args = (rawmode, "raw", False, tags._offset)
        image.tile = [type(image.tile[0])("libtiff", box, 0, args)]
        image.use_load_libtiff = True
    colours = tags.get(320)
    if image.mode == "P" and colours and max(colours) < 256:  # of 8 bits, where 16 are usual
        third = len(colours) // 3
        levels = [colours[i + third * band] for i in range(third) for band in range(3)]
        image.palette = ImagePalette.raw("RGB", bytes(levels))
