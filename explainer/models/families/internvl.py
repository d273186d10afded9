"""InternVL2.5, 3 and 3.5: tiles of one fixed size, one token for a block of patches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.families.canvas import Canvas, mean_colour, tiles_of, tiles_row_major
from explainer.models.inputs import InputPicture
from explainer.run import View

MOST_TILES = 12  # what the models were trained with


class InternVL(Family):
    """InternVL in the layout of transformers.

    By default the picture is squashed into one square tile. With the option `tiles` it is cut into
    up to that many, as its shape asks for, and a thumbnail of the whole is read after them.

    A smaller scale shrinks the picture on a canvas of the mean colour, in the middle, in the tiles
    of scale 1: the number of tiles follows from the shape alone, so that a picture made smaller
    beforehand would only be blurred. There is no larger scale.
    """

    label = "InternVL"
    model_class = "InternVLForConditionalGeneration"
    processor_class = "GotOcr2ImageProcessorPil"
    image_token = "<IMG_CONTEXT>"
    opening = "<img>"
    closing = "</img>"
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<IMG_CONTEXT>\n{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    alphas = (0.1, 1.0)
    max_images = 16
    note = "The picture is stretched to a square of one fixed size, or cut into such tiles."
    OPTIONS = ("tiles",)

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
    def tiles(self) -> int:
        """Return the largest number of tiles, besides the thumbnail."""
        return self.options.get("tiles", 1)

    def check(self) -> None:
        super().check()
        config, tiles = self.model.config, self.tiles
        whole = isinstance(tiles, int) and not isinstance(tiles, bool)
        if not whole or not 1 <= tiles <= MOST_TILES:
            raise ModelError(f"tiles must be a whole number in 1..{MOST_TILES}, got {tiles!r}")
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

    def layout(self, height: int, width: int) -> tuple[int, int]:
        """Return (rows, columns) of the tiles that a picture is cut into."""
        size = (self.side, self.side)
        columns, rows = get_optimal_tiled_canvas((height, width), size, 1, self.tiles)
        return rows, columns

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        rows, columns = self.layout(*image.shape[:2])
        canvases = [self._canvas(image, rows, columns, alpha)]
        if rows * columns > 1:
            canvases.append(self._canvas(image, 1, 1, alpha))
        tensors = self.processor(
            images=[tile for canvas in canvases for tile in tiles_of(canvas.image, self.side)],
            do_resize=False,
            crop_to_patches=False,
            return_tensors="pt",
        )
        n = self.side // self.cell  # tokens along the side of a tile
        grids = [(rows * n, columns * n), (n, n)]
        views = tuple(
            View(0, grid, canvas.rects(grid, self.cell))
            for grid, canvas in zip(grids, canvases, strict=False)
        )
        order = tiles_row_major(rows, columns, n)
        order = np.concatenate([order, np.arange(len(order), sum(map(len, views)))])
        return InputPicture(views, {"pixel_values": tensors["pixel_values"]}, order)

    def _canvas(
        self, image: npt.NDArray[np.uint8], rows: int, columns: int, alpha: float
    ) -> Canvas:
        """Return the picture stretched to whole tiles."""
        resample = self.processor.resample
        canvas = Canvas.of(image).resized(columns * self.side, rows * self.side, resample)
        return canvas.shrunk(alpha, resample, mean_colour(self.processor))
