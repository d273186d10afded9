"""Convert transparency, CMYK and colour profiles to sRGB, which models were trained on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

_MAX_PROFILE = 8_000_000  # bytes; those of printers take 2 MB
_SEEN = 2  # levels of 255; a profile that changes pixels less gets no note
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def plain_mode(image: Image.Image) -> str:
    """Return the mode in which an 8-bit picture is processed before it is sRGB."""
    if image.has_transparency_data:
        return "RGB"
    return image.mode if image.mode in ("L", "CMYK") else "L" if image.mode == "1" else "RGB"


def on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    """Lay an image with transparency on white; also return whether anything shines through."""
    image = image.convert("LA") if image.mode == "La" else image
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    if rgba.getchannel("A").getextrema()[0] == 255:
        return rgba.convert("RGB"), False
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB"), True


def to_srgb(image: Image.Image, profile: object, notes: list[str]) -> Image.Image:
    """Convert an image of mode L, RGB or CMYK to sRGB by its colour profile, if it has one.

    A profile that cannot be used leaves the numbers as they are, with a note.
    """
    plain = image.convert("RGB")
    if not profile:
        if image.mode == "CMYK":
            notes.append("Its CMYK colours were converted to RGB without a colour profile.")
        return plain
    try:
        converted, name = _by_profile(image, profile)
    except Exception:  # of many types; bad metadata must not refuse a picture
        notes.append("Its colour profile cannot be used; its colours are taken as sRGB.")
        return plain
    if image.mode != "CMYK" and _largest_change(plain, converted) <= _SEEN:
        return plain
    notes.append(f'Its colours were converted from its profile "{name}" to sRGB.')
    return converted


def _by_profile(image: Image.Image, data: object) -> tuple[Image.Image, str]:
    if not isinstance(data, bytes) or len(data) > _MAX_PROFILE:
        raise ValueError("no colour profile")
    profile = ImageCms.getOpenProfile(io.BytesIO(data))
    converted = ImageCms.profileToProfile(
        image, profile, ImageCms.createProfile("sRGB"), _INTENT, "RGB", flags=_FLAGS
    )
    return converted, _name_of(profile)  # type: ignore[return-value]  # it is not done in place


def _name_of(profile: ImageCms.ImageCmsProfile) -> str:
    """Return the name of a profile, one short line."""
    text = getattr(profile.profile, "profile_description", None) or "unnamed"
    return "".join(c if c.isprintable() else " " for c in text).strip()[:60] or "unnamed"


def _largest_change(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())
