"""SmolVLM, SmolVLM2 and Idefics3: tiles with their row and column before each, and the whole."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image
from transformers import PreTrainedModel
from transformers.models.idefics3.image_processing_pil_idefics3 import get_resize_output_image_size

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.families.canvas import tiles_of, tiles_row_major
from explainer.models.inputs import InputPicture, grid_rects
from explainer.run import View

AROUND, WHOLE = "<fake_token_around_image>", "<global-img>"


class SmolVLM(Family):
    """SmolVLM and SmolVLM2, which read pictures as Idefics3 does.

    The longer side of a picture is stretched to a few tiles, the shorter one to as many as its
    shape asks for. The tiles are read row by row, and after them the whole picture in one tile. At
    a smaller scale the longer side has fewer tiles, as in the image processor with a smaller
    `longest_edge`; one tile alone is the whole picture. So it is with the option `tiles`, which
    bounds the number of tiles at scale 1. There is no larger scale: the models know no further rows
    and columns.

    Where a tile is no multiple of a token (384 and 42 pixels), its tokens are spread evenly over
    it, and so lie at most 6 of its pixels beside what they hold.
    """

    label = "SmolVLM"
    model_class = "SmolVLMForConditionalGeneration"
    processor_class = "SmolVLMImageProcessorPil"
    image_token = "<image>"
    template = (
        "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
        "{% if message['content'] is string %}: {{ message['content'] }}{% else %}"
        "{% if message['content'][0]['type'] == 'image' %}:{% else %}: {% endif %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<end_of_utterance>\n"
        "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    alphas = (0.1, 1.0)
    max_images = 16
    photo_tokens = 1790
    patches_per_token = 16
    note = "The picture is stretched to tiles of one fixed size, and read once more as a whole."
    OPTIONS = ("tiles",)

    @classmethod
    def extra_marks(cls) -> tuple[str, ...]:
        most = range(1, 5)
        return (AROUND, WHOLE, *(f"<row_{r}_col_{c}>" for r in most for c in most))

    @property
    def decoder(self) -> PreTrainedModel:
        return self.base.text_model

    @property
    def side(self) -> int:
        """Return the side of a tile in pixels."""
        return int(self.processor.max_image_size["longest_edge"])

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of a tile."""
        return int(self.model.config.vision_config.patch_size * self.model.config.scale_factor)

    def check(self) -> None:
        super().check()
        config, edge = self.model.config, self.processor.size.get("longest_edge")
        if self.codec.special_id(AROUND) is None:
            raise ModelError(f"{self.model_id}: the tokenizer has no special token {AROUND}")
        wanted = config.vision_config.image_size
        if self.side != wanted or not edge:
            raise ModelError(
                f"{self.model_id}: preprocessor_config.json has a longest_edge of {edge} and tiles "
                f"of {self.side}, the vision tower takes tiles of {wanted}; make them agree"
            )

    def resized(self, image: npt.NDArray[np.uint8], alpha: float) -> Image.Image:
        """Return the (H, W, 3) picture stretched to whole tiles at scale `alpha`."""
        longest = self._longest(image)
        if alpha != 1:
            longest = max(1, round(alpha * longest / self.side)) * self.side
        made = Image.fromarray(image)
        if self.processor.do_resize:
            made = made.resize(self._first_size(image, longest), self.processor.resample)
        size = (self.side, self.side)
        if self.processor.do_image_splitting:
            size = self._whole_tiles(*made.size)
        return made.resize(size, self.processor.resample)

    def _longest(self, image: npt.NDArray[np.uint8]) -> int:
        """Return the longer side of a picture at scale 1, in pixels.

        It is the image processor's, or shorter where that would make more tiles than the option
        `tiles` allows.
        """
        own = int(self.processor.size["longest_edge"])
        for along in range(math.ceil(own / self.side), 1, -1):
            longest = min(own, along * self.side)
            width, height = self._whole_tiles(*self._first_size(image, longest))
            if width * height <= self.options.get("tiles", math.inf) * self.side**2:
                return longest
        return min(own, self.side)

    def _first_size(self, image: npt.NDArray[np.uint8], longest: int) -> tuple[int, int]:
        """Return the (width, height) of a picture whose longer side is as long as that."""
        height, width = get_resize_output_image_size(image.transpose(2, 0, 1), longest)
        return width, height

    def _whole_tiles(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of whole tiles, as the image processor arrives at them."""
        ratio, side = width / height, self.side
        if width >= height:
            width = math.ceil(width / side) * side
            return width, math.ceil(int(width / ratio) / side) * side
        height = math.ceil(height / side) * side
        return math.ceil(int(height * ratio) / side) * side, height

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        resized, n = self.resized(image, alpha), self.side // self.cell
        rows, columns = resized.height // self.side, resized.width // self.side
        tiles, grids = tiles_of(resized, self.side), [(n, n)]
        order = tiles_row_major(rows, columns, n)
        if rows * columns > 1:
            tiles.append(resized.resize((self.side, self.side), self.processor.resample))
            grids.insert(0, (rows * n, columns * n))
            order = np.concatenate([order, len(order) + np.arange(n * n)])
        pixels = self.processor(
            images=tiles, do_resize=False, do_image_splitting=False, return_tensors="pt"
        )["pixel_values"]
        height, width = image.shape[:2]
        views = tuple(View(0, grid, grid_rects(grid, width, height)) for grid in grids)
        # Each tile as a picture of its own: these can be joined with those of other pictures.
        tensors = {"pixel_values": pixels.transpose(0, 1)}
        return InputPicture(views, tensors, order, _layout(rows, columns, n * n))


def _layout(rows: int, columns: int, n: int) -> tuple[str | int, ...]:
    """Return the layout of tiles of n tokens each, with marks as the checkpoints' processor has."""
    parts: list[str | int] = []
    if rows * columns > 1:
        for row, column in product(range(rows), range(columns)):
            new_row = "\n" if row and not column else ""
            parts += [f"{new_row}{AROUND}<row_{row + 1}_col_{column + 1}>", n]
        parts.append("\n\n")
    return (*parts, f"{AROUND}{WHOLE}", n, AROUND)


class Idefics3(SmolVLM):
    """Idefics3: the same inputs and layout, and names of rows and columns that are plain text."""

    label = "Idefics3"
    model_class = "Idefics3ForConditionalGeneration"
    processor_class = "Idefics3ImageProcessorPil"
    template = SmolVLM.template.replace("<|im_start|>", "<|begin_of_text|>", 1)
