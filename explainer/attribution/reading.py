"""Read a recorded sequence again: positions, scores, gradients and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from explainer.attribution.patches import Patches
from explainer.errors import MethodError, ModelError, RunError, TokenError
from explainer.models.base import Family
from explainer.models.engine import Engine, describe_memory_errors
from explainer.models.inputs import Inputs, Media
from explainer.models.loading.memory import free_memory, most_readings
from explainer.run import ANSWER, Run, Video
from explainer.run.thought import asks_for_thought

Values = dict[str, torch.Tensor]  # inputs of the vision tower, by the names that forward takes


class Reading:
    """The sequence of a run: pictures, prompt and the recorded answer.

    Attributes:
        run: the recorded run.
        visual: N positions of the visual tokens, in the order of the run's first scale.
    """

    def __init__(self, engine: Engine, run: Run) -> None:
        self.family, self.run = engine.family, run
        self._engine = engine
        self._inputs = recorded_inputs(engine.family, run)
        self.visual = list(self._inputs.visual)

    def __len__(self) -> int:
        return len(self._inputs.ids)

    def predicting(self, tokens: Sequence[int]) -> list[int]:
        """Return q(t) of each token; raise `TokenError` for the first of the sequence."""
        at = [int(self.run.tokens.positions[token]) - 1 for token in tokens]
        if min(at) < 0:
            first = tokens[at.index(min(at))]
            raise TokenError(f"token {first} opens the sequence: nothing predicts it")
        return at

    def needs_attention(self, method: str) -> None:
        """Raise `MethodError` if the method has no meaning because some layers do not attend."""
        check_all_attend(self.family, method)

    @contextmanager
    def patched(self) -> Iterator[Patches]:
        """Hold the model alone within the block, and yield its `Patches`."""
        with self._engine.hold_alone() as family, Patches(family) as patches:
            yield patches

    def states(self) -> torch.Tensor:
        """Return all states (L, d) after the final norm; to be called within `patched`."""
        tensors = self.family.forward_inputs(self._inputs)
        device = self.family.input_device
        moved = {name: t.to(device) for name, t in tensors.items()}
        out = self.family.base(**moved, return_dict=True, use_cache=False)
        return out.last_hidden_state[0].to(self.family.device)

    def row(self, token: int) -> torch.Tensor:
        """Return W[y_t], (d,) float32."""
        return self.family.unembedding.weight[int(self.run.tokens.ids[token])].float()

    def gradients(
        self, states: torch.Tensor, place: torch.Tensor, tokens: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Yield ds_t / dplace for each token, with s_t = W[y_t] . z_q(t).

        The model is held for one token at a time.
        """
        for token, at in zip(tokens, self.predicting(tokens), strict=True):
            with self._engine.hold_alone():
                score = states[at].float() @ self.row(token)
                gradient = torch.autograd.grad(score, place, retain_graph=True)[0]
            yield gradient

    def values(self, image: npt.NDArray[np.uint8]) -> Values:
        """Return what the vision tower reads of a picture in place of the run's, by name."""
        tensors = self.family.forward_inputs(self._with_media((image,)))
        return {name: t for name, t in tensors.items() if t.is_floating_point()}

    def probability(self, batch: Sequence[Values], token: int) -> torch.Tensor:
        """Return the probability (B,) float32 of a token, with a graph from what the tower reads.

        To be called within `patched`.
        """
        tensors = self.family.batch_inputs([self._inputs] * len(batch))
        for name in batch[0]:
            axis = self.family.batch_axis.get(name, 0)
            tensors[name] = torch.cat([values[name] for values in batch], axis)
        device = self.family.input_device
        moved = {name: t.to(device) for name, t in tensors.items()}
        out = self.family.base(**moved, return_dict=True, use_cache=False)
        states = out.last_hidden_state[:, self.predicting([token])[0]].to(self.family.device)
        logits = self._engine.capped(self.family.unembedding(states).float())
        return logits.softmax(-1)[:, int(self.run.tokens.ids[token])]

    def probabilities(
        self, variants: Sequence[Media], tokens: Sequence[int], ids: Sequence[int] | None = None
    ) -> npt.NDArray[np.float32]:
        """Return the probabilities (B, R) float32 of R tokens with other pictures.

        For each of B variants: the probability of each token after the sequence before it, with
        pictures of the same sizes in place of the run's. All are read in one batch, or in smaller
        ones if memory does not allow it.

        Args:
            ids: R ids to look at in place of those of the tokens.
        """
        wanted = self.run.tokens.ids[list(tokens)] if ids is None else np.array(ids, np.int32)
        return read_halves(
            self._engine, lambda part: self._probabilities(part, tokens, wanted), variants
        )

    def _probabilities(
        self, variants: Sequence[Media], tokens: Sequence[int], ids: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float32]:
        batch = [self._with_media(media) for media in variants]
        with describe_memory_errors("read fewer pictures at once"):
            states = self._engine.reread(batch, self.predicting(tokens))[-1]
            wanted = np.tile(ids, len(batch))
            probs = self._engine.probabilities(states.flatten(0, 1), wanted)
        return probs.reshape(len(batch), len(tokens))

    def _with_media(self, media: Media) -> Inputs:
        """Return the sequence with other pictures, or another video, of the same sizes."""
        if _sizes(media) != _sizes(self.run.media):
            raise RunError("all pictures that are read must have the sizes of the run's")
        return replace(self._inputs, tensors=self.family.picture_tensors(media))


