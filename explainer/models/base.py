"""The contract of a model family: the facts that recording needs, and how inputs are built.

A new family is one file with a subclass of `Family` that states its facts and implements
`picture`, plus one line in the registry and one tiny-config fixture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import transformers

from explainer.errors import ModelError
from explainer.models.text import TextCodec
from explainer.run import TEMPLATE

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Stands for the user's text while the chat template is laid out. The user's own text never passes
# through the template engine, so it cannot be mistaken for markup or trimmed.
_USER = "\ue000user-text\ue001"


@dataclass(frozen=True, eq=False)
class Picture:
    """The image at one scale, ready for the vision tower.

    Attributes:
        grid: (rows, columns) of visual tokens, N = rows * columns, row-major.
        rects: (N, 4) float32, (x0, y0, x1, y1) of each token in pixels of the image that was
            passed in; NaN where the token sees nothing of it.
        tensors: what the base model's forward takes for the picture, on the CPU.
    """

    grid: tuple[int, int]
    rects: npt.NDArray[np.float32]
    tensors: Mapping[str, torch.Tensor]

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True, eq=False)
class Inputs:
    """One sequence: text, the N visual tokens as one block, text.

    Attributes:
        ids: L ids.
        visual: the positions of the visual tokens.
        roles: one role for each of the T text tokens.
        picture: the picture at this scale.
    """

    ids: tuple[int, ...]
    visual: range
    roles: tuple[int, ...]
    picture: Picture

    @property
    def text_positions(self) -> list[int]:
        """Return the T positions of text tokens, in order."""
        return [*range(self.visual.start), *range(self.visual.stop, len(self.ids))]


class Family(ABC):
    """A loaded model of one architecture, with its tokenizer and image processor.

    Class attributes are the facts:
        label: the name for people.
        model_class, processor_class: names of classes in transformers.
        image_token: the placeholder as the chat template writes it.
        template: a Jinja chat template for checkpoints that bring none.
        alphas: the smallest and largest scale factor that make sense.
        note: one sentence for people on what the family cannot do or sees differently, or "".
    """

    label: ClassVar[str]
    model_class: ClassVar[str]
    processor_class: ClassVar[str]
    image_token: ClassVar[str]
    template: ClassVar[str]
    alphas: ClassVar[tuple[float, float]] = (0.1, 2.0)
    note: ClassVar[str] = ""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        processor: Any,
        model_id: str,
        revision: str | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.model_id = model_id
        self.revision = revision
        self.codec = TextCodec(tokenizer)
        self.head, self._between, self._after = self._lay_out(tokenizer)
        self.check()

    # What a family adds --------------------------------------------------------------------------

    @classmethod
    def load_processor(cls, name: str, revision: str | None) -> Any:
        """Return the image processor of a checkpoint, a folder or a hub id."""
        return getattr(transformers, cls.processor_class).from_pretrained(name, revision=revision)

    @abstractmethod
    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> Picture:
        """Return the (H, W, 3) uint8 image at scale `alpha`.

        The factor applies to the size that the family's own preprocessing arrives at.
        """

    def check(self) -> None:
        """Raise `ModelError` if the parts of the checkpoint do not fit together."""
        known = self.codec.special_id(self.image_token)
        if known != self.image_token_id:
            raise ModelError(
                f"{self.model_id}: {self.image_token} is id {known} for the tokenizer and "
                f"{self.image_token_id} in config.json; tokenizer and model are not a pair"
            )

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return what the base model's forward takes for a whole sequence, on the CPU."""
        return {"input_ids": torch.tensor([inputs.ids]), **inputs.picture.tensors}

    def step_inputs(self, forward_inputs: Mapping[str, torch.Tensor], step: int) -> dict[str, Any]:
        """Return what forward takes besides the id when answer token `step` is fed in."""
        return {}

    # What all families share ---------------------------------------------------------------------

    @property
    def base(self) -> torch.nn.Module:
        """Return the model without its unembedding; `last_hidden_state` is after the final norm."""
        return self.model.model

    @property
    def unembedding(self) -> torch.nn.Linear:
        """Return W (V, d) and its bias, if any, as the linear layer that the model uses."""
        return self.model.get_output_embeddings()

    @property
    def device(self) -> torch.device:
        return self.unembedding.weight.device

    @property
    def max_length(self) -> int:
        """Return the longest sequence, in tokens, that the model was made for."""
        return int(self.model.config.get_text_config().max_position_embeddings)

    @property
    def stop_ids(self) -> frozenset[int]:
        """Return the ids that end an answer."""
        for source in (self.model.generation_config, self.model.config.get_text_config()):
            ids = getattr(source, "eos_token_id", None)
            if ids is not None:
                return frozenset([ids] if isinstance(ids, int) else ids)
        return frozenset()

    @property
    def image_token_id(self) -> int:
        return int(self.model.config.image_token_id)

    def compose(self, image: npt.NDArray[np.uint8], prompt: str) -> Inputs:
        """Return the sequence that asks `prompt` about `image` at scale 1."""
        prefix = self.compose_prefix(image, 1.0)
        ids, roles = self.codec.encode_around(self._between, prompt, self._after)
        return Inputs((*prefix.ids, *ids), prefix.visual, (*prefix.roles, *roles), prefix.picture)

    def compose_prefix(self, image: npt.NDArray[np.uint8], alpha: float) -> Inputs:
        """Return the same sequence cut right after the last visual token, at scale `alpha`.

        Under a causal mask the visual states do not depend on what follows them.
        """
        picture = self.picture(image, alpha)
        head = self.codec.encode_start(self.head)
        visual = range(len(head), len(head) + len(picture))
        ids = (*head, *[self.image_token_id] * len(picture))
        return Inputs(ids, visual, (TEMPLATE,) * len(head), picture)

    def _lay_out(self, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str, str]:
        """Return the template text before the picture, between picture and user text, and after."""
        content = [{"type": "image"}, {"type": "text", "text": _USER}]
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=tokenizer.chat_template or self.template,
            add_generation_prompt=True,
            tokenize=False,
        )
        before, *rest = text.split(_USER)
        head, *between = before.split(self.image_token)
        if len(rest) != 1 or len(between) != 1:
            raise ModelError(
                f"the chat template of {self.model_id} does not put one {self.image_token} "
                "before the user's text; this layout is not supported"
            )
        return head, between[0], rest[0]


def grid_rects(grid: tuple[int, int], width: float, height: float) -> npt.NDArray[np.float32]:
    """Return (N, 4) float32: the cells of a grid that covers width x height pixels, row-major."""
    rows, columns = grid
    x, y = np.linspace(0, width, columns + 1), np.linspace(0, height, rows + 1)
    x0, y0 = np.meshgrid(x[:-1], y[:-1])
    x1, y1 = np.meshgrid(x[1:], y[1:])
    return np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4).astype(np.float32)
