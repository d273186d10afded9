"""Fills: what replaces a picture, or a hidden part of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from explainer.run.schema import Video

Pixels = npt.NDArray[np.uint8]


def _mean(image: Pixels) -> Pixels:
    """Return a picture of the mean colour."""
    colour = image.mean(axis=(0, 1)).round().astype(np.uint8)
    return np.broadcast_to(colour, image.shape)


def _blurred(image: Pixels) -> Pixels:
    """Return the picture blurred until its objects cannot be recognised."""
    radius = max(image.shape[:2]) / 16
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


FILLS: Mapping[str, Callable[[Pixels], Pixels]] = MappingProxyType(
    {"black": np.zeros_like, "mean": _mean, "blur": _blurred}
)


def covered(image: Pixels, mask: npt.NDArray[np.bool_], blank: Pixels) -> Pixels:
    """Return (H, W, 3): `blank` where the mask (H, W) is True, the picture elsewhere."""
    return np.where(mask[..., None], blank, image)


def filled(media: Sequence[Pixels] | Video, fill: str) -> Sequence[Pixels] | Video:
    """Return pictures, or a video, of the same sizes with a fill in their place.

    Each picture is filled separately; the frames of a video all alike, so that nothing moves.
    """
    if not isinstance(media, Video):
        return tuple(FILLS[fill](image) for image in media)
    frames = media.frames
    stacked = FILLS[fill](frames.reshape(-1, *frames.shape[2:]))
    return replace(media, frames=np.ascontiguousarray(stacked.reshape(frames.shape)))
