"""Read the orientation of a picture from its metadata, and turn it upright."""

from __future__ import annotations

from PIL import Image

ORIENTATION = 0x0112  # the tag of EXIF and TIFF

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def stored_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened picture, 1 to 8; 1 if there is none or a bad one."""
    try:
        tags = getattr(image, "tag_v2", None)  # of a TIFF
        value = image.getexif().get(ORIENTATION) if tags is None else tags.get(ORIENTATION)
    except Exception:  # damaged metadata must not refuse a picture
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def turned_by_decoder(image: Image.Image) -> bool:
    """Return whether the decoder already turns the picture upright, as that of HEIC does."""
    return image.info.get("original_orientation") in _TURNS


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Turn or mirror a picture upright."""
    method = _TURNS.get(orientation)
    return image if method is None else image.transpose(method)
