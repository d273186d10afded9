"""Find the orientation in which the masks of a photograph were drawn.

Cameras store pixels in sensor order, with an EXIF orientation. Viewers and `open_image` turn them;
pycocotools, old readers of OpenCV and most annotation tools did not, so masks may belong to the
stored pixels or to the upright picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.errors import SightlineError
from explainer.media.images import open_image

Shape = tuple[int, int]  # (height, width)
_ORIENTATION = 0x0112
# Transposes the upright picture to the stored pixels, by EXIF orientation.
_BACK: dict[int, Callable[[npt.NDArray], npt.NDArray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@dataclass(frozen=True)
class PhotoFrame:
    """An orientation of a picture: its (height, width), and whether it is upright."""

    shape: Shape
    upright: bool


@dataclass(frozen=True)
class Photo:
    """A picture file and the orientations in which masks can fit it.

    Attributes:
        frames: the stored pixels, and the upright picture if that is another one.
    """

    file: Path
    orientation: int
    frames: tuple[PhotoFrame, ...]

    @classmethod
    def open(cls, file: Path) -> Photo:
        """Read the header of a picture; `SightlineError` if it is none."""
        try:
            with Image.open(file) as picture:
                turn = picture.getexif().get(_ORIENTATION, 1)
                shape, is_tiff = (picture.height, picture.width), picture.format == "TIFF"
        except Exception:  # `open_image` says what is wrong with it
            pixels = open_image(file).pixels
            return cls(file, 1, (PhotoFrame(pixels.shape[:2], True),))
        turn = turn if isinstance(turn, int) and turn in _BACK else 1
        if turn == 1:
            return cls(file, 1, (PhotoFrame(shape, True),))
        turned = shape[::-1] if turn >= 5 else shape
        stored, upright = (turned, shape) if is_tiff else (shape, turned)  # Pillow has turned those
        return cls(file, turn, (PhotoFrame(stored, False), PhotoFrame(upright, True)))

    def first(self, misfit: Callable[[Shape], str]) -> PhotoFrame:
        """Return the first frame that masks fit, the stored pixels before the upright picture.

        Raises `SightlineError` with the reason of `misfit` if they fit neither.
        """
        reasons = {frame: misfit(frame.shape) for frame in self.frames}
        for frame, why in reasons.items():
            if not why:
                return frame
        why = reasons[self.frames[0]]
        if len(self.frames) == 1:
            raise SightlineError(f"{self.file}: {why}")
        raise SightlineError(
            f"{self.file} is stored turned (EXIF orientation {self.orientation}), and its masks "
            f"fit it neither as it is stored nor upright: {why}"
        )

    def image(self, frame: PhotoFrame) -> Path | npt.NDArray[np.uint8]:
        """Return the picture in this orientation: its file, or (H, W, 3) uint8 of stored pixels."""
        if frame.upright or self.orientation == 1:
            return self.file
        return np.ascontiguousarray(_BACK[self.orientation](open_image(self.file).pixels))


def have_same_aspect(one: Shape, other: Shape) -> bool:
    """Return whether two shapes have the same proportions, to a pixel of the shorter side."""
    (a, b), (c, d) = sorted([one, other])
    return abs(a - b * c / d) <= 1 if a <= b else abs(b - a * d / c) <= 1
