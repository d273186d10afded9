"""Requests for recordings, checked before the model is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explainer.errors import ImageError, LayerError, PromptError, ScaleError
from explainer.media.fills import FILLS
from explainer.media.images import ImageSource, open_images
from explainer.media.video import VideoSource, open_video, step_label
from explainer.models.decoding import Decoding, is_number, is_whole
from explainer.models.loading.memory import free_memory
from explainer.run import NOTHING_SAID, Conversation, Turn, Video
from explainer.run.schema import MOST_TURNS

if TYPE_CHECKING:
    from explainer.models.base import Family
    from explainer.models.inputs import Inputs, Media

Pictures = ImageSource | list[ImageSource] | tuple[ImageSource, ...]

LAYERS = ("last", "even", "all")  # named choices of layers
MOST_LAYER_BYTES = 1 << 30  # for the further layers of a run; as much as a run file may unpack to
_LISTED = 4 * (200 + 10 + 1)  # bytes of the top-k list and its probabilities, per text state


@dataclass(frozen=True, eq=False)
class VisualInput:
    """The pictures or the video of a request.

    Attributes:
        images: (H, W, 3) uint8 each, as the model reads them and the page shows them; for a video,
            the first frame of each temporal step.
        labels: one label per image, or "".
        video: the video with all frames, or None.
        notes: sentences on what was changed or left out.
    """

    images: tuple[npt.NDArray[np.uint8], ...]
    labels: tuple[str, ...]
    video: Video | None
    notes: tuple[str, ...]

    @property
    def media(self) -> Media:
        """Return what the model reads: the video, or the pictures."""
        return self.images if self.video is None else self.video


@dataclass(frozen=True, eq=False)
class Request:
    """A checked request: pictures or a video, a prompt, and how to record.

    Attributes:
        visual: the pictures or the video.
        prompt: the user's text.
        scales: the scale factors besides 1, ascending.
        decoding: how the answer is generated.
        answer_ids: the ids of an answer to teacher-force, or None to generate one.
        layers: numbers of the decoder layers to record besides the last, ascending.
        fills: what replaces the pictures to measure how much the answer relies on them.
        sources: whether to measure what each word rests on.
        thinking: whether the answer opens with a thought.
        conversation: the system prompt and earlier turns.
    """

    visual: VisualInput
    prompt: str
    scales: tuple[float, ...]
    decoding: Decoding
    answer_ids: tuple[int, ...] | None = None
    layers: tuple[int, ...] = ()
    fills: tuple[str, ...] = ()
    sources: bool = False
    thinking: bool = False
    conversation: Conversation = NOTHING_SAID

    @property
    def longest(self) -> int:
        """Return the largest number of answer tokens."""
        return self.decoding.max_new_tokens if self.answer_ids is None else len(self.answer_ids)


def check_request(
    family: Family, visual: VisualInput, prompt: str, scales: Sequence[float], decoding: Decoding
) -> Request:
    """Return the request, or raise `PromptError` or `ScaleError`."""
    check_text(prompt, "prompt", "write what the model should do")
    others = tuple(alpha for alpha in check_scales(family, scales) if alpha != 1)
    return Request(visual, prompt, others, decoding)


def check_text(text: str, name: str, advice: str) -> str:
    """Return the text; raise `PromptError` if it is empty or holds lone surrogates."""
    if not isinstance(text, str) or not text.strip():
        raise PromptError(f"the {name} is empty; {advice}")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise PromptError(f"the {name} holds half a character (a lone surrogate); remove it")
    return text


def check_answer(family: Family, answer: str) -> tuple[int, ...]:
    """Return the token ids of an answer to teacher-force; `PromptError` if it is empty."""
    text = check_text(answer, "answer", "write what the model could have said")
    return tuple(family.codec.encode_answer(text))


def check_conversation(system: str, history: Sequence[Sequence[str]]) -> Conversation:
    """Return what was said before the prompt; `PromptError` for what cannot be said."""
    if not isinstance(system, str):
        raise PromptError(f"the system prompt is a text, got {type(system).__name__}")
    if system:
        check_text(system, "system prompt", "leave it out or write how the model should answer")
    if isinstance(history, str) or not isinstance(history, Sequence):
        raise PromptError("the history is a list of pairs, a prompt and its answer")
    if len(history) > MOST_TURNS:
        raise PromptError(
            f"a conversation has at most {MOST_TURNS} earlier turns, got {len(history)}; "
            "leave out the oldest"
        )
    return Conversation(system, tuple(_check_turn(i, turn) for i, turn in enumerate(history, 1)))


def _check_turn(number: int, turn: Sequence[str]) -> Turn:
    """Return an earlier turn, counted from 1."""
    if isinstance(turn, str) or not isinstance(turn, Sequence) or len(turn) != 2:
        raise PromptError(f"earlier turn {number} must be a pair, a prompt and its answer")
    advice = "each earlier turn has a prompt and an answer"
    prompt, answer = (
        check_text(text, f"{name} of earlier turn {number}", advice)
        for text, name in zip(turn, Turn._fields, strict=True)
    )
    return Turn(prompt, answer)


def open_visual_input(
    family: Family, pictures: Pictures | None, video: VideoSource | None
) -> VisualInput:
    """Open the pictures or the video; raise `ImageError` if the family does not support them."""
    if video is None:
        return _open_pictures(family, pictures)
    if pictures is not None:
        raise ImageError("pass pictures or a video, not both")
    _ = family.video_token_id  # raises for families without video, before the video is read
    size = family.frames_per_step
    opened, notes = open_video(video, multiple=size)
    labels = [step_label(opened, i, size) for i in range(len(opened.frames) // size)]
    return VisualInput(tuple(opened.frames[::size]), tuple(labels), opened, notes)


def _open_pictures(family: Family, pictures: Pictures | None) -> VisualInput:
    """Open the pictures; raise `ImageError` for none, or for more than the family supports."""
    if pictures is None or (isinstance(pictures, (list, tuple)) and not pictures):
        raise ImageError("there is no picture; pass one or several")
    sources = [*pictures] if isinstance(pictures, (list, tuple)) else [pictures]
    if len(sources) > family.max_images:
        most = "one picture" if family.max_images == 1 else f"up to {family.max_images} pictures"
        raise ImageError(
            f"{family.label} takes {most} at a time, got {len(sources)}; leave some out"
        )
    images, notes = open_images(sources)
    return VisualInput(images, ("",) * len(images), None, notes)


def check_scales(family: Family, scales: Sequence[float]) -> list[float]:
    """Return the scale factors, ascending and without duplicates.

    Raises `ScaleError` for one outside of the family's range.
    """
    low, high = family.alphas
    for alpha in scales:
        if high == 1 and is_number(alpha) and alpha > 1:
            raise ScaleError(
                f"{family.label} reads pictures at one fixed size, so a scale above 1 adds "
                f"nothing; got {alpha:g}, use one in {low:g}..1"
            )
        if not is_number(alpha) or not low <= alpha <= high:
            raise ScaleError(f"a scale of {family.label} lies in {low:g}..{high:g}, got {alpha}")
    return sorted({round(float(alpha), 6) for alpha in scales})


def check_layers(family: Family, layers: str | Sequence[int]) -> tuple[int, ...]:
    """Return the numbers of the layers below the last, for one of `LAYERS` or for numbers.

    "even" is every second layer counted down from the last; a model of two layers has none.
    """
    depth = family.depth
    if isinstance(layers, str):
        if layers not in LAYERS:
            raise LayerError(f"layers must be {', '.join(LAYERS)} or numbers, got {layers!r}")
        step = {"last": depth, "even": 2, "all": 1}[layers]
        return tuple(range(depth, 0, -step))[:0:-1]
    for number in layers:
        if not is_whole(number):
            raise LayerError(f"a layer is a whole number, got {number!r}")
        if not 1 <= number <= depth:
            raise LayerError(f"{family.model_id} has layers 1 to {depth}, got {number}")
    return tuple(sorted({int(number) for number in layers} - {depth}))


def layer_bytes(family: Family, inputs: Inputs, request: Request) -> int:
    """Estimate how many bytes the further layers of a request take at most.

    Counts visual states at all scales, text states up to the longest answer, and top-k lists.
    """
    fixed = family.alphas[1] == 1  # pictures of one size: as many tokens at each scale
    visual = len(inputs.visual) * (1 + sum(1 if fixed else a * a for a in request.scales))
    text = len(inputs.ids) - len(inputs.visual) + request.longest + 1
    width = family.unembedding.weight.shape[1]
    return round(len(request.layers) * (2 * width * (visual + text) + _LISTED * text))


def check_layer_bytes(family: Family, inputs: Inputs, request: Request) -> int:
    """Return `layer_bytes`; raise `LayerError` above the limit of a run or the free memory."""
    size, free = layer_bytes(family, inputs, request), free_memory()
    most = MOST_LAYER_BYTES if free is None else min(MOST_LAYER_BYTES, free // 3)
    if size > most:
        raise LayerError(
            f"{len(request.layers)} further layers would take about {size / 1e6:,.0f} MB, more "
            f"than the limit of {most / 1e6:,.0f} MB; record fewer layers or scales, or use a "
            "smaller picture"
        )
    return size


def check_fills(fills: Sequence[str]) -> tuple[str, ...]:
    """Return the fills without duplicates; raise `ImageError` for a name not in `FILLS`."""
    unknown = [fill for fill in fills if fill not in FILLS]
    if isinstance(fills, str) or unknown:
        raise ImageError(f"fills are some of {', '.join(FILLS)}, got {fills!r}")
    return tuple(dict.fromkeys(fills))


def check_thinking(family: Family, thinking: bool, answer: str | None) -> bool:
    """Return whether the answer opens with a thought; `PromptError` where it cannot."""
    if not isinstance(thinking, bool):
        raise PromptError(f"thinking must be true or false, got {thinking!r}")
    if thinking and not family.can_think:
        raise PromptError(
            f"the chat template of {family.model_id} leaves no choice whether to think; leave "
            "thinking out"
        )
    if thinking and answer is not None:
        raise PromptError("an answer that is given is read without a thought; leave thinking out")
    return thinking


def check_length(family: Family, inputs: Inputs, request: Request) -> None:
    """Raise `PromptError` if the sequence is longer than the model's context."""
    picture, text = len(inputs.visual), len(inputs.ids) - len(inputs.visual)
    said, shorter = "prompt", "shorten the prompt or the answer"
    if request.conversation.turns:
        said, shorter = "conversation", "start a new conversation, or shorten the answer"
    elif request.conversation.system:
        said, shorter = "system prompt and prompt", "shorten them or the answer"
    several = len({view.image for view in inputs.views}) > 1
    smaller = "fewer or smaller pictures" if several else "a smaller picture"
    if len(inputs.ids) + request.longest > family.max_length:
        raise PromptError(
            f"picture ({picture} tokens), {said} with its template ({text}) and answer (up to "
            f"{request.longest}) are more than the {family.max_length} tokens that "
            f"{family.model_id} takes; {shorter}, or use {smaller}"
        )


def check_scale_length(family: Family, inputs: Inputs, alpha: float) -> None:
    """Raise `ScaleError` if the picture alone exceeds the model's context at this scale."""
    if len(inputs.ids) > family.max_length:
        raise ScaleError(
            f"at scale {alpha:g} the picture takes {len(inputs.ids)} tokens, and "
            f"{family.model_id} takes {family.max_length}; use a smaller factor"
        )
