"""Attention, Attention-Rollout and Grad-Rollout: maps from the attention of the layers.

A^l (L, L) is the mean over heads of the attention in layer l; its rows sum to 1. Products over
layers are accumulated during the pass, so that only one layer's attention is held at a time.

In models where only some layers attend, Attention uses those. The rollouts are refused there, since
their products assume that nothing but attention moves information between tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch

from explainer.attribution.patches import Call
from explainer.attribution.reading import Reading

Maps = Iterator[torch.Tensor]


def attention(reading: Reading, tokens: Sequence[int], *, over_layers: str) -> Maps:
    """Yield row q(t) of A^l over the visual tokens, scaled to sum 1, (N,) for each token.

    over_layers="last" takes the last layer that attends, "mean" the mean over all that do.
    """
    for row in attention_rows(reading, reading.predicting(tokens), over_layers):
        part = row[reading.visual]
        yield part / part.sum().clamp(min=torch.finfo(part.dtype).tiny)


def attention_rows(reading: Reading, rows: Sequence[int], over_layers: str) -> torch.Tensor:
    """Return the attention (R, L) float32 of these positions; rows sum to 1."""
    attending = reading.family.attending_layers
    total = torch.zeros(len(rows), len(reading), device=reading.family.device)

    def watch(call: Call) -> torch.Tensor:
        if over_layers == "mean" or call.layer == attending[-1]:
            at = torch.tensor(rows, device=call.query.device)
            total.add_(call.mean_weights(at).to(total.device))
        return call.attend(call.query, call.key, call.value)

    with reading.patched() as patches, torch.no_grad():
        patches.attention(watch)
        reading.states()
    return total / (len(attending) if over_layers == "mean" else 1)


def attention_rollout(reading: Reading, tokens: Sequence[int]) -> Maps:
    """Yield row q(t) of R over the visual tokens, (N,) for each token (arXiv 2005.00928):

    R = R^n ... R^1,   R^l = 0.5 A^l + 0.5 I, whose rows sum to 1
    """
    reading.needs_attention("Attention-Rollout")
    rows = reading.predicting(tokens)
    rolled = rollout_columns(reading, reading.visual)
    yield from rolled[rows]


def rollout_columns(reading: Reading, columns: Sequence[int]) -> torch.Tensor:
    """Return these columns of R, (L, C) float32; over all columns a row sums to 1."""
    rolled = torch.eye(len(reading))[:, list(columns)].to(reading.family.device)

    def watch(call: Call) -> torch.Tensor:
        nonlocal rolled
        every = torch.arange(len(reading), device=call.query.device)
        rolled = rolled.to(call.query.device)
        rolled = 0.5 * (call.mean_weights(every) @ rolled) + 0.5 * rolled
        return call.attend(call.query, call.key, call.value)

    with reading.patched() as patches, torch.no_grad():
        patches.attention(watch)
        reading.states()
    return rolled.to(reading.family.device)


def grad_rollout(reading: Reading, tokens: Sequence[int]) -> Maps:
    """Yield row q(t) of R over the visual tokens, (N,) for each token (arXiv 2103.15679):

    R = R^n ... R^1,   R^l = rownorm(I + B^l),   B^l = mean_h max(0, A^l_h * ds_t / dA^l_h)

    The row is multiplied from the left while the gradient comes down through the layers, and
    ds / dA_h = (ds / dO_h) V_h^T follows from the output O_h = A_h V_h of a head, so that the
    attention itself is no part of the graph. Departure: the original adds up and does not
    normalise rows; here every factor is row-stochastic, as in Attention-Rollout.
    """
    reading.needs_attention("Grad-Rollout")
    for row in grad_rollout_rows(reading, tokens):
        yield row[reading.visual]


def grad_rollout_rows(reading: Reading, tokens: Sequence[int]) -> Maps:
    """Yield the whole row q(t) of R, (L,) float32, which sums to 1, for each token."""
    row = torch.zeros(len(reading))

    def down(call: Call, gradient: torch.Tensor) -> None:
        nonlocal row
        row = _step(row.to(gradient.device), call, gradient[0])

    def watch(call: Call) -> torch.Tensor:
        output = call.attend(call.query, call.key, call.value)
        output.register_hook(partial(down, call))
        return output

    with reading.patched() as patches:
        leaf = patches.leaf_at_input()
        patches.attention(watch)
        states = reading.states()
    for token, at in zip(tokens, reading.predicting(tokens), strict=True):
        row = torch.nn.functional.one_hot(torch.tensor(at), len(reading)).float()
        next(reading.gradients(states, leaf.value, [token]))  # the hooks work the row out
        yield row.to(reading.family.device)


@torch.no_grad()
def _step(row: torch.Tensor, call: Call, gradient: torch.Tensor) -> torch.Tensor:
    """Return row (L,) times rownorm(I + B^l), given the gradient (L, heads, d_head) of O.

    Positions at which the row is zero have no part in the product.
    """
    at = row.nonzero()[:, 0]
    total = torch.zeros(len(at), len(row), device=row.device)
    for head in range(call.heads):
        value = call.value[0, call.key_head(head)].float()
        slope = gradient[at, head].float() @ value.T  # ds / dA_h
        total += (call.weights(head, at) * slope).clamp(min=0)
    total /= call.heads
    share = row[at] / (1 + total.sum(1))
    return share @ total + torch.zeros_like(row).index_put((at,), share)
