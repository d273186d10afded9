"""ArchiSurgery: CAM on features of a vision tower whose later blocks attend by value to value.

CLIP Surgery (arXiv 2304.05653) lets a second path run beside the tower from a middle block on,

    v = V LN(x),   u <- u + P softmax(v v^T / sqrt(d)) v,   heads apart, no MLP,

with x the state of the untouched main path before the block and u = x at the first of them. For a
model that reads pictures the adaptation is ours, since the paper leaves it open: the second path's
tokens, up to the layer that the model reads, go through the projector and the language model in
place of the main path's, and CAM is taken there. It is defined for CLIP's tower only, and so for
LLaVA; blocks with other attention, such as windows, have no agreed version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from explainer.attribution.patches import Patches
from explainer.attribution.reading import Reading
from explainer.errors import MethodError
from explainer.models.base import Family

TOWER = "clip_vision_model"


def archi_surgery(
    reading: Reading, tokens: Sequence[int], *, start: float
) -> Iterator[torch.Tensor]:
    """Yield W[y_t] . z_i over the visual tokens read off the second path, (N,) for each token.

    `start` is the block at which the path begins: 0 the first, 1 the last that the model reads.
    Raises `MethodError` for towers other than CLIP's.
    """
    family = reading.family
    check_tower(family)
    with reading.patched() as patches, torch.no_grad():
        _operate(patches, family.base, start)
        found = reading.states()[reading.visual].float()
    for token in tokens:
        yield found @ reading.row(token)


def check_tower(family: Family) -> None:
    """Raise `MethodError` for a tower that the method is not defined for."""
    config = family.model.config
    if getattr(config.vision_config, "model_type", "") != TOWER:
        raise MethodError(
            f"ArchiSurgery is defined for CLIP's vision tower; this {family.label} has another, "
            "for which its paper says nothing, so there is no such map"
        )
    if not isinstance(config.vision_feature_layer, int):
        raise MethodError("ArchiSurgery needs a model that reads one layer of its vision tower")


def _operate(patches: Patches, base: nn.Module, start: float) -> None:
    """Run the second path, and put its tokens before the projector."""
    layers = base.vision_tower.encoder.layers
    read = range(len(layers) + 1)[base.config.vision_feature_layer]  # so many layers are passed
    path: list[torch.Tensor] = []

    def step(block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        x = args[0] if args else kwargs["hidden_states"]
        path[:] = [(path[0] if path else x) + value_attention(block, x)]

    def swap(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
        skipped = path[0].shape[1] - args[0].shape[1]  # the class token, if it is left out
        return (path[0][:, skipped:], *args[1:]), kwargs

    for block in layers[round(start * (read - 1)) : read]:
        patches.before(block, step)
    patches.before(base.multi_modal_projector, swap)


def value_attention(block: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return P softmax(v v^T / sqrt(d)) v of the states (B, n, d) before a block."""
    attention = block.self_attn
    v = attention.v_proj(block.layer_norm1(x))
    heads = v.view(*v.shape[:2], -1, attention.head_dim).transpose(1, 2)
    mixed = nn.functional.scaled_dot_product_attention(heads, heads, heads, scale=attention.scale)
    return attention.out_proj(mixed.transpose(1, 2).reshape(v.shape))
