"""A checkpoint's chat template: the text that it writes around pictures and the user's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from explainer.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Stands for the user's text while the chat template is laid out. The user's own text never passes
# through the template engine, so it cannot be mistaken for markup.
_USER = "\ue000user-text\ue001"


@dataclass(frozen=True)
class Template:
    """The template's text: before each picture, between the last one and the user's text, after.

    `strips` says whether it takes spaces off the start and off the end of the user's text.
    """

    before: tuple[str, ...]
    between: str
    after: str
    strips: tuple[bool, bool] = (False, False)

    def user_text(self, text: str) -> str:
        """Return the user's text as the template writes it."""
        text = text.lstrip() if self.strips[0] else text
        return text.rstrip() if self.strips[1] else text


class ChatTemplate:
    """The chat template of a checkpoint.

    Args:
        tokenizer: that of the checkpoint, with its template.
        otherwise: the template for checkpoints that bring none.
        model_id: for messages.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, otherwise: str, model_id: str) -> None:
        self._tokenizer, self._otherwise, self._model_id = tokenizer, otherwise, model_id

    def lay_out(self, kind: str, token: str, count: int, thinking: bool = False) -> Template:
        """Return the text around pictures or videos and the user's text after them.

        Args:
            kind: "image" or "video".
            token: its placeholder.
            count: how many there are.
            thinking: whether the answer is to open with a thought, in templates that `can_think`.

        Raises:
            ModelError: the template takes none, or lays them out in another way.
        """
        before, *rest = self.write([kind] * count, _USER, thinking).split(_USER)
        *heads, between = before.split(token)
        if len(rest) != 1 or len(heads) != count:
            raise ModelError(
                f"the chat template of {self._model_id} does not put one {token} for each "
                f"{kind} before the user's text; this layout is not supported"
            )
        spaced = self.write([kind] * count, f" {_USER} ", thinking).split(_USER)
        strips = spaced[0] == before, spaced[-1] == rest[0]
        return Template(tuple(heads), between, rest[0], strips)

    def can_think(self, token: str) -> bool:
        """Return whether it can open an answer with a thought, and can leave it out.

        A thought that comes with other text before the picture would change the visual states.
        `token` is the placeholder of a picture.
        """
        plain, thinking = (self.lay_out("image", token, 1, way) for way in (False, True))
        return plain != thinking and replace(plain, after="") == replace(thinking, after="")

    def write(self, kinds: Sequence[str], text: str, thinking: bool = False) -> str:
        """Return the text of a turn with media of these kinds and this text, up to the answer.

        Raises `ModelError` if the template takes none.
        """
        content = [*[{"type": kind} for kind in kinds], {"type": "text", "text": text}]
        try:
            return self._tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                chat_template=self._tokenizer.chat_template or self._otherwise,
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinking,
            )
        except Exception as error:  # what a template raises, or the engine that runs it
            raise ModelError(
                f"the chat template of {self._model_id} takes no pictures: {error}"
            ) from error
