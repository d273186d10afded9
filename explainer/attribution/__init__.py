"""Maps that need the model: one reading of a recorded sequence for all tokens asked for.

A run holds states, not gradients or attention. So the recorded sequence (pictures, prompt, answer)
is read once more, in one pass, with hooks in place that look at what a method needs; then each
token takes one pass backwards. The map of token t explains the score that predicted it,

    s_t = W[y_t] . z_q(t),   q(t) = position(t) - 1,

and under the causal mask nothing after q(t) has a part in it. Parameters stay frozen, hooks are
gone before a gradient is taken, and the states are those of an ordinary reading.

A method is one function here, and one declaration in `explainer.methods.comparison`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from explainer.attribution.attention import attention, attention_rollout, grad_rollout
from explainer.attribution.cams import grad_cam, grad_cam_pp, layer_cam, llava_cam
from explainer.attribution.reading import Compute, Reading
from explainer.attribution.relevance import attn_lrp, cp_lrp
from explainer.attribution.surgery import archi_surgery
from explainer.engine import Engine
from explainer.errors import ModelError
from explainer.run import Run

__all__ = ["COMPUTED", "compute"]

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
        "cp_lrp": cp_lrp,
        "attn_lrp": attn_lrp,
    }
)


def compute(
    engine: Engine, run: Run, tokens: Sequence[int], method: str, options: Mapping[str, Any]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield for each token its signed map (N,) float32 over the visual tokens of scale 1.

    Nothing is run before the first map is asked for.
    """
    if not tokens:
        return
    reading = Reading(engine, run)
    for values in COMPUTED[method](reading, tokens, **options):
        yield _on_cpu(values)


def _on_cpu(values: torch.Tensor) -> npt.NDArray[np.float32]:
    array = values.detach().to("cpu", torch.float32).numpy()
    if not np.isfinite(array).all():
        raise ModelError("the gradients are infinite; load the model with dtype float32")
    return array
