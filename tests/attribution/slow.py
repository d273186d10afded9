"""The comparison methods, transcribed slowly: a decoder written out in float64, and plain autograd.

Shares no code with `explainer.attribution`. From the model it takes the weights, the embeddings
that enter the language model and the cosines and sines of its positions, nothing else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace

import torch
from torch import Tensor

from explainer.models.base import Inputs
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run


@dataclass(eq=False)
class Pass:
    """What one pass through the decoder leaves: all with gradients.

    embeds (L, d); stacked, what is added after each of the first layers (DeepStack), (L, d) each;
    after_attention[l] (L, d), the second norm's output; layers[l] (L, d), the output of layer l
    with what is added to it; heads[l] a list of (L, L); states (L, d), after the final norm.
    """

    embeds: Tensor
    stacked: list[Tensor] = field(default_factory=list)
    after_attention: list[Tensor] = field(default_factory=list)
    layers: list[Tensor] = field(default_factory=list)
    heads: list[list[Tensor]] = field(default_factory=list)
    states: Tensor | None = None


class Slow:
    """The language model of an explainer, and the recorded sequence of a run, in float64."""

    def __init__(self, explainer: Explainer, run: Run) -> None:
        family = explainer.family
        asked = family.compose(run.media, run.prompt)
        ids = (*asked.ids, *run.tokens.ids[run.indices(ANSWER)].tolist())
        whole = Inputs(ids, asked.visual, asked.roles, asked.views, asked.tensors)
        self.visual = list(asked.visual)
        self.run = run
        *seen, stacked = _entering(family, whole)
        self.embeds, self.cos, self.sin = (t.double() for t in seen)
        self.stacked = [t.double() for t in stacked]
        self.decoder = copy.deepcopy(family.decoder).double()
        self.unembedding = family.unembedding.weight.double()

    def row(self, token: int) -> Tensor:
        return self.unembedding[int(self.run.tokens.ids[token])]

    def q(self, token: int) -> int:
        return int(self.run.tokens.positions[token]) - 1

    def score(self, done: Pass, token: int) -> Tensor:
        return self.row(token) @ done.states[self.q(token)]

    # The decoder, written out --------------------------------------------------------------------

    def forward(self, lrp: str = "") -> Pass:
        """Return a pass, with the rules of "cp" or "attn" if one is named."""
        x = self.embeds.clone().requires_grad_()
        done = Pass(x, [part.clone().requires_grad_() for part in self.stacked])
        for at, layer in enumerate(self.decoder.layers):
            x = x + self._attention(
                layer.self_attn, self._norm(layer.input_layernorm, x, lrp), done, lrp
            )
            normed = self._norm(layer.post_attention_layernorm, x, lrp)
            done.after_attention.append(normed)
            x = x + self._mlp(layer.mlp, normed, lrp)
            if at < len(done.stacked):
                x = x + done.stacked[at]
            done.layers.append(x)
        done.states = self._norm(self.decoder.norm, x, lrp)
        return done

    def _norm(self, norm, x: Tensor, lrp: str) -> Tensor:
        size = (x**2).mean(-1, keepdim=True).add(norm.variance_epsilon).sqrt()
        return norm.weight * x / (size.detach() if lrp else size)

    def _attention(self, attention, x: Tensor, done: Pass, lrp: str) -> Tensor:
        q, k, v = (
            linear(x).view(len(x), -1, self.cos.shape[1])
            for linear in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        if hasattr(attention, "q_norm"):
            q, k = self._norm(attention.q_norm, q, lrp), self._norm(attention.k_norm, k, lrp)
        q, k = self._turn(q), self._turn(k)
        if lrp == "cp":
            q, k = q.detach(), k.detach()
        if lrp == "attn":
            q, k, v = damp(q, 1 / 4), damp(k, 1 / 4), damp(v, 1 / 2)
        weights, outputs = [], []
        for head in range(q.shape[1]):
            shared = head // (q.shape[1] // k.shape[1])
            logits = q[:, head] @ k[:, shared].T / q.shape[2] ** 0.5
            future = torch.ones(len(x), len(x)).triu(1).bool()
            weights.append(logits.masked_fill(future, -torch.inf).softmax(1))
            outputs.append(weights[-1] @ v[:, shared])
        done.heads.append(weights)
        return attention.o_proj(torch.cat(outputs, 1))

    def _turn(self, x: Tensor) -> Tensor:
        half = x.shape[2] // 2
        other = torch.cat([-x[..., half:], x[..., :half]], 2)
        return x * self.cos[:, None] + other * self.sin[:, None]

    def _mlp(self, mlp, x: Tensor, lrp: str) -> Tensor:
        gate, up = mlp.gate_proj(x), mlp.up_proj(x)
        activated = gate * torch.sigmoid(gate)
        if lrp == "cp":
            return mlp.down_proj(activated.detach() * up)
        if lrp == "attn":
            return mlp.down_proj(damp(gate * torch.sigmoid(gate).detach() * up, 1 / 2))
        return mlp.down_proj(activated * up)

    @cached_property
    def plain(self) -> Pass:
        return self.forward()

    # The methods ---------------------------------------------------------------------------------

    def features(self, token: int, layer: int, kind: str = "layers") -> tuple[Tensor, Tensor]:
        """Return F and G, (N, d)."""
        done = self.plain
        place = getattr(done, kind)[layer]
        (gradient,) = torch.autograd.grad(self.score(done, token), place, retain_graph=True)
        return place[self.visual].detach(), gradient[self.visual]

    def table(self, token: int) -> tuple[Tensor, Tensor]:
        done = self.plain
        pooled = (done.states[self.visual] @ self.row(token)).mean()
        (gradient,) = torch.autograd.grad(pooled, done.states, retain_graph=True)
        return done.states[self.visual].detach(), gradient[self.visual]

    def attention(self, token: int, layers: str) -> Tensor:
        done = self.plain
        rows = [torch.stack(heads).mean(0)[self.q(token)] for heads in done.heads]
        row = rows[-1] if layers == "last" else sum(rows) / len(rows)
        return row[self.visual] / row[self.visual].sum()

    def attention_rollout(self, token: int) -> Tensor:
        rolled = torch.eye(len(self.embeds)).double()
        for heads in self.plain.heads:
            step = 0.5 * torch.stack(heads).mean(0) + 0.5 * torch.eye(len(rolled))
            rolled = (step / step.sum(1, keepdim=True)) @ rolled
        return rolled[self.q(token)][self.visual]

    def grad_rollout(self, token: int) -> Tensor:
        done = self.plain
        every = [weights for heads in done.heads for weights in heads]
        slopes = iter(torch.autograd.grad(self.score(done, token), every, retain_graph=True))
        rolled = torch.eye(len(self.embeds)).double()
        for heads in done.heads:
            b = torch.stack([(a * next(slopes)).clamp(min=0) for a in heads]).mean(0)
            step = torch.eye(len(rolled)) + b
            rolled = (step / step.sum(1, keepdim=True)) @ rolled
        return rolled[self.q(token)][self.visual]

    def relevance(self, token: int, lrp: str) -> Tensor:
        """Return the relevance (L,) of all positions."""
        done = self.forward(lrp)
        places = [done.embeds, *done.stacked]
        slopes = torch.autograd.grad(self.score(done, token), places)
        return sum((p * g).sum(1) for p, g in zip(places, slopes, strict=True)).detach()


def damp(x: Tensor, factor: float) -> Tensor:
    return factor * x + (1 - factor) * x.detach()


def grad_cam(f: Tensor, g: Tensor) -> Tensor:
    out = torch.zeros(len(f)).double()
    for c in range(f.shape[1]):
        out += g[:, c].mean() * f[:, c]
    return out


def grad_cam_pp(f: Tensor, g: Tensor) -> Tensor:
    out = torch.zeros(len(f)).double()
    for c in range(f.shape[1]):
        total, weight = float(f[:, c].sum()), 0.0
        for slope in g[:, c].tolist():
            if slope != 0:
                a = slope**2 / (2 * slope**2 + total * slope**3 + 1e-12)
                weight += a * max(0.0, slope)
        out += weight * f[:, c]
    return out


def layer_cam(f: Tensor, g: Tensor) -> Tensor:
    rows = zip(f.tolist(), g.tolist(), strict=True)
    sums = [sum(max(0.0, b) * a for a, b in zip(x, y, strict=True)) for x, y in rows]
    return torch.tensor(sums).double()


def llava_cam(f: Tensor, g: Tensor) -> Tensor:
    weights = [sum(max(0.0, slope) for slope in channel) / len(g) for channel in g.T.tolist()]
    means = [sum(w * a for w, a in zip(weights, x, strict=True)) / len(x) for x in f.tolist()]
    return torch.tensor(means).double()


def surgery(explainer: Explainer, run: Run, token: int, first: int) -> Tensor:
    """Return ArchiSurgery of a LLaVA whose vision path splits at block `first`, (N,)."""
    family = explainer.family
    asked = family.compose(run.media, run.prompt)
    base = copy.deepcopy(family.base).double()
    pixels = asked.tensors["pixel_values"].double()
    tower = base.vision_tower
    with torch.no_grad():
        main = tower(pixels, output_hidden_states=True).hidden_states
        last = len(main) - 2  # what LLaVA reads: the output of the last block but one
        path = main[first]
        for i in range(first, last):
            block = tower.encoder.layers[i]
            v = block.self_attn.v_proj(block.layer_norm1(main[i]))[0]
            heads = []
            for part in v.split(block.self_attn.head_dim, dim=1):
                heads.append((part @ part.T / part.shape[1] ** 0.5).softmax(1) @ part)
            path = path + block.self_attn.out_proj(torch.cat(heads, 1))[None]
        seen = base.multi_modal_projector(path[:, 1:])[0]
        embeds = base.get_input_embeddings()(torch.tensor(asked.ids)).clone()
        embeds[list(asked.visual)] = seen
        states = base.language_model(inputs_embeds=embeds[None]).last_hidden_state[0]
    row = family.unembedding.weight.double()[int(run.tokens.ids[token])]
    return states[list(asked.visual)] @ row


def _entering(family, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Return the embeddings (L, d) that enter the decoder, cosines and sines (L, d_head), and what
    is added after the first layers (L, d)."""
    seen = SimpleNamespace(stacked=[])

    def watch(_module, _args, kwargs):
        seen.embeds = kwargs["inputs_embeds"][0].clone()
        for features in kwargs.get("deepstack_visual_embeds") or []:
            seen.stacked.append(torch.zeros_like(seen.embeds))
            seen.stacked[-1][list(inputs.visual)] = features

    def turn(_module, _args, output):
        seen.cos, seen.sin = (part[0].clone() for part in output)

    handles = [
        family.decoder.register_forward_pre_hook(watch, with_kwargs=True),
        family.decoder.rotary_emb.register_forward_hook(turn),
    ]
    with torch.no_grad():
        family.base(**family.forward_inputs(inputs), use_cache=False)
    for handle in handles:
        handle.remove()
    return seen.embeds, seen.cos, seen.sin, seen.stacked
