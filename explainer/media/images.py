"""Taking in pictures: whatever a person hands over becomes (H, W, 3) uint8, or a clear refusal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from explainer.errors import ImageError

MAX_SIDE = 1024  # longest side of a recorded picture, in pixels
MAX_PIXELS = 64_000_000  # refused before decoding: 64 MP are 192 MB as RGB
MAX_ASPECT = 100  # Qwen2-VL refuses 200:1; half of it leaves room for rounding a thin side

# Named one by one, so that formats which run helper programs (EPS) are never tried.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_READABLE = "PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF"

ImageSource = str | Path | bytes | Image.Image | npt.NDArray


class Picture(NamedTuple):
    """A picture that was taken in, and what was done to it, in sentences for people."""

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...]


def open_image(source: ImageSource) -> Picture:
    """Return `source` as (H, W, 3) uint8 RGB with notes on what was changed.

    Args:
        source: a path, the bytes of a file, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3)
            or (H, W, 4) of uint8, uint16, bool, or float in [0, 1].

    Raises:
        ImageError: it is no picture, is damaged, too large, too thin or empty; says what to do.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if isinstance(source, (str, Path, bytes, bytearray)):
        return _from_file(source)
    raise ImageError(f"a picture is a file, a PIL image or an array, got {type(source).__name__}")


def open_images(
    sources: Sequence[ImageSource],
) -> tuple[tuple[npt.NDArray[np.uint8], ...], tuple[str, ...]]:
    """Return the pictures as `open_image` and `fit` give them, and all notes, numbered if there
    are several pictures."""
    opened = [open_image(source) for source in sources]
    notes = [
        f"Picture {i}: {note}" if len(opened) > 1 else note
        for i, picture in enumerate(opened, 1)
        for note in picture.notes
    ]
    return tuple(fit(picture.pixels) for picture in opened), tuple(notes)


def fit(pixels: npt.NDArray[np.uint8], side: int = MAX_SIDE) -> npt.NDArray[np.uint8]:
    """Return the picture with its long side at most `side` pixels; smaller ones as they are."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _from_file(source: str | Path | bytes | bytearray) -> Picture:
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        raise ImageError("addresses are not fetched; download the picture and pass the file")
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise ImageError(f"no such picture: {path}")
        name, stream = path.name, path.open("rb")
    else:
        name, stream = "the picture", io.BytesIO(source)
    with stream:
        _refuse_svg(name, stream.read(1024))
        stream.seek(0)
        with _decoded(name, stream) as image:
            return _from_pil(image, name)


def _decoded(name: str, stream: BinaryIO) -> Image.Image:
    """Return the opened file; only its header has been read."""
    try:
        return Image.open(stream, formats=_formats())
    except Image.DecompressionBombError:
        raise _too_large(name) from None
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name} is not a picture that can be read; use {_READABLE}") from None
    except Exception as error:  # decoders raise all sorts of things on damaged files
        raise _damaged(name) from error


def _formats() -> list[str]:
    """Return those of `FORMATS` that this build of Pillow can read."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _refuse_svg(name: str, start: bytes) -> None:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        raise ImageError(f"{name} is an SVG drawing; export it as PNG and use that")


def _too_large(name: str, size: tuple[int, int] | None = None) -> ImageError:
    got = f" ({size[0]}x{size[1]})" if size else ""
    limit = MAX_PIXELS // 1_000_000
    return ImageError(f"{name} is too large{got}; scale it down below {limit} million pixels")


def _damaged(name: str) -> ImageError:
    return ImageError(f"{name} is damaged or cut off; save or download it again")


def _check_size(name: str, width: int, height: int) -> None:
    if min(width, height) < 1:
        raise ImageError(f"{name} has no pixels ({width}x{height})")
    if width * height > MAX_PIXELS:
        raise _too_large(name, (width, height))
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(
            f"{name} is too thin ({width}x{height}); crop it so that the long side is at most "
            f"{MAX_ASPECT} times the short one"
        )


def _from_pil(image: Image.Image, name: str = "the picture") -> Picture:
    _check_size(name, *image.size)
    notes = []
    if image.format != "MPO" and getattr(image, "is_animated", False):
        notes.append("It has several frames; the first one is used.")
    try:
        image.load()
        turned = ImageOps.exif_transpose(image)
        rgb = _to_rgb(turned, notes)
    except Exception as error:
        raise _damaged(name) from error
    if turned.size != image.size or image.getexif().get(0x0112, 1) not in (0, 1):
        notes.append("It was turned upright as its EXIF data say.")
    return Picture(np.array(rgb), tuple(notes))


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Return `image` in RGB, adding to `notes` what a viewer might wonder about."""
    if image.mode.startswith("I") or image.mode == "F":
        notes.append("Its grey values were scaled to 8 bit.")
        return Image.fromarray(_grey_to_8_bit(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if rgba.getextrema()[3][0] < 255:
            notes.append("Its transparent parts are shown on white.")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    if image.mode == "CMYK":
        notes.append("Its CMYK colours were converted to RGB without a colour profile.")
    return image.convert("RGB")


def _grey_to_8_bit(grey: npt.NDArray) -> npt.NDArray[np.uint8]:
    """Return grey values of more than 8 bits on the scale 0..255, without clipping.

    Integers up to 65535 count as 16 bit; larger ones, and reals outside [0, 1], are stretched
    between their own extremes, because the file does not say what white is.
    """
    values = np.nan_to_num(grey.astype(np.float64))
    low, high = float(values.min()), float(values.max())
    if grey.dtype.kind in "iu" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif grey.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.round((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def _from_array(array: npt.NDArray) -> Picture:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"an array must be (H, W) or (H, W, 1, 3 or 4), got {array.shape}")
    _check_size("the array", array.shape[1], array.shape[0])
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return _from_pil(Image.fromarray(_array_to_8_bit(flat)), "the array")


def _array_to_8_bit(array: npt.NDArray) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return np.round(array / 257).astype(np.uint8)
    if array.dtype.kind == "f" and np.all((array >= 0) & (array <= 1)):
        return np.round(array * 255).astype(np.uint8)
    raise ImageError(
        f"an array must be uint8, uint16, bool or float in [0, 1], got {array.dtype} "
        f"from {array.min()} to {array.max()}"
    )
