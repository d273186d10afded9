"""The model that the checks of `contract` share: loaded, with one recording, and its bounds."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from explainer.evaluation.contract_samples import PROMPT_TEXT, sample_picture
from explainer.models.inputs import Inputs
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, NOTHING_SAID, Conversation, Run

NEW_TOKENS = 8
SCALES = (0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Bounds:
    """Largest relative differences between two computations of the same numbers.

    Attributes:
        lens: logits of the lens against the model's own. The run holds states and rows in float16
            (11 bits: each off by up to 2^-12 of itself), which changes a logit by about 2^-12 times
            the lengths of both vectors; the largest logit is not much smaller than that.
        states: the same states from two forward passes of different length, whose kernels may sum
            in another order.
    """

    lens: float
    states: float


# In float32 only the storing counts. In float16 and bfloat16 every layer rounds (2^-11 and 2^-8),
# differently with a cache than without one, and the roundings of 20 to 60 layers add up; a missing
# norm, a shifted position or a wrong matrix is off by 1 and more.
BOUNDS: Mapping[str, Bounds] = {
    "float32": Bounds(lens=0.01, states=0.002),
    "float16": Bounds(lens=0.05, states=0.05),
    "bfloat16": Bounds(lens=0.15, states=0.15),
}


class Failed(Exception):
    """Raised by a check that does not hold; the message is the measured value."""


class Skipped(Exception):
    """Raised by a check that does not apply to the checkpoint; the message is the reason."""


@dataclass(eq=False)
class Subject:
    """A loaded model with one recording, which the checks share.

    Attributes:
        run: of `picture` and `PROMPT_TEXT`, with all scales of `SCALES`.
        thinking: whether its answer opens with a thought.
        seconds: of each phase.
    """

    explainer: Explainer
    picture: npt.NDArray[np.uint8]
    run: Run
    thinking: bool
    seconds: dict[str, float]

    @classmethod
    def record(
        cls, explainer: Explainer, seconds: dict[str, float], thinking: bool = False
    ) -> Subject:
        """Record and return the subject; raises whatever recording raises."""
        picture = sample_picture()
        run = explainer.record(
            picture, PROMPT_TEXT, scales=SCALES, max_new_tokens=NEW_TOKENS, thinking=thinking
        )
        seconds |= run.settings["seconds"]
        return cls(explainer, picture, run, thinking, seconds)

    @cached_property
    def inputs(self) -> Inputs:
        """Return the sequence that the recording began with."""
        return self.compose(PROMPT_TEXT)

    def compose(self, prompt: str, conversation: Conversation = NOTHING_SAID) -> Inputs:
        """Return the sequence that asks another prompt about the same picture."""
        family = self.explainer.family
        return family.compose([self.run.image], prompt, self.thinking, conversation)

    @cached_property
    def prefixes(self) -> dict[float, Inputs]:
        """Return the sequence up to the last visual token, at the largest and smallest scale."""
        compose = partial(self.explainer.family.compose_prefix, [self.run.image])
        return {alpha: compose(alpha, thinking=self.thinking) for alpha in (1.0, 0.5)}

    def own_inputs(self, ids: Sequence[int]) -> dict[str, Any]:
        """Return the inputs of the whole model; positions are left to the model itself."""
        family, inputs = self.explainer.family, self.inputs
        tensors = {"input_ids": torch.tensor([list(ids)]), **inputs.tensors}
        taken = inspect.signature(type(family.model).forward).parameters
        for name in {"mm_token_type_ids", "token_type_ids"} & set(taken):
            tensors[name] = torch.zeros(1, len(ids), dtype=torch.long)
            tensors[name][:, list(inputs.visual)] = 1
        return {name: tensor.to(family.input_device) for name, tensor in tensors.items()}

    @cached_property
    def own_logits(self) -> npt.NDArray[np.float32]:
        """Return the logits (L, V) of one plain forward pass over prompt and answer."""
        tensors = self.own_inputs([*self.inputs.ids, *self.answer])
        with torch.inference_mode():
            out = self.explainer.family.model(**tensors, use_cache=False)
        return out.logits[0].float().cpu().numpy()

    @property
    def bounds(self) -> Bounds:
        """Return the bounds for the precision of the model."""
        if self.run.settings.get("quantize"):
            return BOUNDS["bfloat16"]
        return BOUNDS.get(self.run.settings["dtype"], BOUNDS["bfloat16"])

    @property
    def answer(self) -> list[int]:
        """Return the ids of the answer, up to the first image token.

        The model's own forward pass would expect a picture for a generated image token.
        """
        ids = self.run.tokens.ids[self.run.indices(ANSWER)].tolist()
        stop = {self.explainer.family.image_token_id}
        at = next((i for i, token in enumerate(ids) if token in stop), len(ids))
        return ids[:at]
