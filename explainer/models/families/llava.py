"""LLaVA-1.5: pictures at one fixed size, one token for a patch of the vision tower."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import transformers

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.families.canvas import Canvas, mean_colour
from explainer.models.inputs import InputPicture
from explainer.run import View

# Whether a vision tower puts a class token before its patches, and so which of the two strategies
# leaves one feature for each patch.
_STRATEGIES = {"clip_vision_model": "default", "siglip_vision_model": "full"}
_PROCESSORS = ("CLIPImageProcessor", "LlavaImageProcessor", "SiglipImageProcessor")


class Llava(Family):
    """LLaVA-1.5 and checkpoints of its architecture, with a CLIP or SigLIP tower.

    The picture is cropped to its centre, padded to a square or squashed into one, as the image
    processor of the checkpoint has it. A smaller scale shrinks that square on a canvas of the mean
    colour, in the middle; there is no larger one.
    """

    label = "LLaVA"
    patches_per_token = 1
    model_class = "LlavaForConditionalGeneration"
    processor_class = "LlavaImageProcessorPil"
    image_token = "<image>"
    template = (
        "{% for message in messages %}{{ message['role'] | upper }}: "
        "{% if message['content'] is string %}{{ message['content'] }} {% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
        "{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    )
    alphas = (0.1, 1.0)
    note = "The picture is read at one fixed size; what is cut off at its sides is never seen."

    @classmethod
    def load_processor(cls, name: str, revision: str | None) -> Any:
        """Return the checkpoint's own kind of image processor: each cuts pictures its own way."""
        base = getattr(transformers, cls.processor_class)
        settings, _ = base.get_image_processor_dict(name, revision=revision)
        kind = settings.get("image_processor_type") or _PROCESSORS[0]
        kind = kind.removesuffix("Fast").removesuffix("Pil")
        if kind not in _PROCESSORS:
            raise ModelError(
                f"{name} prepares pictures with {kind}; supported for {cls.label}: "
                f"{', '.join(_PROCESSORS)}"
            )
        return getattr(transformers, f"{kind}Pil").from_pretrained(name, revision=revision)

    @property
    def side(self) -> int:
        """Return the side of the vision tower's input in pixels."""
        return int(self.model.config.vision_config.image_size)

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of the model's input."""
        return int(self.model.config.vision_config.patch_size)

    def check(self) -> None:
        super().check()
        config = self.model.config
        tower, strategy = config.vision_config.model_type, config.vision_feature_select_strategy
        if _STRATEGIES.get(tower) != strategy:
            known = ", ".join(f"{name} with {how!r}" for name, how in _STRATEGIES.items())
            raise ModelError(
                f"{self.model_id}: vision tower {tower} with feature selection {strategy!r} is not "
                f"supported; supported: {known}"
            )
        for size in ((self.side, 2 * self.side), (2 * self.side, self.side), (2, 2)):
            made = self.canvas(np.zeros((*size, 3), np.uint8)).image.size
            if made != (self.side, self.side):
                raise ModelError(
                    f"{self.model_id}: preprocessor_config.json makes pictures of {made[0]} x "
                    f"{made[1]}, the vision tower takes {self.side} x {self.side}; make them agree"
                )

    def canvas(self, image: npt.NDArray[np.uint8]) -> Canvas:
        """Return what the image processor makes of a (H, W, 3) uint8 picture, with its geometry."""
        processor, canvas = self.processor, Canvas.of(image)
        if getattr(processor, "do_pad", False) and "Llava" in type(processor).__name__:
            longest = max(image.shape[:2])
            canvas = canvas.centred(longest, longest, mean_colour(self.processor))
        if processor.do_resize:
            size = _output_size(*canvas.image.size, processor.size)
            canvas = canvas.resized(*size, processor.resample)
        if getattr(processor, "do_center_crop", False):
            crop = processor.crop_size
            canvas = canvas.centred(crop["width"], crop["height"])
        return canvas

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        canvas = self.canvas(image).shrunk(
            alpha, self.processor.resample, mean_colour(self.processor)
        )
        tensors = self.processor(
            images=canvas.image,
            do_resize=False,
            do_center_crop=False,
            do_pad=False,
            return_tensors="pt",
        )
        grid = (self.side // self.cell,) * 2
        rects = canvas.rects(grid, self.cell)
        return InputPicture((View(0, grid, rects),), {"pixel_values": tensors["pixel_values"]})


def _output_size(width: int, height: int, wanted: Any) -> tuple[int, int]:
    """Return the (width, height) that an image processor's `size` resizes a picture to."""
    edge = wanted.get("shortest_edge")
    if not edge:
        return wanted["width"], wanted["height"]
    short, long = sorted((width, height))
    longest = int(edge * long / short)
    return (edge, longest) if width <= height else (longest, edge)
