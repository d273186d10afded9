"""Scenes: a picture of some things on a ground, with the exact mask of each thing.

A scene is a pure function of its seed (and of the limits asked for). Seeds below
`FIRST_TRAINING_SEED` are held out: training never draws from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.emoji_world.atlas import sprites
from explainer.emoji_world.objects import GROUNDS, THINGS, Ground

FIRST_TRAINING_SEED = 1_000_000
SMALLEST, LARGEST = 112, 448  # px, of either side of a picture

_FLIP = Image.Transpose.FLIP_LEFT_RIGHT


@dataclass(frozen=True)
class Placed:
    """One thing in a scene: index into `THINGS`, centre and size (width, height) in pixels."""

    thing: int
    centre: tuple[float, float]
    size: tuple[int, int]

    @property
    def name(self) -> str:
        return THINGS[self.thing].name


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and its ground truth.

    Attributes:
        image: (H, W, 3) uint8.
        labels: (H, W) uint8, 0 for the ground, i + 1 for `things[i]`.
        things: the placed things, back to front.
        ground: index into `GROUNDS`.
    """

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    things: tuple[Placed, ...]
    ground: int

    def mask(self, name: str) -> npt.NDArray[np.bool_]:
        """Return (H, W) bool: where any thing of this name is visible."""
        numbers = [i + 1 for i, placed in enumerate(self.things) if placed.name == name]
        return np.isin(self.labels, numbers)


@dataclass(frozen=True)
class Limits:
    """Limits of the scenes to draw.

    Picture sides in px, number of things, their size relative to the shorter side, and the smallest
    size in px.
    """

    sides: tuple[int, int] = (SMALLEST, LARGEST)
    count: tuple[int, int] = (1, 4)
    share: tuple[float, float] = (0.16, 0.55)
    least: int = 44  # not quite three visual tokens of the bundled model


def make_scene(seed: int, limits: Limits = Limits(), size: tuple[int, int] | None = None) -> Scene:
    """Return the scene of this seed; `size` (height, width) fixes the picture's size."""
    rng = np.random.default_rng(seed)
    low, high = limits.sides
    height, width = size or (int(side) for side in rng.integers(low, high + 1, size=2))
    ground = int(rng.integers(len(GROUNDS)))
    return compose(rng, (height, width), ground, _choose_things(rng, limits), limits)


def compose(
    rng: np.random.Generator,
    size: tuple[int, int],
    ground: int,
    chosen: Sequence[int],
    limits: Limits = Limits(),
) -> Scene:
    """Compose a scene of these things (indices into `THINGS`) at random places on a ground.

    A thing that finds no free place is left out.
    """
    canvas = Image.fromarray(paint_ground(GROUNDS[ground], *size, rng))
    labels = np.zeros(size, np.uint8)
    things: list[Placed] = []
    for thing in chosen:
        _place(rng, limits, thing, canvas, labels, things)
    return Scene(np.asarray(canvas), labels, tuple(things), ground)


def _choose_things(rng: np.random.Generator, limits: Limits) -> list[int]:
    """Draw which things to place; one scene in four has several of a kind."""
    count = int(rng.integers(limits.count[0], limits.count[1] + 1))
    chosen = rng.choice(len(THINGS), size=count, replace=False)
    if count > 1 and rng.random() < 0.25:
        chosen[1 : 1 + int(rng.integers(1, count))] = chosen[0]
    return [int(thing) for thing in rng.permutation(chosen)]


def _place(
    rng: np.random.Generator,
    limits: Limits,
    thing: int,
    canvas: Image.Image,
    labels: npt.NDArray[np.uint8],
    things: list[Placed],
) -> None:
    """Place a thing where it hides little of the others; give up after some tries."""
    height, width = labels.shape
    short = min(height, width)
    low = max(limits.least, limits.share[0] * short)
    high = max(low, limits.share[1] * short)
    for attempt in range(12):
        shrink = 0.9**attempt
        side = max(limits.least, shrink * low * (high / low) ** rng.random())
        sprite = _pose(rng, thing, min(side, 0.98 * short))
        x = int(rng.integers(0, width - sprite.width + 1))
        y = int(rng.integers(0, height - sprite.height + 1))
        solid = np.asarray(sprite)[..., 3] > 127
        window = labels[y : y + sprite.height, x : x + sprite.width]
        if things and not _stays_visible(window, solid, labels, len(things)):
            continue
        canvas.paste(sprite, (x, y), sprite)
        window[solid] = len(things) + 1
        centre = (x + sprite.width / 2, y + sprite.height / 2)
        things.append(Placed(thing, centre, (sprite.width, sprite.height)))
        return


