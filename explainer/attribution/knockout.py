"""Read the text of a recorded sequence again while it may not attend to some of what precedes it.

The sequence is read once. Of all that comes before the first text row after the pictures, keys and
values are kept, and only the rows of text are computed again, a batch of masks at once. So the
vision tower and the rows of the pictures are computed once for all masks.

A mask hides keys from rows of text. What a state of another visual token took up from a hidden one,
in the vision tower or in the decoder, stays: this asks whether the text may look there, and not
what the model would say of another picture.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache

from explainer.attribution.reading import recorded_inputs
from explainer.errors import ModelError
from explainer.models.base import Family
from explainer.models.engine import Engine, describe_memory_errors
from explainer.run import Run

Masks = npt.NDArray[np.bool_]


class TextRows:
    """The rows of text after the last visual token of a run, T of a sequence of L.

    Attributes:
        positions: (T,) places of the rows in the sequence.
        visual: (N,) places of the visual tokens, in the order of the run's first scale.

    Raises `ModelError` for models whose layers attend within a window or not at all.
    """

    def __init__(self, engine: Engine, run: Run) -> None:
        self._engine, self._run = engine, run
        check_full_attention(engine.family)
        inputs = recorded_inputs(engine.family, run)
        self.visual = np.array(inputs.visual)
        first, length = int(self.visual.max()) + 1, len(inputs.ids)
        self.positions = np.arange(first, length)
        with (
            describe_memory_errors("use a smaller picture"),
            engine.hold_alone() as family,
            torch.no_grad(),
        ):
            seen: dict[str, Any] = {}
            hook = family.decoder.register_forward_pre_hook(
                lambda _, args, kwargs: seen.update(kwargs), with_kwargs=True
            )
            try:
                tensors = family.forward_inputs(inputs)
                moved = {name: t.to(family.input_device) for name, t in tensors.items()}
                out = family.base(**moved, return_dict=True, use_cache=True)
            finally:
                hook.remove()
            if seen.get("inputs_embeds") is None:
                raise ModelError("this family does not hand embeddings to its language model")
            self._cache = _name_of_cache(family.decoder)
            layers = getattr(out, self._cache).layers
            self._before = [(x.keys[:, :, :first], x.values[:, :, :first]) for x in layers]
            self._rows = seen["inputs_embeds"][:, first:]
            places = seen.get("position_ids")
            self._places = None if places is None else places[..., first:]

    def probabilities(
        self, shown: Masks, at: Sequence[int], ids: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Return (B, R) float32: how probable each of R ids is after the rows at R places.

        Args:
            shown: (B, T, L) bool, which places each row may attend to, or (B, 1, L) for all rows.
                Later places are never attended to, and a row always attends to its own.
            at: R places in the sequence, of `positions`.
            ids: R ids of tokens.
        """
        batch, length = len(shown), int(self.positions[-1]) + 1
        rows, keys = self.positions[:, None], np.arange(length)
        allowed = (shown & (keys <= rows)) | (keys == rows)
        with describe_memory_errors("read fewer masks at once"):
            with self._engine.hold_alone() as family, torch.no_grad():
                states = self._read(family.decoder, allowed)
                chosen = states[:, np.array(at) - self.positions[0]].to(family.device)
            wanted = np.tile(np.array(ids, np.int32), batch)
            probs = self._engine.probabilities(chosen.flatten(0, 1), wanted)
        return probs.reshape(batch, len(at))

    def _read(self, decoder: torch.nn.Module, allowed: Masks) -> torch.Tensor:
        """Return the states (B, T, d) of the rows, which attend to `allowed` (B, T, L)."""
        batch, rows = len(allowed), self._rows
        cache = DynamicCache()
        for i, (keys, values) in enumerate(self._before):
            cache.update(*(x.expand(batch, -1, -1, -1).contiguous() for x in (keys, values)), i)
        lowest = torch.finfo(rows.dtype).min
        mask = torch.full(allowed.shape, lowest, dtype=rows.dtype)
        mask[torch.from_numpy(allowed)] = 0
        options: dict[str, Any] = {self._cache: cache, "use_cache": True}
        if self._places is not None:
            shape = (*self._places.shape[:-2], batch, self._places.shape[-1])
            options["position_ids"] = self._places.expand(shape)
        out = decoder(
            inputs_embeds=rows.expand(batch, -1, -1),
            attention_mask=mask[:, None].to(rows.device),
            return_dict=True,
            **options,
        )
        return out.last_hidden_state


def check_full_attention(family: Family) -> None:
    """Raise `ModelError` for a model with layers that do not attend to all of the text before."""
    if len(family.global_layers) < family.depth:
        raise ModelError(
            f"some layers of {family.label} do not attend to all that precedes a word, so its text "
            "cannot be read with places out of reach; hide pixels instead"
        )


def _name_of_cache(decoder: torch.nn.Module) -> str:
    """Return how `forward` and its result call the cache."""
    names = inspect.signature(decoder.forward).parameters
    return "cache" if "cache" in names else "past_key_values"
