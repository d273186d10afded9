"""CP-LRP and AttnLRP: relevance propagated from the word's score to the visual tokens.

According to the authors of its reference code for transformers (lxt, Clear BSD licence, which
grants no patent rights), layer-wise relevance propagation is patented and free for personal and
scientific use only; ask them before any other use. Nothing here runs unless requested by name.

Relevance is gradient times input, with rules that change the gradient and no value:

    R_i = sum_c e_ic ds_t / de_ic,   e_i the embedding that the language model reads at i,

summed over all of them where features of the picture enter after further layers, too (DeepStack),
or each layer reads an embedding of the token (Gemma 4).

                          CP-LRP (arXiv 2202.07304)     AttnLRP (arXiv 2402.05602)
    norm                  its denominator is constant   the same
    attention             its weights are constant      q and k get 1/4 of the gradient, v 1/2
    activation of a gate  constant                      x times a constant act(x) / x
    gate times up         linear in up                  each gets 1/2

Both have rules for layers of attention only, and are refused for models with others (gated
DeltaNet, convolution). Without biases, CP-LRP over all positions adds up to s_t. AttnLRP's rule for
the softmax loses or adds relevance, so that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from explainer.attribution.patches import Call, Patches
from explainer.attribution.reading import Reading

Maps = Iterator[torch.Tensor]


def cp_lrp(reading: Reading, tokens: Sequence[int]) -> Maps:
    """Yield the relevance (N,) of the visual tokens by CP-LRP for each token, signed.

    Patented; free for personal and scientific use only, see the notice of this module.
    """
    reading.needs_attention("CP-LRP")
    for relevance in relevances(reading, tokens, cp_rules):
        yield relevance[reading.visual]


def attn_lrp(reading: Reading, tokens: Sequence[int]) -> Maps:
    """Yield the relevance (N,) of the visual tokens by AttnLRP for each token, signed.

    Patented; free for personal and scientific use only, see the notice of this module.
    """
    reading.needs_attention("AttnLRP")
    for relevance in relevances(reading, tokens, attn_rules):
        yield relevance[reading.visual]


def relevances(reading: Reading, tokens: Sequence[int], rules: Callable[[Patches], None]) -> Maps:
    """Yield the relevance (L,) of all positions for each token."""
    with reading.patched() as patches:
        rules(patches)
        leaf = patches.leaf_at_input()
        states = reading.states()
    read = leaf.value.detach().float()
    for gradient in reading.gradients(states, leaf.value, tokens):
        yield (read * gradient.float()).sum((0, 2))


def cp_rules(patches: Patches) -> None:
    """Put the rules of CP-LRP into a language model."""
    _fix_norms(patches)
    patches.attention(lambda call: call.attend(call.query.detach(), call.key.detach(), call.value))
    for activation, _ in _gates(patches.decoder):
        patches.after(activation, lambda _module, _args, output: output.detach())


def attn_rules(patches: Patches) -> None:
    """Put the rules of AttnLRP into a language model."""
    _fix_norms(patches)
    patches.attention(_scaled_attention)
    for activation, product in _gates(patches.decoder):
        patches.after(activation, _apply_secant)
        patches.before(product, _halve_gradient)


def _gates(decoder: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Yield the activation of each gate, and what reads the gate times its other factor."""
    for layer in decoder.layers:
        yield layer.mlp.act_fn, layer.mlp.down_proj
        if hasattr(layer, "per_layer_input_gate"):
            yield layer.act_fn, layer.per_layer_projection


def _scaled_attention(call: Call) -> torch.Tensor:
    return call.attend(
        _scale_gradient(call.query, 0.25),
        _scale_gradient(call.key, 0.25),
        _scale_gradient(call.value, 0.5),
    )


def _scale_gradient(tensor: torch.Tensor, factor: float) -> torch.Tensor:
    """Return the tensor, with `factor` of its gradient."""
    same = tensor.view_as(tensor)
    same.register_hook(lambda gradient: factor * gradient)
    return same


def _halve_gradient(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict]:
    return (_scale_gradient(args[0], 0.5), *args[1:]), kwargs


def _apply_secant(_module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
    """Return the output of an activation, with act(x) / x for its slope."""
    x = args[0]
    near_zero = x.abs() < torch.finfo(x.dtype).tiny
    slope = torch.where(near_zero, 0.5, output / torch.where(near_zero, 1.0, x)).detach()
    return _replace_value(slope * x, output)


def _fix_norms(patches: Patches) -> None:
    """Have all norms of a language model take their denominators as constants."""
    decoder = patches.decoder
    for module in decoder.modules():  # those of queries and keys among them
        if type(module).__name__.endswith("RMSNorm"):
            patches.after(module, _fixed_norm)


def _fixed_norm(norm: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
    """Return the output of an RMSNorm, with a gradient that takes its denominator as constant."""
    x = args[0].float()
    eps = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps).detach()
    # Some norms multiply by the weight, some by 1 + weight; an input of ones shows which.
    ones = torch.ones_like(x[..., :1, :])
    gain = type(norm).forward(norm, ones).detach() * (1 + eps) ** 0.5
    return _replace_value((gain * (x * scale)).to(output.dtype), output)


def _replace_value(tensor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return `value` with the gradient of `tensor`."""
    return _ReplaceValue.apply(tensor, value.detach())


class _ReplaceValue(torch.autograd.Function):
    @staticmethod
    def forward(_context: Any, _tensor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient, None
