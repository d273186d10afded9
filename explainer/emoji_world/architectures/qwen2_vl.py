"""Qwen2-VL: pictures of any size, 16 px tokens of 2 x 2 patches, positions on three axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2VLConfig, Qwen2VLImageProcessorPil
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from explainer.emoji_world.architectures.base import (
    ROPE,
    Architecture,
    Pictures,
    Stage,
    Start,
    how_many,
    normalised,
)
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Limits, Scene, make_scene

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PATCH, MERGE = 8, 2
TOKEN_PX = PATCH * MERGE  # one visual token covers 16 x 16 px
SYSTEM = "You are a helpful assistant."


def _limits(
    low: int, high: int, most: int, small: float, large: float, least: int, fewest: int = 1
) -> Limits:
    return Limits(sides=(low, high), count=(fewest, most), share=(small, large), least=least)


class TinyQwen2VL(Architecture):
    """The first bundled model."""

    model_type = "qwen2_vl"
    model_class = "Qwen2VLForConditionalGeneration"
    specials = (
        "<|im_start|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    )
    image_token = "<|image_pad|>"
    before = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<|vision_start|>"
    between = ("<|vision_end|>", "")
    after = "<|im_end|>\n<|im_start|>assistant\n"
    chat_template = (
        "{%- for turn in messages %}"
        "{%- if loop.first and turn['role'] != 'system' %}"
        "{{- '<|im_start|>system\\n" + SYSTEM + "<|im_end|>\\n' }}{%- endif %}"
        "{{- '<|im_start|>' + turn['role'] + '\\n' }}"
        "{%- if turn['content'] is string %}{{- turn['content'] }}{%- else %}"
        "{%- for part in turn['content'] %}"
        "{%- if part['type'] == 'image' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
        "{%- elif part['type'] == 'video' %}{{- '<|vision_start|><|video_pad|><|vision_end|>' }}"
        "{%- else %}{{- part['text'] }}{%- endif %}"
        "{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}"
        "{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
    )
    # A picture's sides are whole tokens; a source is the `Limits` of its scenes.
    curriculum = (
        Stage(0.05, ((1.0, _limits(48, 80, 1, 0.6, 0.98, 28)),), 3),
        Stage(0.13, ((1.0, _limits(64, 128, 2, 0.35, 0.85, 28)),), 4),
        Stage(0.30, ((1.0, _limits(80, 176, 3, 0.22, 0.7, 28)),), 5),
        Stage(
            1.00,
            (
                (0.65, _limits(96, 208, 4, 0.16, 0.55, 36, fewest=2)),  # long lists are hard
                (0.22, _limits(160, 304, 4, 0.16, 0.55, 40)),
                (0.13, _limits(256, 448, 4, 0.16, 0.55, 40)),
            ),
            8,
        ),
    )

    def positions(self, start: int, grid: tuple[int, int], length: int) -> tuple[np.ndarray, int]:
        """Return (3, length): time, height and width positions."""
        rows, columns = grid
        row, column = np.divmod(np.arange(rows * columns), columns)
        picture = start + np.stack([np.zeros_like(row), row, column])
        after = start + max(rows, columns)
        rest = after + np.arange(length - start - rows * columns)
        text = np.tile(np.arange(start), (3, 1))
        return np.concatenate([text, picture, np.tile(rest, (3, 1))], axis=1), after + len(rest)

    def config(self, tokenizer: PreTrainedTokenizerBase) -> Qwen2VLConfig:
        """Return the config of 4.3 M parameters, tied embeddings."""
        token = tokenizer.convert_tokens_to_ids
        return Qwen2VLConfig(
            text_config={
                **self.text_config(tokenizer),
                "rope_parameters": {**ROPE, "mrope_section": [4, 6, 6]},
            },
            vision_config={
                "depth": 5,
                "embed_dim": 128,
                "hidden_size": 192,
                "num_heads": 4,
                "mlp_ratio": 4,
                "patch_size": PATCH,
                "spatial_merge_size": MERGE,
                "temporal_patch_size": 2,
            },
            image_token_id=token("<|image_pad|>"),
            video_token_id=token("<|video_pad|>"),
            vision_start_token_id=token("<|vision_start|>"),
            vision_end_token_id=token("<|vision_end|>"),
            tie_word_embeddings=True,
        )

    def processor(self) -> Qwen2VLImageProcessorPil:
        """Return settings that hold pictures between 64 x 64 and 448 x 448 px of area."""
        return Qwen2VLImageProcessorPil(
            patch_size=PATCH,
            merge_size=MERGE,
            temporal_patch_size=2,
            size={"shortest_edge": 64 * 64, "longest_edge": 448 * 448},
        )

    def start(self, name: str) -> Start | None:
        return Start(name)

    def draw(self, source: Limits, rng: np.random.Generator, visual_tokens: int) -> Pictures:
        low, high = (side // TOKEN_PX for side in source.sides)
        rows, columns = (int(n) for n in rng.integers(low, high + 1, size=2))
        count = how_many(visual_tokens, rows * columns)
        seeds = rng.integers(FIRST_TRAINING_SEED, 2**62, size=count)
        scenes = tuple(_scene(int(seed), source, rows, columns) for seed in seeds)
        tensors = {
            "pixels": patches([scene.image for scene in scenes]),
            "grid": torch.tensor([[1, rows * MERGE, columns * MERGE]] * count),
        }
        return Pictures(scenes, (rows, columns), tensors)

    def see(self, model: PreTrainedModel, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        seen = model.model.visual(tensors["pixels"], grid_thw=tensors["grid"]).pooler_output
        return seen.reshape(len(tensors["grid"]), -1, seen.shape[-1])


def _scene(seed: int, limits: Limits, rows: int, columns: int) -> Scene:
    """Return a scene of this many tokens; half of them are resized a little, like real pictures."""
    height, width = rows * TOKEN_PX, columns * TOKEN_PX
    dy, dx = np.random.default_rng(seed).integers(-7, 8, size=2) * (seed % 2)
    scene = make_scene(seed, limits, (height + int(dy), width + int(dx)))
    if not (dy or dx):
        return scene
    resized = Image.fromarray(scene.image).resize((width, height), Image.Resampling.BICUBIC)
    return Scene(np.asarray(resized), scene.labels, scene.things, scene.ground)


def patches(images: list[np.ndarray]) -> torch.Tensor:
    """Return pictures of one size as the patch rows of the family's image processor.

    Input: B arrays (H, W, 3) uint8 with sides in whole tokens.
    Output: (B * H/8 * W/8, 384) float32.
    """
    x = normalised(images, OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    b, c, height, width = x.shape
    x = x.reshape(b, c, height // TOKEN_PX, MERGE, PATCH, width // TOKEN_PX, MERGE, PATCH)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7)  # (b, rows, columns, merge, merge, c, patch, patch)
    x = x.reshape(-1, c, 1, PATCH * PATCH).expand(-1, -1, 2, -1)  # a still is two equal frames
    return x.reshape(-1, c * 2 * PATCH * PATCH)
