"""Masks as data sets store them: pictures of labels, run lengths, and polygons.

Run lengths are read as COCO writes them, and need no library. Polygons are filled by COCO's own,
pycocotools, if it is installed, and otherwise by Pillow: along their edges a pixel in some
hundreds goes the other way then, so `FILLED_BY` belongs to what figures were made with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, UnidentifiedImageError

from explainer.errors import SightlineError
from explainer.evaluation.iou import Mask, Truth

_FINER = (
    5  # Pillow fills the pixels on an outline too; so it draws finer ones, of which centres count
)
FILLED_BY = "pycocotools" if find_spec("pycocotools") else "Pillow"
IGNORED = 255  # in pictures of labels: neither a thing nor ground


def read_labels(file: Path, known: Collection[int]) -> Truth:
    """Return the masks in a picture whose 8-bit pixels are labels.

    `SightlineError` if the file is no such picture, or holds labels that are not `known`.
    """
    try:
        with Image.open(file) as picture:
            labels = np.asarray(picture)
    except (UnidentifiedImageError, OSError):
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


def union(shape: tuple[int, int], segments: Iterable[Any]) -> Mask:
    """Return (H, W) bool: what any of these segments covers, run lengths or lists of polygons.

    `SightlineError` if one is neither.
    """
    mask = np.zeros(shape, bool)
    for segment in segments:
        packed = isinstance(segment, Mapping)
        try:
            part = run_lengths(segment) if packed else polygons(shape, segment)
        except (KeyError, TypeError, ValueError):
            raise SightlineError(
                f"a mask is neither polygons nor run lengths: {str(segment)[:80]}; "
                "the annotations are damaged"
            ) from None
        if part.shape != mask.shape:
            raise SightlineError(
                f"a mask of run lengths is {part.shape[1]} x {part.shape[0]}, its picture "
                f"{shape[1]} x {shape[0]}; the annotations are damaged"
            )
        mask |= part
    return mask


def polygons(shape: tuple[int, int], outlines: Sequence[Sequence[float]]) -> Mask:
    """Return (H, W) bool from outlines [x0, y0, x1, y1, ...] of the parts of one thing."""
    points = [np.asarray(outline, float).reshape(-1, 2) for outline in outlines]
    points = [outline for outline in points if len(outline) > 2]
    return (_cocos_fill if FILLED_BY == "pycocotools" else _fill)(shape, points)


def _cocos_fill(shape: tuple[int, int], outlines: Sequence[npt.NDArray[np.float64]]) -> Mask:
    from pycocotools import mask as coco

    if not outlines:
        return np.zeros(shape, bool)
    parts = coco.frPyObjects([outline.ravel().tolist() for outline in outlines], *shape)
    return coco.decode(coco.merge(parts)).astype(bool)


def _fill(shape: tuple[int, int], outlines: Sequence[npt.NDArray[np.float64]]) -> Mask:
    height, width = shape
    picture = Image.new("L", (width * _FINER, height * _FINER))
    draw = ImageDraw.Draw(picture)
    for outline in outlines:
        draw.polygon([tuple(p) for p in (outline * _FINER - 0.5).tolist()], fill=1)
    centres = slice(_FINER // 2, None, _FINER)
    return np.asarray(picture)[centres, centres] > 0


def run_lengths(segment: Mapping[str, Any]) -> Mask:
    """Return (H, W) bool from COCO's {"size": [H, W], "counts": ...}.

    Counts are lengths of runs of 0 and 1 by turns, starting with 0, down the columns; a list, or
    a text that packs them.
    """
    height, width = segment["size"]
    counts = segment["counts"]
    if isinstance(counts, bytes):
        counts = counts.decode()
    lengths = _unpack(counts) if isinstance(counts, str) else counts
    if sum(lengths) != height * width:
        raise SightlineError(
            f"a mask of run lengths covers {sum(lengths)} of {height * width} pixels; "
            "the annotations are damaged"
        )
    values = np.arange(len(lengths)) % 2 == 1
    flat: npt.NDArray[np.bool_] = np.repeat(values, lengths)
    return flat.reshape(width, height).T


def _unpack(text: str) -> list[int]:
    """Return the counts in a text: 5 bits in each character, least first; from the third count on
    the difference to the count before the last."""
    counts: list[int] = []
    value = shift = 0
    for code in text.encode("ascii", "replace"):
        bits = code - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:  # the sign
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts
