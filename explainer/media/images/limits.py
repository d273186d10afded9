"""Limits on what a picture may declare: checked before anything is decoded.

Decoding one picture may take `MAX_BYTES`. What a decoder takes for each pixel was measured with
Pillow 12.3 (`python -m tests.measure_pictures` prints it).
"""

from __future__ import annotations

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from explainer.errors import ImageError
from explainer.media.images import jpeg, jpeg2000

MAX_BYTES = 260_000_000
MAX_PIXELS = 64_000_000  # in all formats but JPEG, which is scaled while it is decoded
MAX_JPEG_PIXELS = 256_000_000
MAX_ASPECT = 100  # Qwen2-VL refuses 200:1; half of it leaves room for rounding a thin side

# Bytes for each pixel, with Pillow's own copy: by format, else by mode, else 4.
_DECODER_BYTES = {"WEBP": 16.2, "AVIF": 10, "HEIF": 8}
_MODE_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}


def check_size(name: str, width: int, height: int) -> None:
    """Raise `ImageError` for a picture without pixels, or one that is too thin."""
    if min(width, height) < 1:
        raise ImageError(f"{name} has no pixels ({width}x{height})")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{name} is too thin ({width}x{height}); crop it so that the long side is at most "
            f"{MAX_ASPECT} times the short one"
        )


def check_pixels(name: str, image: Image.Image) -> None:
    """Raise `ImageError` for a picture with more than `MAX_PIXELS` pixels."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, image.size, MAX_PIXELS)


def prepare(name: str, image: Image.Image, side: int) -> None:
    """Raise `ImageError` if decoding a picture file would take too much memory.

    JPEG and JPEG 2000 are prepared to be decoded at about `side` pixels.
    """
    width, height = image.size
    check_size(name, width, height)
    if isinstance(image, JpegImageFile):
        if width * height > MAX_JPEG_PIXELS:
            raise _too_large(name, image.size, MAX_JPEG_PIXELS)
        needed = jpeg.prepare(name, image, side)
    else:
        check_pixels(name, image)
        by_mode = _MODE_BYTES.get(image.mode, 4)
        needed = width * height * _DECODER_BYTES.get(image.format or "", by_mode)
    if isinstance(image, Jpeg2KImageFile):
        needed = jpeg2000.prepare(image, side)
    if needed > MAX_BYTES:
        raise _too_large(name, (width, height), MAX_BYTES * width * height / needed)


def _too_large(name: str, size: tuple[int, int], most: float) -> ImageError:
    return ImageError(
        f"{name} is too large ({size[0]}x{size[1]}); scale it down below "
        f"{most / 1e6:.0f} million pixels"
    )


def damaged(name: str) -> ImageError:
    """Return the refusal of a picture that cannot be decoded."""
    return ImageError(f"{name} is damaged or cut off; save or download it again")
