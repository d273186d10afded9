"""A checkpoint's chat template: the text that it writes around pictures and what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from explainer.errors import ModelError, PromptError
from explainer.models.text.tokens import Piece
from explainer.run import (
    EARLIER_ANSWER,
    EARLIER_PROMPT,
    NOTHING_SAID,
    PROMPT,
    SYSTEM,
    TEMPLATE,
    Conversation,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Stands for a text while the chat template is laid out. Texts of people never pass through the
# template engine, so they cannot be mistaken for markup.
_MARK = "\ue000text-{}\ue001"


@dataclass(frozen=True)
class Template:
    """The template's text around pictures and what was said.

    Attributes:
        opening: before the system prompt; "" without one.
        before: before each picture.
        between: before each text that follows the pictures: those of earlier turns, and the prompt.
        after: after the prompt.
        strips: for each text, that of a system prompt first: whether it takes spaces off its start
            and off its end.
    """

    opening: str
    before: tuple[str, ...]
    between: tuple[str, ...]
    after: str
    strips: tuple[tuple[bool, bool], ...]

    @property
    def prefix(self) -> tuple[str, tuple[str, ...], str]:
        """Return the template's text up to the first text after the pictures."""
        return self.opening, self.before, self.between[0]

    def head(self, system: str) -> list[Piece]:
        """Return what stands before the first picture."""
        if not system:
            return [(self.before[0], TEMPLATE)]
        written = _strip(system, self.strips[0])
        return [(self.opening, TEMPLATE), (written, SYSTEM), (self.before[0], TEMPLATE)]

    def tail(self, conversation: Conversation, prompt: str) -> list[Piece]:
        """Return what follows the pictures, from the first text on."""
        texts = _texts(conversation, prompt)
        strips = self.strips[-len(texts) :]
        earlier = (EARLIER_PROMPT, EARLIER_ANSWER) * len(conversation.turns)
        pieces: list[Piece] = []
        for before, text, ends, role in zip(
            ("", *self.between[1:]), texts, strips, (*earlier, PROMPT), strict=True
        ):
            pieces += [(before, TEMPLATE), (_strip(text, ends), role)]
        return [*pieces, (self.after, TEMPLATE)]


