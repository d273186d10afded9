"""What the checks of `contract` show and say to a model, and what its template makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from explainer.errors import PromptError
from explainer.models.base import Family
from explainer.run import Conversation, Turn

PROMPT_TEXT = "Describe the image."
ANOTHER_TEXT = "How many things are there, and where are they?"
CONVERSATION = Conversation(
    "You answer briefly.", (Turn(ANOTHER_TEXT, "Two, side by side."), Turn("Sure?", "Yes."))
)


def sample_picture() -> npt.NDArray[np.uint8]:
    """Return a picture (168, 224, 3) uint8: a gradient, a bright block, and seeded noise."""
    y, x = np.mgrid[:168, :224]
    slope = np.stack([x, y, 224 - x], axis=-1) * 0.7
    slope[40:90, 120:180] = (250, 220, 30)
    noise = np.random.default_rng(0).normal(0, 12, slope.shape)
    return np.clip(slope + noise, 0, 255).astype(np.uint8)


def supported(family: Family, image: npt.NDArray[np.uint8]) -> list[Conversation]:
    """Return earlier turns and a system prompt, as far as the template has a place for them."""
    found = []
    for part in (replace(CONVERSATION, system=""), replace(CONVERSATION, turns=()), CONVERSATION):
        with suppress(PromptError):
            family.compose([image], PROMPT_TEXT, conversation=part)
            found.append(part)
    return found


def template_ids(
    family: Family,
    layout: Sequence[str | int],
    prompt: str,
    thinking: bool,
    conversation: Conversation,
) -> list[int]:
    """Return the ids of the tokenizer on the whole template around a picture of this layout."""
    words = family.codec.tokenizer
    text = family.chat.write(["image"], prompt, thinking, conversation)
    picture = "".join(p if isinstance(p, str) else family.image_token * p for p in layout)
    mark = family.image_mark or family.image_token
    text = text.replace(mark, family.opening + picture + family.closing, 1)
    starts = bool(words.bos_token) and text.startswith(words.bos_token)
    return list(words(text, add_special_tokens=not starts)["input_ids"])
