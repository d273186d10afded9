"""Grad-CAM, Grad-CAM++, Layer-CAM and LLaVA-CAM: features of a layer, weighted by gradients.

With F_ic the features of visual token i in channel c, and G_ic = ds / dF_ic:

    mode causal   s = s_t, and F the output of a layer at the given depth
    mode table    s = (1/N) sum_i W[y_t] . z_i, and F = z, so that G = W[y_t] / N at every i

The paper's rows of CAM and Grad-CAM are equal in all cells, as they are in mode table: there
Grad-CAM is CAM divided by N.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from explainer.attribution.patches import Leaf, Patches
from explainer.attribution.reading import Reading

EPS = 1e-12  # keeps the denominator of Grad-CAM++ from zero

Maps = Iterator[torch.Tensor]


def grad_cam(reading: Reading, tokens: Sequence[int], *, mode: str, depth: float) -> Maps:
    """Yield sum_c w_c F_ic with w_c = mean_i G_ic, (N,) for each token (arXiv 1610.02391)."""
    return _maps(reading, tokens, mode, depth, lambda f, g: f @ g.mean(0))


def grad_cam_pp(reading: Reading, tokens: Sequence[int], *, mode: str, depth: float) -> Maps:
    """Yield Grad-CAM++, (N,) for each token (arXiv 1710.11063):

    a_ic = G^2 / (2 G^2 + (sum_i F_ic) G^3 + eps), 0 where G = 0
    w_c = sum_i a_ic max(0, G_ic),   map_i = sum_c w_c F_ic

    The original has F >= 0 after a ReLU. Here F is signed, the denominator may come near zero, and
    the map with it depends on rounding more than any other.
    """
    return _maps(reading, tokens, mode, depth, _plus_plus)


def layer_cam(reading: Reading, tokens: Sequence[int], *, mode: str, depth: float) -> Maps:
    """Yield sum_c max(0, G_ic) F_ic, (N,) for each token (Jiang et al. 2021)."""
    return _maps(reading, tokens, mode, depth, lambda f, g: (g.clamp(min=0) * f).sum(1))


def llava_cam(
    reading: Reading, tokens: Sequence[int], *, mode: str, depth: float, features: str
) -> Maps:
    """Yield mean_c w_c F_ic with w_c = mean_i max(0, G_ic), (N,) for each token.

    Source: the baseline of that name in EAGLE's code, which takes the normalised state between
    attention and MLP of a layer (features="norm") and offers a mean over 50 noisy readings that is
    left out here.
    """
    return _maps(
        reading, tokens, mode, depth, lambda f, g: (f * g.clamp(min=0).mean(0)).mean(1), features
    )


def _plus_plus(f: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    f, g = f.cpu().double(), g.cpu().double()  # third powers of gradients
    weight = g**2 / (2 * g**2 + f.sum(0) * g**3 + EPS)
    weight = torch.where(g != 0, weight, 0.0)
    return (f @ (weight * g.clamp(min=0)).sum(0)).float()


def _maps(
    reading: Reading,
    tokens: Sequence[int],
    mode: str,
    depth: float,
    formula: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    features: str = "layer",
) -> Maps:
    """Yield formula(F, G), both (N, d) float32, for each token."""
    with reading.patched() as patches:
        leaf = _leaf(reading, patches, mode, depth, features)
        states = reading.states()
    found = leaf.value[0, reading.visual].detach().float()
    if mode == "table":
        for token in tokens:
            slope = reading.row(token).to(found.device) / len(found)
            yield formula(found, slope.expand_as(found))
        return
    for gradient in reading.gradients(states, leaf.value, tokens):
        yield formula(found, gradient[0, reading.visual].float())


def _leaf(reading: Reading, patches: Patches, mode: str, depth: float, features: str) -> Leaf:
    """Return the place in the model whose features are weighted.

    It is never the output of the last layer that makes keys and values. Layers after that one
    convolve a few tokens at most, or attend to keys that were made before them, so the score would
    hardly depend on its visual tokens, or not at all.
    """
    family, layers = reading.family, patches.decoder.layers
    if mode == "table":
        return patches.leaf_after(family.final_norm)
    index = round(depth * max(0, family.key_layers[-1] - 1))
    if features == "norm":
        return patches.leaf_after(family.mlp_norm(layers[index]))
    return patches.leaf_after_layer(index)
