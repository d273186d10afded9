"""Comparison maps that need the model, from forward passes over a recorded sequence.

A run holds states, not gradients or attention. So the recorded sequence (pictures, prompt, answer)
is read again, in one pass for all tokens, with hooks that record what a method needs; then each
token takes one backward pass. EAGLE uses no internals: it reads the sequence many times with other
pictures. The map of token t explains the score that predicted it,

    s_t = W[y_t] . z_q(t),   q(t) = position(t) - 1,

and under the causal mask nothing after q(t) contributes to it. Parameters stay frozen, hooks are
removed before a gradient is computed, and the states are those of an ordinary forward pass.

A method is one function here, and one declaration in `explainer.methods.comparison`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from explainer.attribution.attention import attention, attention_rollout, grad_rollout
from explainer.attribution.cams import grad_cam, grad_cam_pp, layer_cam, llava_cam
from explainer.attribution.eagle import eagle
from explainer.attribution.igos import igos_pp
from explainer.attribution.reading import AttributionProgress, Compute, Computed, Reading
from explainer.attribution.relevance import attn_lrp, cp_lrp
from explainer.attribution.surgery import archi_surgery
from explainer.errors import ModelError
from explainer.models.engine import Engine
from explainer.run import Run

__all__ = ["COMPUTED", "AttributionProgress", "Computed", "compute"]

COMPUTED: Mapping[str, Compute] = MappingProxyType(
    {
        "grad_cam": grad_cam,
        "grad_cam_pp": grad_cam_pp,
        "layer_cam": layer_cam,
        "llava_cam": llava_cam,
        "attention": attention,
        "attention_rollout": attention_rollout,
        "grad_rollout": grad_rollout,
        "archi_surgery": archi_surgery,
        "eagle": eagle,
        "igos_pp": igos_pp,
        "cp_lrp": cp_lrp,
        "attn_lrp": attn_lrp,
    }
)


def compute(
    engine: Engine, run: Run, tokens: Sequence[int], method: str, options: Mapping[str, Any]
) -> Iterator[Computed | AttributionProgress]:
    """Yield the map of each token, with progress before it if it takes many passes.

    Nothing is run before the first item is requested.
    """
    if not tokens:
        return
    reading = Reading(engine, run)
    for item in COMPUTED[method](reading, tokens, **options):
        yield _on_cpu(item) if isinstance(item, torch.Tensor) else item


def _on_cpu(values: torch.Tensor) -> Computed:
    array = values.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(array).all():
        raise ModelError("the gradients are infinite; load the model with dtype float32")
    return Computed(array)
