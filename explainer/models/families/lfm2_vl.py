"""LFM2-VL and LFM2.5-VL: one block of any shape, or tiles of one size and a thumbnail."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.families.canvas import tiles_row_major
from explainer.models.inputs import InputPicture, grid_rects
from explainer.run import View

Size = tuple[int, int]  # height, width

_MOST_TILES = 64  # of a picture; published models have 10
_MODES = {2: "bilinear", 3: "bicubic"}  # what PIL's numbers of resampling are for torch


@dataclass(frozen=True)
class Lfm2Pictures:
    """The preprocessing of LFM2-VL, from its config.

    transformers has it with torchvision only; the results are equal to its own. A picture is
    stretched to whole cells of `encoder_patch_size * downsample_factor` pixels, with
    `min_image_tokens` to `max_image_tokens` of them. One that is larger by `max_pixels_tolerance`
    is cut into `min_tiles` to `max_tiles` tiles, and its small version is read after these.
    """

    downsample_factor: int = 2
    do_image_splitting: bool = True
    min_tiles: int = 2
    max_tiles: int = 10
    use_thumbnail: bool = True
    min_image_tokens: int = 64
    max_image_tokens: int = 256
    encoder_patch_size: int = 16
    tile_size: int = 512
    max_pixels_tolerance: float = 2.0
    resample: int = 2
    rescale_factor: float = 1 / 255
    image_mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    image_std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Lfm2Pictures:
        """Return the preprocessing of these settings; those that are not listed have no effect."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in known})

    @property
    def is_sound(self) -> bool:
        """Return whether all numbers are positive, and tiles not too many."""
        numbers = [self.downsample_factor, self.encoder_patch_size, self.tile_size, self.min_tiles]
        numbers += [self.max_tiles, self.min_image_tokens, self.max_image_tokens]
        whole = all(type(n) is int and n > 0 for n in numbers)
        return whole and self.min_tiles <= self.max_tiles <= _MOST_TILES

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of the model's input."""
        return self.encoder_patch_size * self.downsample_factor

    def whole(self, height: int, width: int) -> Size:
        """Return the size of the picture as one block."""
        cell, area = self.cell, height * width
        rounded = [max(cell, round(side / cell) * cell) for side in (height, width)]
        least, most = (n * cell**2 for n in (self.min_image_tokens, self.max_image_tokens))
        if math.prod(rounded) > most:
            shrink = math.sqrt(area / most)
            rounded = [
                max(cell, math.floor(side / shrink / cell) * cell) for side in (height, width)
            ]
        elif math.prod(rounded) < least:
            grow = math.sqrt(least / area)
            rounded = [math.ceil(side * grow / cell) * cell for side in (height, width)]
        return rounded[0], rounded[1]

    def tiles(self, height: int, width: int) -> tuple[int, int]:
        """Return (rows, columns) of the tiles of a picture, (1, 1) for one block."""
        sides = [
            max(self.encoder_patch_size, round(side / self.cell) * self.cell)
            for side in (height, width)
        ]
        most = self.max_image_tokens * self.cell**2 * self.max_pixels_tolerance
        never = not self.do_image_splitting or self.min_tiles == self.max_tiles == 1
        if never or math.prod(sides) <= most:
            return 1, 1
        best, apart = (1, 1), math.inf
        for columns, rows in self._grids():
            difference = abs(width / height - columns / rows)
            large = height * width > 0.5 * self.tile_size**2 * rows * columns
            if difference < apart or (difference == apart and large):
                best, apart = (rows, columns), difference
        return best

    def _grids(self) -> list[tuple[int, int]]:
        """Return all (columns, rows) that are allowed, in the order of the original.

        It sorts a set by the number of tiles, so that equal ones keep the set's order.
        """
        low, high = self.min_tiles, self.max_tiles
        found = {
            (columns, rows)
            for n in range(low, high + 1)
            for columns in range(1, n + 1)
            for rows in range(1, n + 1)
            if low <= columns * rows <= high
        }
        return sorted(found, key=lambda grid: grid[0] * grid[1])

    def resized(self, image: npt.NDArray[np.uint8], size: Size) -> torch.Tensor:
        """Return the (H, W, 3) picture as (3, *size) uint8, by the kernel that torchvision uses."""
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        if pixels.shape[-2:] == size:
            return pixels[0]
        mode = _MODES[self.resample]
        return nn.functional.interpolate(
            pixels, size=size, mode=mode, align_corners=False, antialias=True
        )[0]

    def patches(self, block: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (length, features) float32 of a block (3, h, w), and which of them are no padding.

        Patches are row-major; a block of more than `length` keeps all of its patches.
        """
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.image_mean, self.image_std))
        scaled = (block.float() - mean / self.rescale_factor) / (std / self.rescale_factor)
        side = self.encoder_patch_size
        rows, columns = (n // side for n in block.shape[1:])
        cut = scaled.reshape(-1, rows, side, columns, side).permute(1, 3, 2, 4, 0)
        found = cut.reshape(rows * columns, -1)
        padding = max(0, length - len(found))
        mask = torch.ones(len(found) + padding, dtype=torch.int32)
        mask[len(found) :] = 0
        return nn.functional.pad(found, (0, 0, 0, padding)), mask

    def length(self, alpha: float) -> int:
        """Return how many patches blocks are padded to at scale `alpha`.

        At scale 1 that is what the original pads to. At others the sides of a block are rounded to
        whole tokens, so that r x c tokens become at most (alpha r + 1/2) (alpha c + 1/2).
        """
        tile = (self.tile_size // self.encoder_patch_size) ** 2 if self.do_image_splitting else 0
        most = max(self.max_image_tokens * self.downsample_factor**2, tile)
        if alpha == 1:
            return most
        tokens = math.ceil(most / self.downsample_factor**2)
        return math.ceil(alpha**2 * tokens + alpha * (tokens + 1) / 2 + 1) * (
            self.downsample_factor**2
        )


class Lfm2VL(Family):
    """LFM2-VL and LFM2.5-VL: convolutions in most layers of the decoder, attention in the others.

    A scale applies to what the preprocessing arrives at: the sides of the block, or of each tile
    and of the thumbnail. The number of tiles is that of scale 1.
    """

    label = "LFM2-VL"
    model_class = "Lfm2VlForConditionalGeneration"
    processor_class = "Lfm2VlImageProcessor"
    image_token = "<image>"
    opening, closing = "<|image_start|>", "<|image_end|>"
    thumbnail = "<|img_thumbnail|>"
    template = (
        "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    max_images = 16
    photo_tokens = 430
    note = "Large pictures are stretched to tiles of one size, and read once more as a whole."

    processor: Lfm2Pictures

    @classmethod
    def load_processor(cls, name: str, revision: str | None) -> Lfm2Pictures:
        """Return the preprocessing that the files of a folder describe."""
        files = [Path(name) / f"{kind}_config.json" for kind in ("preprocessor", "processor")]
        alone, whole = (json.loads(f.read_text()) if f.is_file() else {} for f in files)
        return Lfm2Pictures.of({**alone, **whole.get("image_processor", {})})

    @classmethod
    def extra_marks(cls) -> tuple[str, ...]:
        most = range(1, Lfm2Pictures.max_tiles + 1)
        return (cls.thumbnail, *(f"<|img_row_{r}_col_{c}|>" for r in most for c in most))

    @property
    def final_norm(self) -> nn.Module:
        return self.decoder.embedding_norm

    @staticmethod
    def mlp_norm(layer: nn.Module) -> nn.Module:
        return layer.ffn_norm

    @property
    def cell(self) -> int:
        return self.processor.cell

    def check(self) -> None:
        super().check()
        made, config = self.processor, self.model.config
        if not made.is_sound:
            raise ModelError(
                f"{self.model_id}: its image processor's settings are damaged: sizes and numbers "
                f"of tiles and tokens must be whole, above 0, and tiles at most {_MOST_TILES}"
            )
        for ours, value, theirs in (
            ("encoder_patch_size", made.encoder_patch_size, config.vision_config.patch_size),
            ("downsample_factor", made.downsample_factor, config.downsample_factor),
        ):
            if value != theirs:
                raise ModelError(
                    f"{self.model_id}: its image processor has {ours} {value}, config.json has "
                    f"{theirs}; make them agree"
                )
        if made.tile_size % made.cell or made.resample not in _MODES:
            raise ModelError(
                f"{self.model_id}: tiles of {made.tile_size} px with tokens of {made.cell} px and "
                f"resampling {made.resample} are not supported; tiles are whole tokens, resampling "
                "is 2 (bilinear) or 3 (bicubic)"
            )
        marks = [self.opening, self.closing]
        if made.do_image_splitting:
            marks += [self.thumbnail, "<|img_row_1_col_1|>"]
        for mark in marks:
            if self.codec.special_id(mark) is None:
                raise ModelError(f"{self.model_id}: the tokenizer has no special token {mark}")

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        made, cell = self.processor, self.cell
        height, width = image.shape[:2]
        rows, columns = made.tiles(height, width)
        small = self._scaled(made.whole(height, width), alpha)
        blocks, grids, layout, order = [], [], [], np.zeros(0, np.intp)
        if rows * columns > 1:
            side = self._scaled((made.tile_size, made.tile_size), alpha)[0]
            large = made.resized(image, (rows * side, columns * side))
            at = list(product(range(rows), range(columns)))
            blocks += [
                large[:, r * side : (r + 1) * side, c * side : (c + 1) * side] for r, c in at
            ]
            n = side // cell
            grids.append((rows * n, columns * n))
            layout += [p for r, c in at for p in (f"<|img_row_{r + 1}_col_{c + 1}|>", n * n)]
            order = tiles_row_major(rows, columns, n)
        if rows * columns == 1 or made.use_thumbnail:
            blocks.append(made.resized(image, small))
            grids.append((small[0] // cell, small[1] // cell))
            layout += [*([self.thumbnail] if rows * columns > 1 else []), math.prod(grids[-1])]
            order = np.concatenate([order, len(order) + np.arange(math.prod(grids[-1]))])
        parts = [made.patches(block, made.length(alpha)) for block in blocks]
        shapes = [[n // made.encoder_patch_size for n in block.shape[1:]] for block in blocks]
        views = tuple(View(0, grid, grid_rects(grid, width, height)) for grid in grids)
        tensors = {
            "pixel_values": torch.stack([patches for patches, _ in parts]),
            "pixel_attention_mask": torch.stack([mask for _, mask in parts]),
            "spatial_shapes": torch.tensor(shapes),
        }
        return InputPicture(views, tensors, order, tuple(layout))

    def _scaled(self, size: Size, alpha: float) -> Size:
        """Return a size at scale `alpha`: whole cells, at least one."""
        height, width = (max(1, round(alpha * side / self.cell)) * self.cell for side in size)
        return height, width
