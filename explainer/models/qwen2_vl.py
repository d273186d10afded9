"""Qwen2-VL and Qwen2.5-VL: pictures at their own resolution, one token for a block of patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from explainer.errors import ModelError
from explainer.models.base import Family, Inputs, Picture, grid_rects
from explainer.run import View


class Qwen2VL(Family):
    """Qwen2-VL and checkpoints of its architecture, of any patch size."""

    label = "Qwen2-VL"
    model_class = "Qwen2VLForConditionalGeneration"
    processor_class = "Qwen2VLImageProcessorPil"
    image_token = "<|image_pad|>"
    max_images = 16
    template = (
        "{% if messages[0]['role'] != 'system' %}"
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of the model's input."""
        vision = self.model.config.vision_config
        return int(vision.patch_size) * int(vision.spatial_merge_size)

    def check(self) -> None:
        super().check()
        vision = self.model.config.vision_config
        for ours, theirs in (
            ("patch_size", vision.patch_size),
            ("merge_size", vision.spatial_merge_size),
            ("temporal_patch_size", vision.temporal_patch_size),
        ):
            if getattr(self.processor, ours) != theirs:
                raise ModelError(
                    f"{self.model_id}: preprocessor_config.json has {ours} "
                    f"{getattr(self.processor, ours)}, config.json has {theirs}; make them agree"
                )

    def input_size(self, height: int, width: int, alpha: float) -> tuple[int, int]:
        """Return (height, width) of the model's input: whole cells, at least one."""
        limits = self.processor.size
        resized = smart_resize(
            height, width, self.cell, limits["shortest_edge"], limits["longest_edge"]
        )
        rows, columns = (max(1, round(alpha * side / self.cell)) for side in resized)
        return rows * self.cell, columns * self.cell

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> Picture:
        height, width = self.input_size(*image.shape[:2], alpha)
        resized = Image.fromarray(image).resize((width, height), self.processor.resample)
        tensors = self.processor(images=resized, do_resize=False, return_tensors="pt")
        grid = (height // self.cell, width // self.cell)
        rects = grid_rects(grid, width=image.shape[1], height=image.shape[0])
        return Picture((View(0, grid, rects),), dict(tensors))

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return the sequence with its three-dimensional positions worked out.

        They are passed in rather than left to the model, which would keep the offset of the last
        picture as state: here several recordings may take turns.
        """
        tensors = super().forward_inputs(inputs)
        kinds = torch.zeros_like(tensors["input_ids"])
        kinds[:, list(inputs.visual)] = 1
        positions, _ = self.base.get_rope_index(
            tensors["input_ids"],
            mm_token_type_ids=kinds,
            image_grid_thw=tensors["image_grid_thw"],
        )
        return {**tensors, "position_ids": positions}

    def step_inputs(self, forward_inputs: Mapping[str, torch.Tensor], step: int) -> dict[str, Any]:
        position = int(forward_inputs["position_ids"].max()) + 1 + step
        return {"position_ids": torch.full((3, 1, 1), position)}


class Qwen25VL(Qwen2VL):
    """Qwen2.5-VL: the same inputs and layout, another vision tower."""

    label = "Qwen2.5-VL"
    model_class = "Qwen2_5_VLForConditionalGeneration"
