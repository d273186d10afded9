"""Qwen2-VL and Qwen2.5-VL: pictures at their own resolution, one token for a block of patches."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.inputs import InputPicture, Inputs, grid_rects
from explainer.run import Video, View

STEP_TOKENS = 256  # visual tokens of one step of a video, at most

# The turns of a conversation, with the marks of pictures and videos in them.
TURNS = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif part['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Qwen2VL(Family):
    """Qwen2-VL and checkpoints of its architecture, of any patch size."""

    label = "Qwen2-VL"
    model_class = "Qwen2VLForConditionalGeneration"
    processor_class = "Qwen2VLImageProcessorPil"
    image_token = "<|image_pad|>"
    max_images = 16
    photo_tokens = 710
    video_token = "<|video_pad|>"
    batch_axis = MappingProxyType({"position_ids": 1})
    template = (
        "{% if messages[0]['role'] != 'system' %}"
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    ) + TURNS

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
        rows, columns = self._grid(height, width, self.processor.size["longest_edge"], alpha)
        return rows * self.cell, columns * self.cell

    def _grid(self, height: int, width: int, most: int, alpha: float) -> tuple[int, int]:
        """Return rows and columns of tokens; at scale 1 they cover at most `most` pixels."""
        least = min(most, self.processor.size["shortest_edge"])
        resized = smart_resize(height, width, self.cell, least, most)
        rows, columns = (max(1, round(alpha * side / self.cell)) for side in resized)
        return rows, columns

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        height, width = self.input_size(image.shape[0], image.shape[1], alpha)
        resized = Image.fromarray(image).resize((width, height), self.processor.resample)
        tensors = self.processor(images=resized, do_resize=False, return_tensors="pt")
        grid = (height // self.cell, width // self.cell)
        rects = grid_rects(grid, width=image.shape[1], height=image.shape[0])
        return InputPicture((View(0, grid, rects),), dict(tensors))

    @property
    def frames_per_step(self) -> int:
        return int(self.model.config.vision_config.temporal_patch_size)

    def video(self, video: Video, alpha: float) -> InputPicture:
        """Return the frames of a video at scale `alpha`: a step is made of `frames_per_step`.

        Frames are fitted to `STEP_TOKENS` tokens for each step, fewer where all steps together
        would fill more than half of the model's context.
        """
        size, (height, width) = self.frames_per_step, video.frames.shape[1:3]
        steps = len(video.frames) // size
        most = max(1, min(STEP_TOKENS, self.max_length // (2 * steps)))
        rows, columns = self._grid(height, width, most * self.cell**2, alpha)
        resized = [
            Image.fromarray(frame).resize(
                (columns * self.cell, rows * self.cell), self.processor.resample
            )
            for frame in video.frames
        ]
        patches = self.processor(images=resized, do_resize=False, return_tensors="pt")
        grid = patches["image_grid_thw"][:1].clone()
        grid[0, 0] = steps
        rects = grid_rects((rows, columns), width=width, height=height)
        return InputPicture(
            tuple(View(step, (rows, columns), rects) for step in range(steps)),
            {
                "pixel_values_videos": _in_steps(patches["pixel_values"], steps, size),
                "video_grid_thw": grid,
                "second_per_grid_ts": torch.tensor([size * video.interval]),
            },
        )

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return the sequence with its three-dimensional positions worked out.

        They are passed in rather than left to the model, which would keep the offset of the last
        picture as state: here several recordings may take turns.
        """
        tensors = super().forward_inputs(inputs)
        seconds = tensors.pop("second_per_grid_ts", None)
        grids = {name: t for name, t in tensors.items() if name.endswith("_grid_thw")}
        kinds = torch.zeros_like(tensors["input_ids"])
        kinds[:, list(inputs.visual)] = 2 if "video_grid_thw" in grids else 1
        positions, _ = self.base.get_rope_index(
            tensors["input_ids"], mm_token_type_ids=kinds, second_per_grid_ts=seconds, **grids
        )
        return {**tensors, "position_ids": positions}

    def step_inputs(self, forward_inputs: Mapping[str, torch.Tensor], step: int) -> dict[str, Any]:
        # Counted from the last token, as `generate` does it. The largest position so far may be a
        # later one: that of the last frame of a long video.
        position = int(forward_inputs["position_ids"][0, 0, -1]) + 1 + step
        return {"position_ids": torch.full((3, 1, 1), position)}


def _in_steps(patches: torch.Tensor, steps: int, size: int) -> torch.Tensor:
    """Return patches of `size` frames each from those of single frames, (F * n, features).

    The processor repeats a still picture until it fills a step: (n, channels, size, side * side).
    Of the k-th frame of a step only the k-th copy is kept.
    """
    each = patches.reshape(steps, size, -1, 3, size, patches.shape[1] // (3 * size))
    kept = torch.stack([each[:, k, :, :, k] for k in range(size)], dim=3)
    return kept.reshape(-1, patches.shape[1])


class Qwen25VL(Qwen2VL):
    """Qwen2.5-VL: the same inputs and layout, another vision tower."""

    label = "Qwen2.5-VL"
    model_class = "Qwen2_5_VLForConditionalGeneration"