class ChatTemplate:
    """The chat template of a checkpoint.

    Args:
        tokenizer: that of the checkpoint, with its template.
        otherwise: the template for checkpoints that bring none.
        model_id: for messages.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, otherwise: str, model_id: str) -> None:
        self._tokenizer, self._otherwise, self._model_id = tokenizer, otherwise, model_id

    def lay_out(
        self,
        kind: str,
        token: str,
        count: int,
        thinking: bool = False,
        conversation: Conversation = NOTHING_SAID,
    ) -> Template:
        """Return the text around pictures or videos and what was said.

        Args:
            kind: "image" or "video".
            token: its placeholder.
            count: how many there are.
            thinking: whether the answer is to open with a thought, in templates that `can_think`.
            conversation: the system prompt and the earlier turns.

        Raises:
            ModelError: the template takes no pictures, or lays them out in another way.
            PromptError: it has no place for the system prompt, or for earlier turns.
        """
        system, kinds = bool(conversation.system), [kind] * count
        form, marks = self._find_form(kinds, conversation), _marks(conversation)
        unsupported = ModelError(
            f"the chat template of {self._model_id} does not put one {token} for each {kind} "
            "before the user's text; this layout is not supported"
        )

        def parts(start: str = "", end: str = "") -> list[str]:
            texts = [start + mark + end for mark in marks]
            found = _split(self._write(kinds, texts, system, form, thinking), marks)
            if found is None:
                raise unsupported
            return found

        plain = parts()
        if system and token in plain[0]:
            raise PromptError(
                f"the chat template of {self._model_id} writes a system prompt after the picture, "
                "which is not supported; write it into the prompt"
            )
        heads = plain[system].split(token)
        if len(heads) != count + 1:
            raise unsupported
        starts = [a == b for a, b in zip(plain[:-1], parts(start=" ")[:-1], strict=True)]
        ends = [a == b for a, b in zip(plain[1:], parts(end=" ")[1:], strict=True)]
        return Template(
            opening=plain[0] if system else "",
            before=tuple(heads[:-1]),
            between=(heads[-1], *plain[system + 1 : -1]),
            after=plain[-1],
            strips=tuple(zip(starts, ends, strict=True)),
        )

    def write(
        self,
        kinds: Sequence[str],
        prompt: str,
        thinking: bool = False,
        conversation: Conversation = NOTHING_SAID,
    ) -> str:
        """Return the text of a conversation about media of these kinds, up to the answer.

        What was said passes through the template engine here. Errors as for `lay_out`.
        """
        form = self._find_form(kinds, conversation)
        texts = _all_texts(conversation, prompt)
        return self._write(kinds, texts, bool(conversation.system), form, thinking)

    def _find_form(self, kinds: Sequence[str], conversation: Conversation) -> _Form:
        """Return the form in which the template takes a system prompt and later messages.

        Some templates read contents as lists of parts only, others as text only. Raises
        `PromptError` where it writes neither.
        """
        system, turns = bool(conversation.system), bool(conversation.turns)
        if not system and not turns:
            return _as_parts, _as_parts
        if system and turns:
            self._find_form(kinds, Conversation(conversation.system))  # says which one it lacks
        marks = _marks(conversation)
        ways: tuple[Callable[[str], Any], ...] = (_as_parts, _as_text)
        for form in product(ways, ways):
            try:
                written = self._write(kinds, marks, system, form)
            except ModelError:
                continue
            if _split(written, marks):
                return form
        what, instead = "earlier turns", "ask without them"
        if not turns:
            what, instead = "a system prompt", "write it into the prompt"
        raise PromptError(
            f"the chat template of {self._model_id} has no place for {what}; {instead}"
        )

    def _write(
        self,
        kinds: Sequence[str],
        texts: Sequence[str],
        system: bool,
        form: _Form,
        thinking: bool = False,
    ) -> str:
        """Return the text of these messages, of which the first may be the system prompt.

        Raises `ModelError` for whatever the template raises.
        """
        messages = [{"role": "system", "content": form[0](text)} for text in texts[:system]]
        media = [{"type": kind} for kind in kinds]
        for i, text in enumerate(texts[system:]):
            content = form[1](text) if i else [*media, *_as_parts(text)]
            messages.append({"role": "assistant" if i % 2 else "user", "content": content})
        try:
            return self._tokenizer.apply_chat_template(
                messages,
                chat_template=self._tokenizer.chat_template or self._otherwise,
                add_generation_prompt=True,
                tokenize=False,
                enable_thinking=thinking,
            )
        except Exception as error:  # what a template raises, or the engine that runs it
            raise ModelError(
                f"the chat template of {self._model_id} takes no pictures: {error}"
            ) from error


def _as_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _as_text(text: str) -> str:
    return text


_Form = tuple[Callable[[str], Any], Callable[[str], Any]]  # of the system prompt, of later messages


def _texts(conversation: Conversation, prompt: str) -> list[str]:
    """Return all texts that follow the pictures, in order."""
    return [*(text for turn in conversation.turns for text in turn), prompt]


def _all_texts(conversation: Conversation, prompt: str) -> list[str]:
    """Return the system prompt, if there is one, and all texts that follow the pictures."""
    system = [conversation.system] if conversation.system else []
    return [*system, *_texts(conversation, prompt)]


def _marks(conversation: Conversation) -> list[str]:
    """Return what stands for each of all texts."""
    return [_MARK.format(i) for i in range(len(_all_texts(conversation, "")))]


def _split(text: str, marks: Sequence[str]) -> list[str] | None:
    """Return the parts of a text around its marks; None unless it holds each once, in order."""
    parts: list[str] = []
    for mark in marks:
        before, found, text = text.partition(mark)
        if not found:
            return None
        parts.append(before)
    parts.append(text)
    twice = any(mark in part for part in parts for mark in marks)
    return None if twice else parts


def _strip(text: str, ends: tuple[bool, bool]) -> str:
    """Return a text as the template writes it, without the spaces at these of its ends."""
    text = text.lstrip() if ends[0] else text
    return text.rstrip() if ends[1] else text
