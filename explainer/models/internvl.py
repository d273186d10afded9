"""InternVL2.5 and 3: tiles of one fixed size, one token for a block of patches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explainer.errors import ModelError
from explainer.models.base import Family, Picture
from explainer.models.canvas import Canvas
from explainer.run import View


class InternVL(Family):
    """InternVL in the layout of transformers: the picture squashed into one square tile.

    A smaller scale shrinks the tile on a canvas of the mean colour, in the middle; there is no
    larger one.
    """

    label = "InternVL"
    model_class = "InternVLForConditionalGeneration"
    processor_class = "GotOcr2ImageProcessorPil"
    image_token = "<IMG_CONTEXT>"
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<IMG_CONTEXT>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    alphas = (0.1, 1.0)
    opening = "<img>"
    closing = "</img>"

    @property
    def side(self) -> int:
        """Return the side of a tile in pixels."""
        return int(self.model.config.vision_config.image_size[0])

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of a tile."""
        config = self.model.config
        return round(config.vision_config.patch_size[0] / config.downsample_ratio)

    @property
    def colour(self) -> tuple[int, ...]:
        """Return the mean colour of the image processor."""
        return tuple(int(255 * mean) for mean in self.processor.image_mean)

    def check(self) -> None:
        super().check()
        config = self.model.config
        for token in (self.opening, self.closing):
            if self.codec.special_id(token) is None:
                raise ModelError(f"{self.model_id}: the tokenizer has no special token {token}")
        if config.vision_feature_select_strategy != "default":
            raise ModelError(
                f"{self.model_id}: feature selection {config.vision_feature_select_strategy!r} is "
                "not supported; supported: 'default'"
            )
        size, sides = self.processor.size, config.vision_config.image_size
        if not self.side == sides[1] == size["height"] == size["width"] or self.side % self.cell:
            raise ModelError(
                f"{self.model_id}: preprocessor_config.json makes tiles of {size['width']} x "
                f"{size['height']}, config.json has {sides[1]} x {sides[0]} and tokens of "
                f"{self.cell}; make them agree"
            )

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> Picture:
        resample = self.processor.resample
        canvas = Canvas.of(image).resized(self.side, self.side, resample)
        canvas = canvas.shrunk(alpha, resample, self.colour)
        tensors = self.processor(
            images=canvas.image, do_resize=False, crop_to_patches=False, return_tensors="pt"
        )
        grid = (self.side // self.cell,) * 2
        rects = canvas.rects(grid, self.cell)
        return Picture((View(0, grid, rects),), {"pixel_values": tensors["pixel_values"]})