def _stays_visible(
    window: npt.NDArray[np.uint8],
    solid: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.uint8],
    count: int,
) -> bool:
    """Return whether every placed thing would keep 85% of its visible pixels."""
    hidden = np.bincount(window[solid], minlength=count + 1)[1:]
    if not hidden.any():
        return True
    shown = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return bool(np.all(hidden <= 0.15 * shown))


def _pose(rng: np.random.Generator, thing: int, side: float) -> Image.Image:
    """Return the sprite with its longer side at `side` px, mirrored, tilted and lit at random."""
    sprite = sprites()[thing]
    scale = side / max(sprite.size)
    sprite = sprite.resize(
        (max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale))),
        Image.Resampling.BILINEAR,
    )
    if rng.random() < 0.5:
        sprite = sprite.transpose(_FLIP)
    if rng.random() < 0.3:
        tilted = sprite.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR, expand=True)
        tilted.thumbnail((round(side), round(side)))
        sprite = tilted
    pixels = np.array(sprite)
    light = rng.uniform(0.8, 1.15)
    pixels[..., :3] = np.clip(pixels[..., :3] * light, 0, 255)
    return Image.fromarray(pixels)


# Grounds -----------------------------------------------------------------------------------------


def paint_ground(
    ground: Ground, height: int, width: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Return (height, width, 3) uint8: a texture between the two colours of the ground."""
    mix = _PATTERNS[ground.pattern](height, width, rng) + rng.uniform(-0.12, 0.12)
    low, high = (np.array(c, np.float32) for c in (ground.low, ground.high))
    mix = np.clip(mix, 0, 1, dtype=np.float32)[..., None]
    return (low + (high - low) * mix).astype(np.uint8)


def _clouds(height: int, width: int, rng: np.random.Generator, cell: int = 48) -> np.ndarray:
    """Return smooth noise in [0, 1] whose features are about `cell` px wide."""
    shape = (height // cell + 2, width // cell + 2)
    coarse = Image.fromarray(rng.random(shape, dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _grain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    fine = rng.random((height, width), dtype=np.float32)
    return 0.5 * fine + 0.5 * _clouds(height, width, rng)


def _blades(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    shape = (height // 8 + 2, width // 2 + 2)
    streaks = Image.fromarray(rng.random(shape, dtype=np.float32))
    blades = np.asarray(streaks.resize((width, height), Image.Resampling.BILINEAR))
    return 0.7 * blades + 0.3 * _clouds(height, width, rng)


def _rows(height: int) -> np.ndarray:
    return np.arange(height, dtype=np.float32)[:, None]


def _waves(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    drift = 6 * _clouds(height, width, rng)
    crest = 0.5 + 0.5 * np.sin(_rows(height) / rng.uniform(3, 6) + drift)
    return 0.6 * crest + 0.3 * _clouds(height, width, rng)


def _planks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    board = int(rng.integers(18, 34))
    shade = rng.random(width // board + 2, dtype=np.float32)[np.arange(width) // board]
    seam = (np.arange(width) % board < 2).astype(np.float32)
    fibre = np.asarray(
        Image.fromarray(rng.random((height // 24 + 2, width), dtype=np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    )
    return 0.5 * shade[None] + 0.4 * fibre - seam[None]


def _bricks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    tall = int(rng.integers(10, 18))
    row = (np.arange(height) // tall)[:, None]
    column = (np.arange(width)[None] + (row % 2) * tall) // (2 * tall)
    shade = rng.random((int(row.max()) + 1, int(column.max()) + 1), dtype=np.float32)[row, column]
    mortar = (np.arange(height)[:, None] % tall < 2) | (
        (np.arange(width)[None] + (row % 2) * tall) % (2 * tall) < 2
    )
    return np.where(mortar, 1.0, 0.1 + 0.6 * shade).astype(np.float32)


def _stars(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    sky = 0.6 * _clouds(height, width, rng)
    sky[rng.random((height, width)) > 0.997] = 4.0
    return sky


def _weave(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    thread = (_rows(height) + np.arange(width, dtype=np.float32)[None]) % 4 / 4
    return 0.6 * thread + 0.3 * _clouds(height, width, rng)


_PATTERNS = {
    "blades": _blades,
    "bricks": _bricks,
    "clouds": _clouds,
    "grain": _grain,
    "planks": _planks,
    "stars": _stars,
    "waves": _waves,
    "weave": _weave,
}
