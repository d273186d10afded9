"""Estimate the memory that a long answer takes, before it is generated."""

from __future__ import annotations

from typing import Any

from explainer.errors import PromptError
from explainer.models.base import Family
from explainer.models.inputs import Inputs
from explainer.models.loading.memory import free_memory
from explainer.recording.packing import CANDIDATES, TOP_K
from explainer.recording.request import Request

_NUMBER, _STORED = 4, 2  # bytes of a float32 or an id, and of a stored state or row


def answer_bytes(family: Family, inputs: Inputs, request: Request) -> int:
    """Estimate how many bytes an answer of the greatest length takes at most, beside the model.

    These are the model's cache, and of the run the states, the lists of words, and for each token
    the unembedding rows of its candidates, with their logits at all visual and text tokens, which
    the maps are computed from.
    """
    fixed = family.alphas[1] == 1  # pictures of one size: as many tokens at each scale
    visual = len(inputs.visual) * (1 + sum(1 if fixed else a * a for a in request.scales))
    states = visual + len(inputs.ids) - len(inputs.visual) + request.longest
    token, state = _costs(family)
    return round(request.longest * (token + state * states))


def photograph_costs(family: Family) -> tuple[float, float]:
    """Return a and b of the a n + b n² bytes of an answer of n tokens about a photograph.

    The photograph has 640 x 480 px and is read at the default scales; the prompt is left out.
    """
    token, state = _costs(family)
    return token + state * family.photo_tokens, state


def _costs(family: Family) -> tuple[int, int]:
    """Return the bytes of an answered token, and what it takes more for each state of the run."""
    width = family.unembedding.weight.shape[1]
    stored = _STORED * width + _NUMBER * (TOP_K + CANDIDATES + 1)
    rows = (1 + CANDIDATES) * (_STORED + _NUMBER) * width
    return _cached_bytes(family) + stored + rows, (1 + CANDIDATES) * _NUMBER


def check_answer_bytes(family: Family, inputs: Inputs, request: Request) -> int:
    """Return `answer_bytes`; raise `PromptError` above the free memory."""
    size, free = answer_bytes(family, inputs, request), free_memory()
    if free is not None and size > free:
        raise PromptError(
            f"an answer of up to {request.longest:,} tokens would take up to {size / 1e6:,.0f} MB, "
            f"and {free / 1e6:,.0f} MB are free; choose a shorter longest answer"
        )
    return size


def _cached_bytes(family: Family) -> int:
    """Return the bytes that the model's cache takes for a token: keys and values of all layers."""
    whole = family.decoder.config
    layers = getattr(whole, "per_layer_config", None)
    configs = [layers[i] if layers else whole for i in family.key_layers]
    width = sum(_heads(config) * _head_size(config) for config in configs)
    return 2 * width * family.unembedding.weight.element_size()


def _heads(config: Any) -> int:
    return getattr(config, "num_key_value_heads", None) or config.num_attention_heads


def _head_size(config: Any) -> int:
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
