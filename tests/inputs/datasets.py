"""Small data sets of emoji scenes in every layout, as they are and with what people do to them.

The pictures are scenes whose things the bundled model names, so that figures can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explainer.emoji_world.objects import THINGS
from explainer.emoji_world.scenes import make_scene

SEEDS = (0, 1)
scene = cache(make_scene)  # the same few in every data set
# What a camera writes beside pixels that are to be turned so: EXIF orientation to Pillow's turn.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
Value = dict[str, Any]


def stored(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels that a camera stores for an upright picture with this orientation."""
    turn = STORED[orientation]
    picture = Image.fromarray(pixels)
    return np.asarray(picture if turn is None else picture.transpose(turn))


def photograph(file: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    """Write stored pixels with an EXIF orientation, without loss."""
    file.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    told = exif if orientation != 1 else b""
    Image.fromarray(pixels).save(file, exif=told, compress_level=1)
    return file


def wide(pixels: np.ndarray) -> np.ndarray:
    """Return the upper two thirds of a picture or mask, so that turning it shows in its size."""
    return pixels[: 2 * pixels.shape[0] // 3]


def run_lengths(mask: np.ndarray) -> Value:
    """Return a mask (H, W) bool as COCO's uncompressed run lengths."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    counts = np.diff(np.concatenate([[0], edges, [flat.size]]))
    return {"size": list(mask.shape), "counts": [int(n) for n in counts]}


def boxes(mask: np.ndarray) -> list[list[float]]:
    """Return a mask as the polygon of its bounding box."""
    ys, xs = np.nonzero(mask)
    x0, y0, x1, y1 = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    return [[float(v) for v in (x0, y0, x1, y0, x1, y1, x0, y1)]]


def things(seed: int, crop: Callable[[np.ndarray], np.ndarray] = wide) -> dict[int, np.ndarray]:
    """Return the masks of a scene by the number of the thing, from 1, without empty ones."""
    placed = scene(seed)
    masks = {p.thing + 1: crop(placed.mask(p.name)) for p in placed.things}
    return {i: mask for i, mask in sorted(masks.items()) if mask.any()}


def coco(
    root: Path,
    orientation: int = 1,
    drawn_upright: bool = False,
    as_mask: Callable[[np.ndarray], Any] = run_lengths,
    seeds: Sequence[int] = SEEDS,
) -> Path:
    """Write scenes as COCO publishes pictures, stored turned by an EXIF orientation.

    Width and height are those of the stored pixels; masks are drawn over these, or over the upright
    picture.
    """
    images, annotations = [], []
    for seed in seeds:
        pixels = stored(wide(scene(seed).image), orientation)
        name = f"{seed}.png"
        photograph(root / "val2014" / name, pixels, orientation)
        height, width = pixels.shape[:2]
        images.append({"id": seed, "file_name": name, "height": height, "width": width})
        for number, mask in things(seed).items():
            turned = mask if drawn_upright else stored(mask, orientation)
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": seed,
                    "category_id": number,
                    "segmentation": as_mask(turned),
                }
            )
    categories = [{"id": i, "name": thing.name} for i, thing in enumerate(THINGS, 1)]
    told = {"images": images, "annotations": annotations, "categories": categories}
    write(root / "annotations" / "instances_val2014.json", told)
    return root


def grandf(
    root: Path, orientation: int = 1, drawn_upright: bool = False, seeds: Sequence[int] = SEEDS
) -> Path:
    """Write scenes as GLaMM publishes GranDf, stored turned by an EXIF orientation."""
    told = []
    for seed in seeds:
        pixels = stored(wide(scene(seed).image), orientation)
        photograph(root / "GranDf_HA_images" / "train" / f"{seed}.png", pixels, orientation)
        groundings = {}
        for number, mask in things(seed).items():
            turned = mask if drawn_upright else stored(mask, orientation)
            groundings[f"a {THINGS[number - 1].name}"] = {"rle_masks": [run_lengths(turned)]}
        told.append({"file_name": f"{seed}.png", "caption": "", "groundings": groundings})
    write(root / "annotations" / "train" / "GranDf_HA_GCG_train.json", told)
    return root


def write(file: Path, value: Any, encoding: str = "utf-8") -> Path:
    """Write a value as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding)
    return file


def change(root: Path, edit: Callable[[Any], Any], encoding: str = "utf-8") -> Path:
    """Edit the only annotation file below a folder in place, or write what `edit` returns."""
    (file,) = root.rglob("*.json")
    told = json.loads(file.read_text("utf-8"))
    changed = edit(told)
    return write(file, told if changed is None else changed, encoding)


# What is in annotation files of the world in place of one mask, and what a report says of it.
BROKEN_MASKS: Mapping[str, tuple[Any, str]] = {
    "null": (None, "segmentation is null"),
    "NaN": ([[float("nan"), 1, 2, 3, 4, 5]], "holds NaN"),
    "infinite": ([[1, 1, float("inf"), 3, 4, 5]], "holds Infinity"),
    "absurd": ([[1, 1, 1e9, 3, 4, 5]], "holds 1000000000.0"),
    "far outside": ([[1, 1, 4e5, 3, 4, 5]], "leaves the picture"),
    "a box": ([10.0, 10.0, 20.0, 20.0], "holds 10.0 where an outline"),
    "a line": ([[1, 1, 5, 5]], "no polygon of three points"),
    "empty": ([], "segmentation is empty"),
    "a word": ("polygon", "neither polygons nor run lengths"),
    "huge run lengths": ({"size": [90000, 90000], "counts": [90000**2]}, "too large"),
    "packed nonsense": ({"size": [8, 8], "counts": "~~~"}, "cannot be decoded"),
}
