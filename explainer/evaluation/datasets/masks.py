"""Read masks as data sets store them: pictures of labels, run lengths, and polygons.

`parse` turns the JSON of one mask into `Runs` or `Outlines` and refuses invalid values; `misfit`
compares one with the size of its picture; only then is it filled. So every number is checked before
it reaches a library.

Run lengths in COCO's format need no library. Polygons are filled by pycocotools if it is installed,
and otherwise by Pillow. Both differ in one of several hundred pixels along the edges, so
`FILLED_BY` is recorded with the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from explainer.errors import SightlineError
from explainer.evaluation.datasets.values import shown, whole
from explainer.evaluation.iou import Mask, Truth
from explainer.media.images.limits import MAX_PIXELS

_FINER = (
    5  # Pillow fills the pixels on an outline too; so it draws finer ones, of which centres count
)
_MOST_FINE = 300_000_000  # finer pixels: beyond 12 million pixels the outline's own are taken
FILLED_BY = "pycocotools" if find_spec("pycocotools") else "Pillow"
IGNORED = 255  # in pictures of labels: neither a thing nor ground
OUTSIDE = 0.05  # how far, as a share of its side, an outline may leave the picture
MOST_LENGTH = 4_000_000  # pixels along the outlines of one mask: COCO's library keeps each one

Shape = tuple[int, int]  # (height, width)
Points = npt.NDArray[np.float64]  # (N, 2): x, y


def read_labels(file: Path, known: Collection[int]) -> Truth:
    """Return the masks in a picture whose 8-bit pixels are labels.

    Raises `SightlineError` if the file is not such a picture, or holds labels that are not `known`.
    """
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("too large")
            labels = np.asarray(picture)
    except Exception:  # decoders raise many types of errors on damaged files
        raise SightlineError(f"{file} is not a picture, or is damaged") from None
    if labels.ndim != 2:
        raise SightlineError(f"{file} is a picture in colour; its pixels should be category ids")
    found = [int(i) for i in np.unique(labels) if i not in (0, IGNORED) or i in known]
    unknown = sorted(set(found) - set(known) - {0})
    if unknown:
        raise SightlineError(
            f"{file} holds category ids {unknown}, which the annotations do not list; "
            "are masks and annotations of the same data set?"
        )
    return Truth(labels.shape, {i: labels == i for i in found if i})


# Masks in JSON -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Runs:
    """Alternating lengths of runs of 0 and 1, starting with 0, along the columns of `size`."""

    size: Shape
    lengths: npt.NDArray[np.int64]

    def misfit(self, shape: Shape) -> str:
        """Return why the mask does not fit a picture of this shape, "" if it does."""
        if self.size == shape:
            return ""
        return (
            f"its run lengths are for {_times(self.size)} pixels, its picture has {_times(shape)}"
        )

    def fill(self, shape: Shape) -> Mask:
        """Return (H, W) bool of a mask that fits."""
        values = np.arange(len(self.lengths)) % 2 == 1
        flat: npt.NDArray[np.bool_] = np.repeat(values, self.lengths)
        return flat.reshape(shape[::-1]).T


@dataclass(frozen=True, eq=False)
class Outlines:
    """Outlines of the parts of one thing."""

    parts: tuple[Points, ...]

    def misfit(self, shape: Shape) -> str:
        """Return why the mask does not fit a picture of this shape, "" if it does.

        Annotators often click a few pixels outside, see `OUTSIDE`.
        """
        sides = np.array(shape[::-1], float)
        slack = np.maximum(2.0, OUTSIDE * sides)
        for points in self.parts:
            low, high = points.min(axis=0), points.max(axis=0)
            if np.any(low < -slack) or np.any(high > sides + slack):
                spans = [
                    f"{name} {a:g} to {b:g}" for name, a, b in zip("xy", low, high, strict=True)
                ]
                return f"its outline ({', '.join(spans)}) leaves the picture of {_times(shape)}"
        if sum(_length(points) for points in self.parts) > MOST_LENGTH:
            return f"its outlines are longer than {MOST_LENGTH} pixels"
        return ""

    def fill(self, shape: Shape) -> Mask:
        """Return (H, W) bool of a mask that fits."""
        return (_cocos_fill if FILLED_BY == "pycocotools" else _fill)(shape, self.parts)


def parse(segmentation: Any) -> Runs | Outlines:
    """Parse a mask in the form of COCO's `segmentation`; raise `SightlineError` if invalid."""
    if isinstance(segmentation, Mapping):
        return _parse_runs(segmentation)
    if not isinstance(segmentation, list):
        raise SightlineError(
            f"segmentation is {shown(segmentation)}, neither polygons nor run lengths"
        )
    if not segmentation:
        raise SightlineError("segmentation is empty")
    parts = tuple(filter(lambda points: len(points) > 2, map(_parse_outline, segmentation)))
    if not parts:
        raise SightlineError(
            f"segmentation {shown(segmentation)} has no polygon of three points or more"
        )
    return Outlines(parts)


def _parse_outline(outline: Any) -> Points:
    if not isinstance(outline, list):
        raise SightlineError(
            f"segmentation holds {shown(outline)} where an outline [x0, y0, x1, y1, ...] should be"
        )
    wrong = [v for v in outline if not isinstance(v, (int, float)) or isinstance(v, bool)]
    if wrong or len(outline) % 2:
        what = f"holds {shown(wrong[0])}" if wrong else f"has {len(outline)} numbers, an odd count"
        raise SightlineError(f"an outline of segmentation {what}; it should be pairs of x and y")
    # A finite bound before numpy: an integer of a file may be too large for any float.
    absurd = [v for v in outline if not -(10**9) < v < 10**9]  # NaN is absurd too
    if absurd:
        raise SightlineError(f"an outline of segmentation holds {shown(absurd[0])}")
    return np.array(outline, np.float64).reshape(-1, 2)


def _parse_runs(segment: Mapping[str, Any]) -> Runs:
    size, counts = segment.get("size"), segment.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise SightlineError(f"size of run lengths is {shown(size)}, not [height, width]")
    height, width = (whole(side, 1, MAX_PIXELS, "size of run lengths") for side in size)
    pixels = height * width
    if pixels > MAX_PIXELS:
        raise SightlineError(f"size of run lengths is {shown(size)}, too large for a picture")
    if isinstance(counts, (str, bytes)):
        lengths = _unpack(counts)
    elif isinstance(counts, list):
        lengths = [whole(n, 0, pixels, "a count of run lengths") for n in counts]
    else:
        raise SightlineError(f"counts of run lengths are {shown(counts)}, neither list nor text")
    if any(not 0 <= n <= pixels for n in lengths) or sum(lengths) != pixels:
        raise SightlineError(
            f"run lengths cover {shown(sum(lengths))} of {pixels} pixels; they are damaged"
        )
    return Runs((height, width), np.array(lengths, np.int64))


def _unpack(text: str | bytes) -> list[int]:
    """Decode the counts of a text: 5 bits per character, least significant first.

    From the third count on, the text holds the difference to the count before the last.
    """
    codes = text.encode("ascii", "replace") if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64 or shift > 60:
            raise SightlineError(
                "counts of run lengths are a text that cannot be decoded; it is damaged"
            )
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:  # the sign
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts


def union(shape: Shape, segments: Sequence[Any]) -> Mask:
    """Return the union (H, W) bool of these masks in JSON.

    Raises `SightlineError` if one is invalid or does not fit the shape.
    """
    mask = np.zeros(shape, bool)
    for segment in map(parse, segments):
        if why := segment.misfit(shape):
            raise SightlineError(why)
        mask |= segment.fill(shape)
    return mask


def _times(shape: Shape) -> str:
    return f"{shape[1]} x {shape[0]}"


def _length(points: Points) -> float:
    """Return the number of pixels along a closed outline."""
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


# Filling -----------------------------------------------------------------------------------------


def _cocos_fill(shape: Shape, outlines: Sequence[Points]) -> Mask:
    from pycocotools import mask as coco

    parts = coco.frPyObjects([outline.ravel().tolist() for outline in outlines], *shape)
    return coco.decode(coco.merge(parts)).astype(bool)


def _fill(shape: Shape, outlines: Sequence[Points]) -> Mask:
    height, width = shape
    finer = _FINER if height * width * _FINER**2 <= _MOST_FINE else 1
    picture = Image.new("L", (width * finer, height * finer))
    draw = ImageDraw.Draw(picture)
    for outline in outlines:
        draw.polygon([tuple(p) for p in (outline * finer - 0.5).tolist()], fill=1)
    centres = slice(finer // 2, None, finer)
    return np.asarray(picture)[centres, centres] > 0
