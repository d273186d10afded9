"""Gemma 3: pictures of one fixed size, whose visual tokens see each other in both directions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.families.canvas import Canvas, mean_colour
from explainer.models.inputs import InputPicture, Inputs
from explainer.run import View


class Gemma3(Family):
    """Gemma 3 from 4B up, which see pictures; the 1B model reads text only.

    The picture is squashed into one square. Crops of long pictures ("pan and scan"), which the
    image processor makes only when it is told to, are left out. A smaller scale shrinks the square
    on a canvas of the mean colour, in the middle; there is no larger one.

    The visual tokens of a picture see each other whatever their order, and what follows sees them
    as in other models. The model knows them by `token_type_ids` and reads pictures causally where
    these are left out.
    """

    label = "Gemma 3"
    patches_per_token = 16
    model_class = "Gemma3ForConditionalGeneration"
    processor_class = "Gemma3ImageProcessorPil"
    image_token = "<image_soft_token>"
    image_mark = "<start_of_image>"
    opening = "\n\n<start_of_image>"
    closing = "<end_of_image>\n\n"
    template = (
        "{{ bos_token }}{% set system = '' %}{% if messages[0]['role'] == 'system' %}"
        "{% set system = messages[0]['content'][0]['text'] + '\n\n' %}"
        "{% set messages = messages[1:] %}{% endif %}{% for message in messages %}<start_of_turn>"
        "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
        "{{ system if loop.first else '' }}"
        "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<start_of_image>"
        "{% else %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endif %}<end_of_turn>\n"
        "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    )
    alphas = (0.1, 1.0)
    max_images = 16
    note = "The picture is stretched to a square of one fixed size."

    @property
    def side(self) -> int:
        """Return the side of the vision tower's input in pixels."""
        return int(self.model.config.vision_config.image_size)

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of the model's input."""
        return self.side // round(self.model.config.mm_tokens_per_image**0.5)

    def check(self) -> None:
        super().check()
        config, size = self.model.config, self.processor.size
        for token in ("<start_of_image>", "<end_of_image>"):
            if self.codec.special_id(token) is None:
                raise ModelError(f"{self.model_id}: the tokenizer has no special token {token}")
        if not self.side == size["height"] == size["width"]:
            raise ModelError(
                f"{self.model_id}: preprocessor_config.json makes pictures of {size['width']} x "
                f"{size['height']}, the vision tower takes {self.side} x {self.side}; make them "
                "agree"
            )
        if self.side % self.cell or self.cell % config.vision_config.patch_size:
            raise ModelError(
                f"{self.model_id}: {config.mm_tokens_per_image} visual tokens do not divide a "
                f"picture of {self.side} x {self.side} into whole patches; this layout is not "
                "supported"
            )

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        resample, side = self.processor.resample, self.side
        colour = mean_colour(self.processor)
        canvas = Canvas.of(image).resized(side, side, resample).shrunk(alpha, resample, colour)
        made = self.processor(
            images=canvas.image, do_resize=False, do_pan_and_scan=False, return_tensors="pt"
        )
        grid = (side // self.cell,) * 2
        view = View(0, grid, canvas.rects(grid, self.cell))
        return InputPicture((view,), {"pixel_values": made["pixel_values"]})

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return the sequence with what tells visual tokens (1) from text (0)."""
        tensors = super().forward_inputs(inputs)
        kinds = torch.zeros_like(tensors["input_ids"])
        kinds[:, list(inputs.visual)] = 1
        return {**tensors, "token_type_ids": kinds}
