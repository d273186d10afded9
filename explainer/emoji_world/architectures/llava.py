"""LLaVA-1.5: a CLIP tower of 24 x 24 patches, as in the large one, and a Llama."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import LlavaConfig, LlavaImageProcessorPil
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

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

PATCH, SIDE = 14, 24


class TinyLlava(FixedSize):
    """Pictures are padded to a square, as LLaVA-1.5 was trained, so nothing is cropped away."""

    model_type = "llava"
    model_class = "LlavaForConditionalGeneration"
    bos = "<s>"
    end = "</s>"
    pad = "<pad>"
    specials = ("<s>", "<unk>", "<image>")
    image_token = "<image>"
    before = "<s>USER: "
    between = ("", "\n")
    after = "\nASSISTANT:\n"
    chat_template = (
        "{%- for turn in messages %}"
        "{{- 'USER: ' if turn['role'] == 'user' else 'ASSISTANT:\\n' }}"
        "{%- if turn['content'] is string %}{{- turn['content'] }}{%- else %}"
        "{%- for part in turn['content'] %}"
        "{{- '<image>\\n' if part['type'] == 'image' else part['text'] }}"
        "{%- endfor %}{%- endif %}{{- '\\n' }}"
        "{%- endfor %}"
        "{%- if add_generation_prompt %}{{- 'ASSISTANT:\\n' }}{%- endif %}"
    )
    side, token_px = SIDE, PATCH
    mean, std = tuple(OPENAI_CLIP_MEAN), tuple(OPENAI_CLIP_STD)
    curriculum = (
        Stage(0.08, ((1.0, Window((4, 6), (1, 1), (0.6, 0.98), 2.5, 1.3)),), 3),
        Stage(0.20, ((1.0, Window((5, 9), (1, 2), (0.35, 0.85), 2.5, 1.6)),), 4),
        Stage(0.36, ((1.0, Window((6, 12), (1, 3), (0.22, 0.7), 2.5, 2.0)),), 5),
        Stage(
            1.00,
            (
                (0.40, Window((7, 13), (2, 4), (0.16, 0.55), 2.5, 2.5)),
                (0.15, Window((12, 20), (1, 4), (0.16, 0.55), 2.5, 3.0)),
                (0.45, WHOLE),
            ),
            8,
        ),
    )

    def config(self, tokenizer: PreTrainedTokenizerBase) -> LlavaConfig:
        """Return the config of 4.7 M parameters, tied embeddings."""
        token = tokenizer.convert_tokens_to_ids
        return LlavaConfig(
            text_config={
                **self.text_config(tokenizer),
                "model_type": "llama",
                "attention_bias": True,  # as the language model that it starts from
                "tie_word_embeddings": True,
            },
            vision_config={
                "model_type": "clip_vision_model",
                "hidden_size": 160,
                "intermediate_size": 640,
                "num_hidden_layers": 5,
                "num_attention_heads": 5,
                "image_size": SIDE * PATCH,
                "patch_size": PATCH,
                "projection_dim": 160,
            },
            image_token_index=token(self.image_token),
            image_seq_length=SIDE * SIDE,
            vision_feature_layer=-1,
            vision_feature_select_strategy="default",
            tie_word_embeddings=True,
        )

    def processor(self) -> LlavaImageProcessorPil:
        size = SIDE * PATCH
        return LlavaImageProcessorPil(
            do_pad=True,
            size={"shortest_edge": size},
            crop_size={"height": size, "width": size},
        )

    def start(self, name: str) -> Start | None:
        return text_start(name)

    def fit(self, image: np.ndarray, side: int) -> np.ndarray:
        """Return the picture padded to a square with the mean colour, centred, and resized."""
        longest = max(image.shape[:2])
        square = Canvas.of(image).centred(longest, longest, self.mean_colour)
        return np.asarray(square.resized(side, side, BICUBIC).image)

    def see(self, model: PreTrainedModel, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        tower = model.model.vision_tower
        rows, columns = self._places(tensors, PATCH)
        return model.model.multi_modal_projector(
            tower.encoder(
                inputs_embeds=self.embed(tower, tensors["pixels"], rows, columns)
            ).last_hidden_state[:, 1:]
        )

    def embed(
        self,
        tower: torch.nn.Module,
        pixels: torch.Tensor,
        rows: torch.Tensor,
        columns: torch.Tensor,
    ) -> torch.Tensor:
        parts = tower.embeddings
        patches = parts.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = parts.class_embedding.expand(len(pixels), 1, -1).to(patches.dtype)
        places = parts.position_embedding(position_ids(rows, columns, SIDE))
        return tower.pre_layrnorm(torch.cat([first, patches], dim=1) + places)
