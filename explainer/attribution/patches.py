"""Change a model for one forward pass: hooks, and another attention function.

`Patches` reverts all changes when its block is left, also by an error. Weights, forward methods and
parameters are not changed. Attention is computed by the default kernel (sdpa); its weights, which
the kernel does not return, are computed separately.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from explainer.errors import ModelError
from explainer.models.base import Family

_NAME = "sightline"  # of the attention function below, in the registry of transformers


@dataclass(eq=False)
class Call:
    """One call of the attention function: batch of 1, `heads` queries share `groups` keys each.

    Attributes:
        layer: index of the layer.
        query: (1, heads, L, d_head).
        key, value: (1, key heads, L, d_head).
        mask: None for a causal mask, or (1, 1, L, L) bool, True where attention is allowed.
        scaling: what logits are multiplied with.
        attend: returns (1, L, heads, d_head) from query, key and value; how does not matter.
    """

    layer: int
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    scaling: float
    attend: Callable[..., torch.Tensor]

    @property
    def heads(self) -> int:
        return self.query.shape[1]

    def key_head(self, head: int) -> int:
        """Return the index of the key and value head of a query head."""
        return head * self.key.shape[1] // self.heads

    @torch.no_grad()
    def weights(self, head: int, rows: torch.Tensor) -> torch.Tensor:
        """Return (R, L) float32, the attention of these positions in one head; rows sum to 1."""
        query, key = self.query[0, head, rows], self.key[0, self.key_head(head)]
        logits = query.float() @ key.float().T * self.scaling
        if self.mask is None:
            allowed = torch.arange(len(key), device=key.device) <= rows[:, None]
        else:
            allowed = self.mask[0, 0, rows]
        return logits.masked_fill(~allowed, -torch.inf).softmax(-1)

    def mean_weights(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (R, L) float32, the attention of these positions, its mean over heads."""
        total = self.weights(0, rows)
        for head in range(1, self.heads):
            total += self.weights(head, rows)
        return total / self.heads


Around = Callable[[Call], torch.Tensor]  # returns the output (1, L, heads, d_head)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    around: Callable[..., torch.Tensor],
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Hand one call of a layer's attention to `around`, which a hook of `Patches` passes in."""

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return sdpa_attention_forward(module, q, k, v, attention_mask, scaling=scaling, **options)[
            0
        ]

    return around(query, key, value, attention_mask, scaling, attend), None


# The two registries are how transformers takes in attention functions; an entry changes nothing
# until a model's config names it.
AttentionInterface.register(_NAME, _attention)
AttentionMaskInterface.register(_NAME, sdpa_mask)


class Patches(AbstractContextManager["Patches"]):
    """Hooks on a language model, and its attention function, within a block."""

    def __init__(self, family: Family) -> None:
        self.decoder = family.decoder
        self._attending = family.attending_layers
        self._undo = ExitStack()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def after(self, module: nn.Module, change: Callable[..., Any]) -> None:
        """Call change(module, args, output) after the module; what it returns replaces output."""
        self._undo.callback(module.register_forward_hook(change).remove)

    def before(self, module: nn.Module, change: Callable[..., Any]) -> None:
        """Call change(module, args, kwargs) before the module; it returns new args and kwargs."""
        handle = module.register_forward_pre_hook(change, with_kwargs=True)
        self._undo.callback(handle.remove)

    def attention(self, around: Around) -> None:
        """Let `around` compute the attention of every layer that attends."""
        self._undo.callback(
            self.decoder.set_attn_implementation, self.decoder.config._attn_implementation
        )
        self.decoder.set_attn_implementation(_NAME)
        for i in self._attending:
            layer = self.decoder.layers[i]
            if layer.self_attn.config._attn_implementation != _NAME:
                raise ModelError("this model's attention cannot be recorded")
            self.before(layer.self_attn, partial(_pass_in, i, around))

    def leaf_after(self, module: nn.Module) -> Leaf:
        """Cut the graph after a module; gradients can be taken with respect to its output."""
        leaf = Leaf()
        self.after(module, lambda _module, _args, output: leaf.put(output))
        return leaf

    def leaf_after_layer(self, index: int) -> Leaf:
        """Cut the graph after a layer, where the next one reads its output.

        Features of the picture that a model adds between layers (DeepStack) are part of it.
        """
        if index + 1 == len(self.decoder.layers):
            return self.leaf_after(self.decoder.layers[index])
        leaf = Leaf()

        def cut(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            return (leaf.put(args[0]), *args[1:]), kwargs

        self.before(self.decoder.layers[index + 1], cut)
        return leaf

    def leaf_at_input(self) -> Leaf:
        """Cut the graph at all inputs of the language model, (1 + K, L, d).

        The first row is the input embeddings. The K others are the picture features added after
        each of the first K layers (DeepStack), zero at positions of text, or the embeddings of
        tokens that the layers read (Gemma 4), one after another and zero at the end.
        """
        leaf = Leaf()

        def cut(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
            embedded = kwargs["inputs_embeds"]
            stacked = kwargs.get("deepstack_visual_embeds") or []
            by_layer = kwargs.get("per_layer_inputs")
            if by_layer is not None:
                parts = by_layer[0].flatten(1).split(embedded.shape[2], dim=1)
                last = nn.functional.pad(parts[-1], (0, embedded.shape[2] - parts[-1].shape[1]))
                whole = leaf.put(torch.cat([embedded, torch.stack([*parts[:-1], last])]))
                own = torch.cat(list(whole[1:]), dim=1)[:, : by_layer[0, 0].numel()]
                read = {"inputs_embeds": whole[:1], "per_layer_inputs": own.view_as(by_layer)}
                return args, {**kwargs, **read}
            if not stacked:
                return args, {**kwargs, "inputs_embeds": leaf.put(embedded)}
            visual = kwargs["visual_pos_masks"][0]
            rows = embedded.new_zeros(len(stacked), *embedded.shape[1:])
            rows[:, visual] = torch.stack(list(stacked)).to(rows)
            whole = leaf.put(torch.cat([embedded, rows]))
            read = {
                "inputs_embeds": whole[:1],
                "deepstack_visual_embeds": [row[visual] for row in whole[1:]],
            }
            return args, {**kwargs, **read}

        self.before(self.decoder, cut)
        return leaf


class Leaf:
    """A node of the model's graph for which gradients are computed; `value` after a pass."""

    value: torch.Tensor

    def put(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor as the new start of the graph."""
        self.value = tensor.detach().requires_grad_()
        return self.value


def _pass_in(
    layer: int, around: Around, _module: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]]:
    def run(*call: Any) -> torch.Tensor:
        return around(Call(layer, *call))

    return args, {**kwargs, "around": run}
