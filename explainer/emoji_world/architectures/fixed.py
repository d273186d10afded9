"""The shared part of LLaVA and InternVL: one canvas of fixed size for every picture.

Most of the training uses windows of the canvas: the vision tower gets a part of its position
embeddings, at a random place, and a picture of that size. A window of 8 x 8 tokens teaches how
things look at a ninth of the cost of a canvas of 24 x 24.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image

from explainer.emoji_world.architectures.base import Architecture, Pictures, how_many, normalised
from explainer.emoji_world.scenes import (
    FIRST_TRAINING_SEED,
    LARGEST,
    Limits,
    Scene,
    make_scene,
)
from explainer.models.families.canvas import Canvas

BICUBIC = Image.Resampling.BICUBIC
_THINNEST = 48  # px, the shorter side of a training picture


@dataclass(frozen=True)
class Window:
    """Pictures for windows with `cells` (fewest, most) tokens per side.

    `count` is the number of things, `share` their size relative to the shorter side, `least` the
    smallest size in tokens, `stretch` the largest aspect ratio of a picture.
    """

    cells: tuple[int, int]
    count: tuple[int, int]
    share: tuple[float, float]
    least: float
    stretch: float


WHOLE = None  # as a source: the whole canvas, and scenes as the world draws them


class FixedSize(Architecture):
    """An architecture whose tower has one size.

    Class attributes:
        side: tokens along each side of the canvas.
        token_px: pixels along each side of a token.
        mean, std: of the image processor.
    """

    side: ClassVar[int]
    token_px: ClassVar[int]
    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]

    @abstractmethod
    def fit(self, image: np.ndarray, side: int) -> np.ndarray:
        """Return the picture (side, side, 3) uint8 as the image processor would resize it."""

    @property
    def mean_colour(self) -> tuple[int, ...]:
        """Return the mean colour, truncated to whole numbers as in the image processor."""
        return tuple(int(255 * channel) for channel in self.mean)

    def draw(self, source: Window | None, rng: np.random.Generator, visual_tokens: int) -> Pictures:
        n = self.side if source is None else int(rng.integers(source.cells[0], source.cells[1] + 1))
        count = how_many(visual_tokens, n * n)
        seeds = [int(seed) for seed in rng.integers(FIRST_TRAINING_SEED, 2**62, size=count)]
        scenes = tuple(
            make_scene(seed) if source is None else self._scene(seed, source, n) for seed in seeds
        )
        images = [self.fit(scene.image, n * self.token_px) for scene in scenes]
        if source is None:
            images = [self._shrunk(image, rng) for image in images]
        tensors = {
            "pixels": normalised(images, self.mean, self.std),
            "corner": torch.from_numpy(rng.integers(0, self.side - n + 1, size=2)),
        }
        return Pictures(scenes, (n, n), tensors)

    def _scene(self, seed: int, window: Window, n: int) -> Scene:
        """Return a scene to be fitted to n x n tokens, of a larger or smaller size."""
        rng = np.random.default_rng(seed)
        zoom = np.exp(rng.uniform(np.log(0.6), np.log(1.5)))
        long = float(np.clip(n * self.token_px * zoom, _THINNEST, LARGEST))
        short = max(_THINNEST, long / np.exp(rng.uniform(0, np.log(window.stretch))))
        size = (round(long), round(short)) if rng.random() < 0.5 else (round(short), round(long))
        least = round(window.least * long / n)
        limits = Limits(count=window.count, share=window.share, least=least)
        return make_scene(seed, limits, size)

    def _shrunk(self, canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Shrink three in ten canvases, as at a smaller scale, onto a canvas of the mean colour."""
        if rng.random() > 0.3:
            return canvas
        alpha = rng.uniform(0.45, 1.0)
        return np.asarray(Canvas.of(canvas).shrunk(alpha, BICUBIC, self.mean_colour).image)

    def _places(
        self, tensors: Mapping[str, torch.Tensor], patch: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows and columns of the window's patches."""
        pixels, corner = tensors["pixels"], tensors["corner"]
        inner = torch.arange(pixels.shape[-1] // patch, device=pixels.device)
        row, column = (corner * (self.token_px // patch)).tolist()
        return row + inner, column + inner


def position_ids(rows: torch.Tensor, columns: torch.Tensor, width: int) -> torch.Tensor:
    """Return indices into the position embeddings: the class token's, then the patches'."""
    places = 1 + (rows[:, None] * width + columns[None, :]).ravel()
    return torch.cat([places.new_zeros(1), places])
