"""InternVL: one tile of 16 x 16 tokens, each 2 x 2 patches joined by pixel shuffle, and a Qwen2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import GotOcr2ImageProcessorPil, InternVLConfig
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from explainer.emoji_world.architectures.base import Stage, Start, text_start
from explainer.emoji_world.architectures.fixed import (
    BICUBIC,
    WHOLE,
    FixedSize,
    Window,
    position_ids,
)
from explainer.models.families.canvas import Canvas

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PATCH, SIDE = 8, 16
_BLOCK = re.compile(r"model\.vision_tower\.encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")
_SAME = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "attention.projection_layer": "attn.proj",
}
_FUSED = {"attention.q_proj": 0, "attention.k_proj": 1, "attention.v_proj": 2}
_WIDTH = 128


class TinyInternVL(FixedSize):
    """Pictures are resized to the tile whatever their shape, as InternVL does with one tile."""

    model_type = "internvl"
    model_class = "InternVLForConditionalGeneration"
    specials = ("<|im_start|>", "<img>", "</img>", "<IMG_CONTEXT>")
    image_token = "<IMG_CONTEXT>"
    before = "<|im_start|>user\n<img>"
    between = ("</img>", "\n")
    after = "<|im_end|>\n<|im_start|>assistant\n"
    chat_template = (
        "{%- for turn in messages %}"
        "{{- '<|im_start|>' + turn['role'] + '\\n' }}"
        "{%- if turn['content'] is string %}{{- turn['content'] }}{%- else %}"
        "{%- for part in turn['content'] %}"
        "{%- if part['type'] == 'image' %}{{- '<IMG_CONTEXT>\\n' }}"
        "{%- else %}{{- part['text'] }}{%- endif %}"
        "{%- endfor %}{%- endif %}{{- '<|im_end|>\\n' }}"
        "{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
    )
    side, token_px = SIDE, 2 * PATCH
    mean, std = tuple(IMAGENET_DEFAULT_MEAN), tuple(IMAGENET_DEFAULT_STD)
    curriculum = (
        Stage(0.05, ((1.0, Window((3, 5), (1, 1), (0.6, 0.98), 2.0, 1.3)),), 3),
        Stage(0.12, ((1.0, Window((4, 8), (1, 2), (0.35, 0.85), 2.0, 1.6)),), 4),
        Stage(0.28, ((1.0, Window((5, 11), (1, 3), (0.22, 0.7), 2.0, 2.0)),), 5),
        Stage(
            1.00,
            (
                (0.50, Window((6, 12), (2, 4), (0.16, 0.55), 2.0, 2.5)),
                (0.50, WHOLE),
            ),
            8,
        ),
    )

    def config(self, tokenizer: PreTrainedTokenizerBase) -> InternVLConfig:
        """Return the config of 4.3 M parameters, tied embeddings."""
        token = tokenizer.convert_tokens_to_ids
        return InternVLConfig(
            text_config={
                **self.text_config(tokenizer),
                "model_type": "qwen2",
                "tie_word_embeddings": True,
            },
            vision_config={
                "hidden_size": _WIDTH,
                "intermediate_size": 4 * _WIDTH,
                "num_hidden_layers": 5,
                "num_attention_heads": 4,
                "attention_bias": True,
                "hidden_act": "quick_gelu",
                "norm_type": "layer_norm",
                "image_size": [SIDE * 2 * PATCH] * 2,
                "patch_size": [PATCH, PATCH],
                "use_absolute_position_embeddings": True,
                "use_mean_pooling": True,
                "layer_scale_init_value": 1.0,
            },
            image_token_id=token(self.image_token),
            image_seq_length=SIDE * SIDE,
            downsample_ratio=0.5,
            vision_feature_layer=-1,
            tie_word_embeddings=True,
        )

    def processor(self) -> GotOcr2ImageProcessorPil:
        size = SIDE * 2 * PATCH
        return GotOcr2ImageProcessorPil(
            size={"height": size, "width": size},
            crop_to_patches=False,
            image_mean=list(self.mean),
            image_std=list(self.std),
        )

    def start(self, name: str) -> Start | None:
        match = _BLOCK.fullmatch(name)
        if match is None:
            return text_start(name)
        layer, part, kind = match.groups()
        if part in _SAME:
            return Start(f"model.visual.blocks.{layer}.{_SAME[part]}.{kind}")
        third = _FUSED[part] * _WIDTH
        rows = slice(third, third + _WIDTH)
        return Start(f"model.visual.blocks.{layer}.attn.qkv.{kind}", rows)

    def fit(self, image: np.ndarray, side: int) -> np.ndarray:
        """Return the picture resized to the square."""
        return np.asarray(Canvas.of(image).resized(side, side, BICUBIC).image)

    def see(self, model: PreTrainedModel, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        core = model.model
        rows, columns = self._places(tensors, PATCH)
        embedded = self.embed(core.vision_tower, tensors["pixels"], rows, columns)
        states = core.vision_tower.encoder(embedded).last_hidden_state
        states = core.vision_tower.layernorm(states)[:, 1:]
        n = len(rows)
        shuffled = core.pixel_shuffle(states.reshape(len(states), n, n, -1), scale_factor=0.5)
        return core.multi_modal_projector(shuffled.reshape(len(states), n * n // 4, -1))

    def embed(
        self,
        tower: torch.nn.Module,
        pixels: torch.Tensor,
        rows: torch.Tensor,
        columns: torch.Tensor,
    ) -> torch.Tensor:
        parts = tower.embeddings
        patches = parts.patch_embeddings(pixels)
        first = parts.cls_token.expand(len(pixels), 1, -1).to(patches.dtype)
        places = parts.position_embeddings[0, position_ids(rows, columns, 2 * SIDE)]
        return torch.cat([first, patches], dim=1) + places
