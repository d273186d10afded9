"""LLaVA-NeXT and LLaVA-OneVision: the whole picture in one tile, and then in as many as fit it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from PIL import Image
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution

from explainer.errors import ModelError
from explainer.models.families.canvas import Box, Canvas, mean_colour, tiles_of
from explainer.models.families.llava import Llava
from explainer.models.inputs import InputPicture
from explainer.run import View


class LlavaNext(Llava):
    """LLaVA-NeXT (1.6), with a CLIP tower.

    The picture is squashed into one tile. Then it is fitted into the best of a few rectangles of
    tiles, in the middle of black: the tokens of all tiles are one grid, of which rows or columns of
    black are left out. A row ends with a mark, a visual token that belongs to no part of the
    picture: it is a further column of the grid, which sees nothing.

    A smaller scale shrinks the picture on canvases of the mean colour; there is no larger one.
    Tokens of a tile that is no multiple of a patch (384 and 14 pixels) are spread evenly over it.
    """

    label = "LLaVA-NeXT"
    model_class = "LlavaNextForConditionalGeneration"
    processor_class = "LlavaNextImageProcessorPil"
    template = (
        "{% for message in messages %}{% if message['role'] == 'user' %}[INST] {% endif %}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
        "{% if message['role'] == 'user' %} [/INST]{% endif %}{% endfor %}"
    )
    note = "The picture is read twice: squashed into one tile, and in tiles that fit its shape."

    @classmethod
    def load_processor(cls, name: str, revision: str | None) -> Any:
        return getattr(transformers, cls.processor_class).from_pretrained(name, revision=revision)

    def check(self) -> None:
        super().check()
        ours, theirs = self.processor.image_grid_pinpoints, self.model.config.image_grid_pinpoints
        if sorted(map(list, ours)) != sorted(map(list, theirs)):
            raise ModelError(
                f"{self.model_id}: preprocessor_config.json and config.json name other "
                "image_grid_pinpoints; make them agree"
            )
        if any(length % self.side for size in theirs for length in size):
            raise ModelError(
                f"{self.model_id}: image_grid_pinpoints are no whole tiles of {self.side} x "
                f"{self.side}; use the config.json of these weights"
            )

    @property
    def most_tiles(self) -> float:
        """Return from how many tiles on tokens are joined; here they never are."""
        return math.inf

    def canvas(self, image: npt.NDArray[np.uint8]) -> Canvas:
        """Return a (H, W, 3) uint8 picture squashed into one tile."""
        return Canvas.of(image).resized(self.side, self.side, self.processor.resample)

    def fitted(self, image: npt.NDArray[np.uint8]) -> Canvas:
        """Return the picture in the middle of the rectangle of tiles that fits it best."""
        best = select_best_resolution(image.shape[:2], self.model.config.image_grid_pinpoints)
        height, width = get_patch_output_size(image, best, "channels_last")
        canvas = Canvas.of(image).resized(width, height, self.processor.resample)
        left, top = (best[1] - width) // 2, (best[0] - height) // 2
        return canvas.placed(best[1], best[0], left, top)

    def read_part(
        self, image: npt.NDArray[np.uint8], canvas: Canvas
    ) -> tuple[tuple[int, int], Box]:
        """Return rows and columns of the tokens that are read of tiles, and where they lie.

        The model leaves out what it takes for black beside the picture, in whole tokens, and joins
        tokens where there are too many.
        """
        height, width = image.shape[:2]
        n = self.side // self.cell
        rows, columns = canvas.image.height // self.side * n, canvas.image.width // self.side * n
        top = left = 0
        if width / height > columns / rows:
            top = (rows - int(round(height * (columns / width), 7))) // 2
        else:
            left = (columns - int(round(width * (rows / height), 7))) // 2
        pitch = self.side / n
        box = (left * pitch, top * pitch, (columns - left) * pitch, (rows - top) * pitch)
        rows, columns = rows - 2 * top, columns - 2 * left
        ratio = math.sqrt(rows * columns / (self.most_tiles * n**2))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
        return (rows, columns), box

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        processor, n = self.processor, self.side // self.cell
        whole = self.canvas(image).shrunk(alpha, processor.resample, mean_colour(processor))
        fitted = self.fitted(image)
        (rows, columns), box = self.read_part(image, fitted)
        fitted = fitted.shrunk(alpha, processor.resample, mean_colour(processor))
        rects = np.full((rows, columns + 1, 4), np.nan, np.float32)  # the marks see nothing
        rects[:, :-1] = fitted.rects_within(box, (rows, columns)).reshape(rows, columns, 4)
        square = (0.0, 0.0, float(self.side), float(self.side))
        views = (
            View(0, (rows, columns + 1), rects.reshape(-1, 4)),
            View(0, (n, n), whole.rects_within(square, (n, n))),
        )
        pixels = [self._values(tile) for tile in [whole.image, *tiles_of(fitted.image, self.side)]]
        tensors = {
            "pixel_values": torch.from_numpy(np.stack(pixels)[None]),
            "image_sizes": torch.tensor([image.shape[:2]]),
        }
        first, last = np.arange(n * n), n * n + np.arange(rows * (columns + 1))
        return InputPicture(views, tensors, np.concatenate([last, first]))

    def _values(self, tile: Image.Image) -> npt.NDArray[np.float32]:
        """Return (3, H, W): what the image processor makes of a tile's pixels."""
        processor = self.processor
        pixels = np.asarray(tile).transpose(2, 0, 1)
        scaled = processor.rescale(image=pixels, scale=processor.rescale_factor)
        mean, std = processor.image_mean, processor.image_std
        return processor.normalize(image=scaled, mean=mean, std=std)


class LlavaOneVision(LlavaNext):
    """LLaVA-OneVision, with a SigLIP tower and up to 6 x 6 tiles.

    Above 9 tiles, tokens are joined until there are as many as 9 tiles have.
    """

    label = "LLaVA-OneVision"
    model_class = "LlavaOnevisionForConditionalGeneration"
    processor_class = "LlavaOnevisionImageProcessorPil"
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }} "
        "{% if message['content'] is string %}\n{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )

    def check(self) -> None:
        super().check()
        said = self.model.config.vision_aspect_ratio
        if not re.fullmatch(r"anyres_max_[1-9][0-9]?", said):
            raise ModelError(
                f"{self.model_id}: vision_aspect_ratio {said!r} in config.json is not supported; "
                "supported: 'anyres_max_9' and other numbers of tiles"
            )

    @property
    def most_tiles(self) -> float:
        return int(self.model.config.vision_aspect_ratio.removeprefix("anyres_max_"))
