"""A recorded sequence, read again: positions, scores and gradients, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from explainer.attribution.patches import Patches
from explainer.engine import Engine
from explainer.errors import RunError, TokenError
from explainer.models.base import Family, Inputs, Media
from explainer.run import ANSWER, Run


class Reading:
    """The sequence of a run: pictures, prompt and the answer as it was given.

    Attributes:
        visual: N positions of the visual tokens, in the order of the run's first scale.
    """

    def __init__(self, engine: Engine, run: Run) -> None:
        self.family = engine.family
        self._engine, self._run = engine, run
        self._inputs = recorded_inputs(engine.family, run)
        self.visual = list(self._inputs.visual)

    def __len__(self) -> int:
        return len(self._inputs.ids)

    def predicting(self, tokens: Sequence[int]) -> list[int]:
        """Return q(t) of each token; `TokenError` for the first of the sequence."""
        at = [int(self._run.tokens.positions[token]) - 1 for token in tokens]
        if min(at) < 0:
            first = tokens[at.index(min(at))]
            raise TokenError(f"token {first} opens the sequence: nothing predicts it")
        return at

    @contextmanager
    def patched(self) -> Iterator[Patches]:
        """Hold the model alone and give out the means to change it until the block is left."""
        with self._engine.alone() as family, Patches(family.decoder) as patches:
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
        return self.family.unembedding.weight[int(self._run.tokens.ids[token])].float()

    def gradients(
        self, states: torch.Tensor, place: torch.Tensor, tokens: Sequence[int]
    ) -> Iterator[torch.Tensor]:
        """Yield ds_t / dplace for each token, with s_t = W[y_t] . z_q(t).

        The model is held for one token at a time.
        """
        for token, at in zip(tokens, self.predicting(tokens), strict=True):
            with self._engine.alone():
                score = states[at].float() @ self.row(token)
                gradient = torch.autograd.grad(score, place, retain_graph=True)[0]
            yield gradient


# Takes a reading, the tokens and the method's options, and yields a map (N,) for each token.
Compute = Callable[..., Iterator[torch.Tensor]]


def recorded_inputs(family: Family, run: Run, media: Media | None = None) -> Inputs:
    """Return the whole sequence, or raise `RunError` if it is not the recorded one.

    `media` are pictures of the same sizes to read in place of those of the run.
    """
    asked = family.compose(run.media if media is None else media, run.prompt)
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