def _sizes(media: Media) -> list[Any]:
    """Return what decides where in the sequence the visual tokens of media are."""
    if isinstance(media, Video):
        return [media.frames.shape, *media.times]
    return [image.shape for image in media]


def readings_at_once(family: Family, run: Run) -> int:
    """Return how many sequences like that of a run fit into the memory that is free now."""
    return most_readings(int(run.tokens.positions[-1]) + 1, free_memory(str(family.device)))


def read_halves(
    engine: Engine, read: Callable[[Any], npt.NDArray[np.float32]], batch: Any
) -> npt.NDArray[np.float32]:
    """Return read(batch), or those of its halves joined where memory does not allow it.

    Raises `ModelError` if it does not allow one item.
    """
    try:
        return read(batch)
    except ModelError:
        if len(batch) == 1:
            raise
        engine.free()
    middle = len(batch) // 2
    halves = (batch[:middle], batch[middle:])
    return np.concatenate([read_halves(engine, read, half) for half in halves])


@dataclass(frozen=True, eq=False)
class Computed:
    """The map of one token.

    Attributes:
        values: (N,) float32 over the visual tokens of scale 1, signed.
        notes: further numbers by name.
    """

    values: npt.NDArray[np.float32]
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AttributionProgress:
    """How many forward passes for the map of a token are done, of how many."""

    token: int
    done: int
    total: int


# Called with a reading, the tokens and the method's options; yields a map (N,) for each token, and
# progress before it if it takes long.
Compute = Callable[..., Iterator[torch.Tensor | Computed | AttributionProgress]]


def recorded_inputs(family: Family, run: Run) -> Inputs:
    """Return the whole sequence; raise `RunError` if it differs from the recorded one."""
    asked = family.compose(run.media, run.prompt, asks_for_thought(run), run.conversation)
    answer = [int(i) for i in run.tokens.ids[run.indices(ANSWER)]]
    whole = replace(asked, ids=(*asked.ids, *answer))
    ids = [whole.ids[p] for p in whole.text_positions]
    if ids != run.tokens.ids.tolist() or len(asked.visual) != len(run.scales[0].states):
        raise RunError(
            "the run's pictures and prompt do not give its tokens with this model; it was changed "
            "since, or is another one of the same name"
        )
    placeholders = {asked.ids[p] for p in asked.visual}
    if placeholders & set(answer):
        raise RunError("the answer holds the mark of a picture, and so cannot be read again")
    return whole


def check_all_attend(family: Family, method: str) -> None:
    """Raise `MethodError` for a method that follows words through layers of which some do not."""
    depth = family.depth
    others = depth - len(family.attending_layers)
    if others:
        raise MethodError(
            f"{method} follows a word through the attention of every layer, and {others} of "
            f"the {depth} layers of this {family.label} mix tokens without "
            "attention (by convolution or a recurrent state), so there is no such map"
        )
