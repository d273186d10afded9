"""Gemma 4: pictures of any shape within a number of tokens, each the mean of a block of patches."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn
from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.inputs import InputPicture, Inputs, grid_rects
from explainer.run import Video, View

FRAME_TOKENS = 70  # visual tokens of a frame of a video, at most
_OPENING, _CLOSING = "<|image>", "<image|>"


class Gemma4(Family):
    """Gemma 4 from E2B up, but for its mixture of experts; what hears in it is left out.

    The picture keeps its shape and is resized to about `max_soft_tokens` tokens, small ones too.
    A scale applies to that size.

    In larger models the visual tokens of a picture see each other whatever their order, in layers
    that attend to a window; smaller ones read pictures causally. The model knows visual tokens by
    `mm_token_type_ids`. Each layer of the small models reads an embedding of the token itself, too,
    and the last layers attend to the keys and values of earlier ones: after the layer that makes
    the last keys, no word reads the states of visual tokens any more.
    """

    label = "Gemma 4"
    model_class = "Gemma4ForConditionalGeneration"
    processor_class = "Gemma4ImageProcessorPil"
    image_token, video_token = "<|image|>", "<|video|>"
    template = (
        "{{ bos_token }}{% for message in messages %}<|turn>"
        "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'text' %}"
        "{{ part['text'] | trim }}{% elif part['type'] == 'image' %}<|image|>"
        "{% else %}<|video|>{% endif %}{% endfor %}"
        "{% endif %}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
    )
    max_images = 16
    photo_tokens = 480
    patches_per_token = 9

    @classmethod
    def extra_marks(cls) -> tuple[str, ...]:
        return (_OPENING, _CLOSING, "<|turn>", "<turn|>")

    @property
    def video_token_id(self) -> int:
        # The tokenizer of the first release does not know the placeholder.
        return int(self.model.config.video_token_id)

    @property
    def cell(self) -> int:
        """Return the side of one visual token in pixels of the model's input."""
        return int(self.processor.patch_size * self.processor.pooling_kernel_size)

    def check(self) -> None:
        config, made = self.model.config, self.processor
        if config.vision_config is None:
            raise ModelError(f"{self.model_id} has no vision tower, so there is nothing to look at")
        if config.get_text_config().enable_moe_block:
            raise ModelError(
                f"{self.model_id} is a mixture of experts, whose gradients are not supported for "
                "Gemma 4; use a dense one, such as google/gemma-4-E4B-it"
            )
        super().check()
        for token in (_OPENING, _CLOSING):
            if self.codec.special_id(token) is None:
                raise ModelError(f"{self.model_id}: the tokenizer has no special token {token}")
        for name in ("patch_size", "pooling_kernel_size"):
            ours, theirs = getattr(made, name), getattr(config.vision_config, name)
            if ours != theirs:
                raise ModelError(
                    f"{self.model_id}: preprocessor_config.json has {name} {ours}, config.json has "
                    f"{theirs}; make them agree"
                )

    def grid(self, height: int, width: int, alpha: float, most: int) -> tuple[int, int]:
        """Return rows and columns of at most `most` visual tokens at scale 1: at least one each."""
        side, pooled = self.processor.patch_size, self.processor.pooling_kernel_size
        size = get_aspect_ratio_preserving_size(height, width, side, most * pooled**2, pooled)
        rows, columns = (max(1, round(alpha * side / self.cell)) for side in size)
        return rows, columns

    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        height, width = image.shape[:2]
        grid = self.grid(height, width, alpha, self.processor.max_soft_tokens)
        patches, places = self._patches(image, grid)
        length = self._length(alpha)
        tensors = {
            "pixel_values": _padded(patches, length, 0.0),
            "image_position_ids": _padded(places, length, -1),
        }
        view = View(0, grid, grid_rects(grid, width=width, height=height))
        return InputPicture((view,), tensors, layout=(_OPENING, len(view), _CLOSING))

    def video(self, video: Video, alpha: float) -> InputPicture:
        """Return the frames of a video at scale `alpha`, with the time before each.

        Frames are fitted to `FRAME_TOKENS` tokens each, fewer where all together would fill more
        than half of the model's context.
        """
        frames, (height, width) = video.frames, video.frames.shape[1:3]
        most = max(1, min(FRAME_TOKENS, self.max_length // (2 * len(frames))))
        grid = self.grid(height, width, alpha, most)
        patches, places = zip(*(self._patches(frame, grid) for frame in frames), strict=True)
        rects = grid_rects(grid, width=width, height=height)
        layout: list[str | int] = []
        for time in video.times:
            before = f"{_CLOSING} " if layout else ""
            clock = f"{int(time // 60):02d}:{int(time % 60):02d}"
            layout += [f"{before}{clock} {_OPENING}", len(rects)]
        return InputPicture(
            tuple(View(i, grid, rects) for i in range(len(frames))),
            {
                "pixel_values_videos": torch.cat(patches),
                "video_position_ids": torch.cat(places),
                "num_frames_per_video": torch.tensor([len(frames)]),
            },
            layout=(*layout, _CLOSING),
        )

    def _patches(
        self, image: npt.NDArray[np.uint8], grid: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches (1, n, features) of a picture, and where they lie (1, n, 2)."""
        resized = Image.fromarray(image)
        size = (grid[1] * self.cell, grid[0] * self.cell)
        if resized.size != size:
            resized = resized.resize(size, self.processor.resample)
        made = self.processor(images=resized, do_resize=False, return_tensors="pt")
        count = grid[0] * grid[1] * self.processor.pooling_kernel_size**2
        return made["pixel_values"][:, :count], made["image_position_ids"][:, :count]

    def _length(self, alpha: float) -> int:
        """Return how many patches pictures are padded to.

        This is the original's number, or at a larger scale enough for every shape, whose sides are
        rounded to whole tokens.
        """
        most = int(self.processor.max_soft_tokens)
        if alpha > 1:
            most = math.ceil(alpha**2 * most + alpha * (most + 1) / 2 + 1)
        return most * self.processor.pooling_kernel_size**2

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return the sequence with what tells visual tokens (1, of videos 2) from text (0)."""
        tensors = super().forward_inputs(inputs)
        kinds = torch.zeros_like(tensors["input_ids"])
        kinds[:, list(inputs.visual)] = 2 if "pixel_values_videos" in tensors else 1
        return {**tensors, "mm_token_type_ids": kinds}


def _padded(patches: torch.Tensor, length: int, filler: float) -> torch.Tensor:
    """Return patches (1, n, features) followed by `filler` up to `length`."""
    return nn.functional.pad(patches, (0, 0, 0, length - patches.shape[1]), value=filler)
