"""Products of matrices in bfloat16 are as good as in float32."""

from __future__ import annotations

import pytest
import torch

from explainer.models import products
from explainer.models.loading.precision import computes_bfloat16


def _draw(n: int, d: int, seed: int, offset: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + offset


def _exact(states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (states.double() @ weight.double().T).float()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(1, 8, 3), (1, 1536, 5000), (40, 1536, 3000), (300, 96, 700)])
@pytest.mark.parametrize("offset", [0.0, 0.5])  # with it all sums are large, and of one sign
def test_products_with_bfloat16_are_those_in_float32(kind, size, offset):
    n, d, rows = size
    states, weight = _draw(n, d, 1, offset).to(kind), _draw(rows, d, 2, offset).bfloat16()
    ours, exact = products.multiply(states, weight), _exact(states, weight)
    assert ours.dtype == torch.float32
    assert (ours - exact).abs().max() <= products._CLOSE * exact.abs().max()
    rounded = (states.bfloat16() @ weight.T).float()
    if d == 1536:
        assert (rounded - exact).abs().max() > 10 * products._CLOSE * exact.abs().max()


def test_where_the_rest_is_lost_the_matrix_is_turned_into_float32(monkeypatch):
    def rounds_first(added, one, two, beta):
        return (beta * added.float() + (one @ two).float()).bfloat16()

    states, weight = _draw(40, 1536, 1).bfloat16(), _draw(3000, 1536, 2).bfloat16()
    monkeypatch.setattr(torch, "addmm", rounds_first)
    monkeypatch.setattr(products, "computes_bfloat16", lambda: True)
    products._is_accurate.cache_clear()
    try:
        assert not products._is_accurate()
        assert torch.equal(products.multiply(states, weight), states.float() @ weight.float().T)
    finally:
        products._is_accurate.cache_clear()


@pytest.mark.skipif(not computes_bfloat16(), reason="this processor has no bfloat16 of its own")
def test_a_processor_with_bfloat16_is_used():
    assert products._is_accurate()
