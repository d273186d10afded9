"""The contract of a model family: the facts that recording needs, and how sequences are composed.

A new family is one file with a subclass of `Family` that states its facts and implements
`picture`, plus one line in the registry and one tiny-config fixture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import transformers

from explainer.errors import ModelError, PromptError, VideoError
from explainer.models.decoding import is_penalty
from explainer.models.inputs import InputPicture, Inputs, InputWriter, Media, join_tensors
from explainer.models.text.template import ChatTemplate, Template
from explainer.models.text.tokens import TextCodec
from explainer.run import NOTHING_SAID, Conversation, Video

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Family(ABC):
    """A loaded model of one architecture, with its tokenizer and image processor.

    Class attributes are the facts:
        label: the name for people.
        model_class, processor_class: names of classes in transformers.
        image_token: the placeholder of a visual token.
        image_mark: what the chat template writes for a picture, if not `image_token`.
        template: a Jinja chat template for checkpoints that bring none.
        alphas: the smallest and largest scale factor that make sense.
        max_images: the largest number of pictures in one prompt.
        photo_tokens: about how many visual tokens a picture of 640 x 480 px has, at the default
            scales together.
        patches_per_token: how many patches the vision tower reads for a visual token.
        video_token: the placeholder of a video; "" for families that take none.
        opening, closing: text around the visual tokens of each picture that the template does not
            write, because the checkpoint's own processor does.
        batch_axis: the dimension along which tensors of sequences are joined, if not the first.
        note: one sentence for people on what the family cannot do or sees differently, or "".
        OPTIONS: names of the options of `explainer.load` that only this family has.
    """

    label: ClassVar[str]
    model_class: ClassVar[str]
    processor_class: ClassVar[str]
    image_token: ClassVar[str]
    image_mark: ClassVar[str] = ""
    template: ClassVar[str]
    alphas: ClassVar[tuple[float, float]] = (0.1, 2.0)
    max_images: ClassVar[int] = 1
    photo_tokens: ClassVar[int] = 770
    patches_per_token: ClassVar[int] = 4
    video_token: ClassVar[str] = ""
    opening: ClassVar[str] = ""
    closing: ClassVar[str] = ""
    batch_axis: ClassVar[Mapping[str, int]] = MappingProxyType({})
    note: ClassVar[str] = ""
    OPTIONS: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        processor: Any,
        model_id: str,
        revision: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._model: PreTrainedModel | None = model
        self.processor = processor
        self.model_id = model_id
        self.revision = revision
        self.options = dict(options or {})
        self.origin: dict[str, Any] = {}  # what else changes its states: adapter, quantization
        self.codec = TextCodec(tokenizer)
        self.chat = ChatTemplate(tokenizer, self.template, model_id)
        self.lay_out(self.image_token, 1)  # a template of another layout is refused at once
        self.check()
        _ = self.repetition_penalty  # so is one that cannot be used

    # What a family adds --------------------------------------------------------------------------

    @classmethod
    def load_processor(cls, name: str, revision: str | None) -> Any:
        """Return the image processor of a checkpoint, a folder or a hub id."""
        return getattr(transformers, cls.processor_class).from_pretrained(name, revision=revision)

    @classmethod
    def extra_marks(cls) -> tuple[str, ...]:
        """Return the special tokens within pictures, besides those of the class attributes."""
        return ()

    @abstractmethod
    def picture(self, image: npt.NDArray[np.uint8], alpha: float) -> InputPicture:
        """Return the (H, W, 3) uint8 image at scale `alpha`.

        The factor applies to the size that the family's own preprocessing arrives at.
        """

    def video(self, video: Video, alpha: float) -> InputPicture:
        """Return a video at scale `alpha`, a view for each step; `VideoError` if it takes none."""
        raise VideoError(f"{self.label} takes pictures and no video; choose a frame of it")

    @property
    def frames_per_step(self) -> int:
        """Return how many frames of a video share their visual tokens."""
        return 1

    def check(self) -> None:
        """Raise `ModelError` if the parts of the checkpoint do not fit together."""
        known = self.codec.special_id(self.image_token)
        if known != self.image_token_id:
            raise ModelError(
                f"{self.model_id}: {self.image_token} is id {known} for the tokenizer and "
                f"{self.image_token_id} in config.json; tokenizer and model are not a pair"
            )
        rows = self.model.get_input_embeddings().weight.shape[0]
        if max(self._written_ids()) >= rows:
            raise ModelError(
                f"{self.model_id}: the tokenizer knows {len(self.codec)} tokens and the model "
                f"{rows}; tokenizer and model are not a pair"
            )

    def _written_ids(self) -> list[int]:
        """Return the highest word of the vocabulary, and all ids that the template writes.

        Only these need a row of weights. A tokenizer may know further special tokens, which text
        of a user never becomes: that of InternVL3-*-hf has one for videos that its model lacks.
        """
        ids = [self.image_token_id, *np.flatnonzero(self.codec.ordinary())[-1:].tolist()]
        for text in self._layouts:
            ids += self.codec.encode_start(text.before[0] + self.opening)
            ids += self.codec.encode_template(self.closing + text.between[0] + text.after)
        return ids

    def forward_inputs(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Return what the base model's forward takes for a whole sequence, on the CPU."""
        return {"input_ids": torch.tensor([inputs.ids]), **inputs.tensors}

    def batch_inputs(self, batch: Sequence[Inputs]) -> dict[str, torch.Tensor]:
        """Return what forward takes for several sequences of one length and layout, on the CPU."""
        parts = [self.forward_inputs(inputs) for inputs in batch]
        return {
            name: torch.cat([part[name] for part in parts], self.batch_axis.get(name, 0))
            for name in parts[0]
        }

    def step_inputs(self, forward_inputs: Mapping[str, torch.Tensor], step: int) -> dict[str, Any]:
        """Return what forward takes besides the id when answer token `step` is fed in."""
        return {}

    # What all families share ---------------------------------------------------------------------

    @property
    def model(self) -> PreTrainedModel:
        """Return the network; `ModelError` after `close`."""
        if self._model is None:
            raise ModelError(f"{self.model_id} was closed; load it again")
        return self._model

    def close(self) -> None:
        """Let go of the network."""
        self._model = None

    @property
    def nbytes(self) -> int:
        """Return the bytes that the weights take."""
        network = self.model
        return sum(map(_nbytes, [*network.parameters(), *network.buffers()]))

    @property
    def base(self) -> torch.nn.Module:
        """Return the model without its unembedding; `last_hidden_state` is after the final norm."""
        return self.model.model

    @property
    def decoder(self) -> PreTrainedModel:
        """Return the language model, which has `layers`."""
        return self.base.language_model

    @property
    def final_norm(self) -> torch.nn.Module:
        """Return the norm between the last layer and the unembedding."""
        return self.decoder.norm

    @staticmethod
    def mlp_norm(layer: torch.nn.Module) -> torch.nn.Module:
        """Return the norm of a decoder layer before its MLP."""
        return getattr(layer, "pre_feedforward_layernorm", layer.post_attention_layernorm)

    @property
    def depth(self) -> int:
        """Return the number of decoder layers."""
        return len(self.decoder.layers)

    @property
    def attending_layers(self) -> list[int]:
        """Return the indices of the layers that attend; others convolve, or carry a state."""
        return [i for i, layer in enumerate(self.decoder.layers) if hasattr(layer, "self_attn")]

    @property
    def key_layers(self) -> list[int]:
        """Return the indices of the layers that make keys and values.

        Others that attend use those of an earlier layer.
        """
        attention = {i: self.decoder.layers[i].self_attn for i in self.attending_layers}
        return [i for i, a in attention.items() if not getattr(a, "is_kv_shared_layer", False)]

    @property
    def global_layers(self) -> list[int]:
        """Return the indices of the layers that attend to all tokens before, not to a window."""
        kinds = getattr(self.decoder.config, "layer_types", None) or []
        windowed = {i for i, kind in enumerate(kinds) if kind != "full_attention"}
        return [i for i in self.attending_layers if i not in windowed]

    @property
    def unembedding(self) -> torch.nn.Linear:
        """Return W (V, d) and its bias, if any, as the linear layer that the model uses."""
        return self.model.get_output_embeddings()

    @property
    def logit_softcap(self) -> float | None:
        """Return c where the model makes c tanh(x / c) of its logits x, None where it does not."""
        cap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        return None if not cap else float(cap)

    @property
    def device(self) -> torch.device:
        """Return where the unembedding is, and with it all states."""
        return self.unembedding.weight.device

    @property
    def input_device(self) -> torch.device:
        """Return where inputs go: a model that is spread over GPUs may start on another one."""
        return self.model.get_input_embeddings().weight.device

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
    def repetition_penalty(self) -> float:
        """Return the penalty in generation_config.json, 1 if it names none.

        Raises `ModelError` for an invalid one.
        """
        own = getattr(self.model.generation_config, "repetition_penalty", None)
        if own is not None and not is_penalty(own):
            raise ModelError(
                f"{self.model_id}: generation_config.json has the repetition_penalty {own!r}; "
                "set another one, such as 1"
            )
        return 1.0 if own is None else float(own)

    @property
    def image_token_id(self) -> int:
        return int(self.model.config.image_token_id)

    @property
    def video_token_id(self) -> int:
        """Return the id of a video's placeholder; `VideoError` if the checkpoint takes no video."""
        known = self.codec.special_id(self.video_token) if self.video_token else None
        if known is None:
            raise VideoError(f"{self.model_id} takes pictures and no video; choose a frame of it")
        return known

    def compose(
        self,
        media: Media,
        prompt: str,
        thinking: bool = False,
        conversation: Conversation = NOTHING_SAID,
    ) -> Inputs:
        """Return the sequence that asks `prompt` about pictures or a video at scale 1.

        `thinking` opens the answer with a thought, in families whose template `can_think`. Raises
        `PromptError` where the template has no place for a part of the conversation.
        """
        text = self._template_of(media, thinking, conversation)
        plain = text
        if conversation.turns:
            plain = self._template_of(media, thinking, Conversation(conversation.system))
        if text.prefix != plain.prefix:
            raise PromptError(
                f"the chat template of {self.model_id} writes something else before the prompt "
                "where there are earlier turns, which is not supported; ask without them"
            )
        writer = self._write_prefix(media, 1.0, plain, conversation.system)
        for piece in text.tail(conversation, prompt):
            writer.write(*piece)
        writer.encode()
        return writer.inputs()

    def compose_prefix(
        self, media: Media, alpha: float, system: str = "", thinking: bool = False
    ) -> Inputs:
        """Return the same sequence cut right after the last visual token, at scale `alpha`.

        Under a causal mask the visual states do not depend on what follows them: neither on the
        prompt nor on earlier turns.
        """
        text = self._template_of(media, thinking, Conversation(system))
        return self._write_prefix(media, alpha, text, system).inputs()

    def picture_tensors(self, media: Media) -> Mapping[str, torch.Tensor]:
        """Return what the base model's forward takes for these pictures at scale 1, on the CPU."""
        return join_tensors(self._read_media(media, 1.0))

    def _read_media(self, media: Media, alpha: float) -> list[InputPicture]:
        if isinstance(media, Video):
            return [self.video(media, alpha)]
        return [self.picture(image, alpha) for image in media]

    def _write_prefix(self, media: Media, alpha: float, text: Template, system: str) -> InputWriter:
        """Return a writer at the first text after the pictures."""
        pictures = self._read_media(media, alpha)
        is_video = isinstance(media, Video)
        writer = InputWriter(self.codec, self.video_token_id if is_video else self.image_token_id)
        for piece in text.head(system):
            writer.write(*piece)
        writer.write(self.opening)
        for picture, after in zip(pictures, [*text.before[1:], text.between[0]], strict=True):
            writer.write_picture(picture)
            writer.write(self.closing + after)
            if len(writer.pictures) < len(pictures):
                writer.write(self.opening)
        return writer

    def _template_of(self, media: Media, thinking: bool, conversation: Conversation) -> Template:
        if isinstance(media, Video):
            return self.lay_out(self.video_token, 1, thinking, conversation)
        return self.lay_out(self.image_token, len(media), thinking, conversation)

    def lay_out(
        self,
        token: str,
        count: int,
        thinking: bool = False,
        conversation: Conversation = NOTHING_SAID,
    ) -> Template:
        """Return the template's text around pictures (or videos) and what is said about them.

        `token` is the placeholder, `image_token` or `video_token`, and there are `count` of them.
        """
        kind = "video" if token == self.video_token else "image"
        mark = self.image_mark if self.image_mark and kind == "image" else token
        return self.chat.lay_out(kind, mark, count, thinking, conversation)

    @property
    def _layouts(self) -> tuple[Template, Template]:
        """Return the template's text around one picture, without a thought and with one."""
        plain, thinking = (self.lay_out(self.image_token, 1, choice) for choice in (False, True))
        return plain, thinking

    @cached_property
    def can_think(self) -> bool:
        """Return whether an answer can open with a thought, and can do without."""
        plain, thinking = self._layouts
        return plain != thinking

    @cached_property
    def thinks_before_picture(self) -> bool:
        """Return whether a thought is asked for before the picture, and changes visual states."""
        plain, thinking = self._layouts
        return plain.prefix != thinking.prefix


def _nbytes(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor, or of those that a quantized one is made of."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) and hasattr(
        tensor, "__tensor_flatten__"
    ):
        names, _ = tensor.__tensor_flatten__()
        return sum(_nbytes(getattr(tensor, name)) for name in names)
    return tensor.numel() * tensor.element_size()
