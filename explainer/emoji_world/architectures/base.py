"""What training needs to know of an architecture: config, vocabulary and vision.

The language model is the same in all of them, except for class names: six layers of 192 dimensions.
So a new architecture can start from the language model of a trained one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from explainer.emoji_world.language import Dialogue
from explainer.emoji_world.scenes import Scene

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

TEXT_MODEL: Mapping[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 640,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 2048,
}
ROPE: Mapping[str, Any] = {"rope_type": "default", "rope_theta": 10000.0}


@dataclass(frozen=True)
class Stage:
    """A stage of the curriculum.

    It lasts until the share `until` of the run, draws pictures from `sources` by weight, and uses
    at most `dialogues` dialogues for each picture.
    """

    until: float
    sources: tuple[tuple[float, Any], ...]
    dialogues: int


@dataclass(frozen=True, eq=False)
class Pictures:
    """B pictures of one size.

    Attributes:
        scenes: the scenes that they show.
        grid: (rows, columns) of visual tokens.
        tensors: what `Architecture.see` takes.
    """

    scenes: tuple[Scene, ...]
    grid: tuple[int, int]
    tensors: Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Start:
    """The source of a parameter in a trained model: its name there, and how to convert it."""

    source: str
    rows: slice | None = None


class Architecture(ABC):
    """Facts of one architecture; without state.

    Class attributes:
        model_type: as in config.json.
        model_class: name of the class in transformers.
        specials: special tokens in addition to `end` and `pad`.
        bos: the token that begins every text, if any.
        image_token, end, pad: special tokens.
        chat_template: Jinja, saved with the tokenizer.
        curriculum: the stages of training.
    """

    model_type: ClassVar[str]
    model_class: ClassVar[str]
    specials: ClassVar[tuple[str, ...]]
    bos: ClassVar[str | None] = None
    image_token: ClassVar[str]
    end: ClassVar[str] = "<|im_end|>"
    pad: ClassVar[str] = "<|endoftext|>"
    chat_template: ClassVar[str]
    curriculum: ClassVar[tuple[Stage, ...]]

    # Text ----------------------------------------------------------------------------------------

    before: ClassVar[str]  # template text before the picture
    between: ClassVar[tuple[str, str]]  # special text after the picture, and what follows it
    after: ClassVar[str]  # from the user's text to the answer

    def prefix(self, tokenizer: PreTrainedTokenizerBase, visual: int) -> tuple[list[int], int]:
        """Return the ids before the first dialogue, and the position of the first visual token."""
        head = _encode(tokenizer, self.before)
        image = tokenizer.convert_tokens_to_ids(self.image_token)
        return [*head, *[image] * visual, *_encode(tokenizer, self.between[0])], len(head)

    def dialogue(
        self, tokenizer: PreTrainedTokenizerBase, said: Dialogue
    ) -> tuple[list[int], list[int]]:
        """Return the ids of a question with its template, and of the answer with its end token."""
        question = _encode(tokenizer, self.between[1] + said.prompt + self.after)
        return question, [
            *_encode(tokenizer, said.answer),
            tokenizer.convert_tokens_to_ids(self.end),
        ]

    def positions(self, start: int, grid: tuple[int, int], length: int) -> tuple[np.ndarray, int]:
        """Return the rotary positions of a prefix, and the first position after it.

        The prefix has `length` ids, with a picture at `start`. Shape (length,), or (3, length) for
        three axes.
        """
        return np.arange(length), length

    # Model ---------------------------------------------------------------------------------------

    @abstractmethod
    def config(self, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
        """Return the tiny config."""

    def text_config(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
        """Return the config entries that all language models share."""
        token = tokenizer.convert_tokens_to_ids
        return {
            **TEXT_MODEL,
            "vocab_size": len(tokenizer),
            "rope_parameters": dict(ROPE),
            "bos_token_id": token(self.bos) if self.bos else None,
            "eos_token_id": token(self.end),
            "pad_token_id": token(self.pad),
        }

    @abstractmethod
    def processor(self) -> Any:
        """Return the image processor that is saved with the model."""

    @abstractmethod
    def start(self, name: str) -> Start | None:
        """Return the source of parameter `name` in emoji-qwen2-vl; None to draw it at random."""

    # Pictures ------------------------------------------------------------------------------------

    @abstractmethod
    def draw(self, source: Any, rng: np.random.Generator, visual_tokens: int) -> Pictures:
        """Draw pictures from `source` with about `visual_tokens` tokens together."""

    @abstractmethod
    def see(self, model: PreTrainedModel, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute the visual tokens (B, N, d) that the language model reads."""


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"] if text else []


def how_many(visual_tokens: int, each: int) -> int:
    """Return the batch size for pictures of `each` visual tokens."""
    return int(np.clip(visual_tokens // each, 3, 48))


def normalised(
    images: Sequence[np.ndarray], mean: Sequence[float], std: Sequence[float]
) -> torch.Tensor:
    """Rescale and normalise B arrays (H, W, 3) uint8 to (B, 3, H, W) float32."""
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def text_start(name: str) -> Start | None:
    """Return the source of a parameter of the language model; None for other parameters."""
    inner = name.removeprefix("model.language_model.")
    return Start(name) if inner != name else None
