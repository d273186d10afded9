"""Multiply with a large matrix in float32, without a float32 copy of it where possible."""

from __future__ import annotations

from functools import cache

import torch

from explainer.models.loading.precision import computes_bfloat16

_CLOSE = 3e-5  # of the largest value: where the result may differ from that in float32


def multiply(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return `states` (n, d) times the transpose of `weight` (V, d): (n, V) float32.

    A processor with bfloat16 instructions multiplies in bfloat16 four times faster than torch
    converts the matrix to float32 and multiplies that. It sums in float32 and rounds the sum to
    bfloat16; a second product minus the rounded sum gives the rounding error, and both together are
    as accurate as float32 to `_CLOSE`.
    """
    if weight.device.type != "cpu" or weight.dtype != torch.bfloat16 or not _is_accurate():
        return states.float() @ weight.float().T
    if states.dtype == torch.bfloat16:
        return _multiply_twice(states, weight)
    return _multiply_twice(_split(states), weight).unflatten(0, (3, -1)).sum(0)


def _multiply_twice(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the product of two matrices in bfloat16, in float32."""
    rounded = states @ weight.T
    rest = torch.addmm(rounded, states, weight.T, beta=-1)
    return rounded.float().add_(rest)


def _split(states: torch.Tensor) -> torch.Tensor:
    """Split `states` into (3n, d) bfloat16: three blocks (n, d) that sum to it."""
    rest, parts = states.float(), []
    for _ in range(3):
        parts.append(rest.bfloat16())
        rest = rest - parts[-1].float()
    return torch.cat(parts)


@cache
def _is_accurate() -> bool:
    """Return whether the two-step product is as accurate as float32 here.

    It needs bfloat16 instructions, and a torch that subtracts before it rounds. The second is not
    guaranteed, so it is tested.
    """
    if not computes_bfloat16():
        return False
    draw = torch.Generator().manual_seed(0)
    states, weight = (torch.randn(n, 1536, generator=draw).bfloat16() for n in (8, 512))
    exact = states.float() @ weight.float().T
    apart = (_multiply_twice(states, weight) - exact).abs().max()
    return bool(apart <= _CLOSE * exact.abs().max())
