"""The comparison methods, transcribed slowly: a decoder written out in float64, and plain autograd.

Shares no code with `explainer.attribution`. From the model it takes the weights, the embeddings
that enter the language model and the cosines and sines of its positions, nothing else.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from torch import Tensor

from explainer.models.inputs import Inputs
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run

BOTH_WAYS = ("Gemma 3",)  # families whose visual tokens see each other in both directions


@dataclass(eq=False)
class Pass:
    """What one pass through the decoder leaves: all with gradients.

    embeds (L, d); stacked, what is added after each of the first layers (DeepStack), (L, d) each;
    own, the embeddings of tokens that the layers read (Gemma 4), (L, layers * p), or None;
    after_attention[l] (L, d), what the MLP of layer l reads; layers[l] (L, d), its output
    with what is added to it; heads[l] a list of (L, L); states (L, d), after the final norm.
    """

    embeds: Tensor
    stacked: list[Tensor] = field(default_factory=list)
    own: Tensor | None = None
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
        embeds, self.turns, stacked, own = _entering(family, whole)
        self.embeds, self.stacked = embeds.double(), [t.double() for t in stacked]
        self.own = None if own is None else own.double()
        self.both_ways = family.label in BOTH_WAYS
        self.decoder = copy.deepcopy(family.decoder).double()
        self.unembedding = family.unembedding.weight.double()
        self._reach: dict[int | None, Tensor] = {}
        self._passes: dict[str, Pass] = {}

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
        by_layer = self._by_layer(done, lrp)
        self.kept: dict[str, tuple[Tensor, Tensor]] = {}  # keys and values by the kind of layer
        for at, layer in enumerate(self.decoder.layers):
            attended = self._attention(
                layer.self_attn, self._norm(layer.input_layernorm, x, lrp), done, lrp
            )
            if hasattr(layer, "pre_feedforward_layernorm"):  # norms around both parts, as in Gemma
                x = x + self._norm(layer.post_attention_layernorm, attended, lrp)
                normed = self._norm(layer.pre_feedforward_layernorm, x, lrp)
                made = self._mlp(layer.mlp, normed, lrp)
                x = x + self._norm(layer.post_feedforward_layernorm, made, lrp)
            else:
                x = x + attended
                normed = self._norm(layer.post_attention_layernorm, x, lrp)
                x = x + self._mlp(layer.mlp, normed, lrp)
            done.after_attention.append(normed)
            if by_layer is not None:
                gate = layer.per_layer_input_gate(x)
                made = layer.per_layer_projection(gated(gate, by_layer[:, at], True, lrp))
                x = x + self._norm(layer.post_per_layer_input_norm, made, lrp)
                x = x * layer.layer_scalar
            if at < len(done.stacked):
                x = x + done.stacked[at]
            done.layers.append(x)
        done.states = self._norm(self.decoder.norm, x, lrp)
        return done

    def _norm(self, norm, x: Tensor, lrp: str) -> Tensor:
        kind = type(norm).__name__
        eps = norm.eps if kind.startswith("Gemma") else norm.variance_epsilon
        size = (x**2).mean(-1, keepdim=True).add(eps).sqrt()
        gain = getattr(norm, "weight", 1) + (kind == "Gemma3RMSNorm")
        return gain * x / (size.detach() if lrp else size)

    def _by_layer(self, done: Pass, lrp: str) -> Tensor | None:
        """Return what each layer reads of each token, (L, layers, p), in Gemma 4."""
        if self.own is None:
            return None
        done.own = self.own.clone().requires_grad_()
        shape = (len(self.embeds), len(self.decoder.layers), -1)
        made = self.decoder.per_layer_model_projection(done.embeds) / self.embeds.shape[1] ** 0.5
        made = self._norm(self.decoder.per_layer_projection_norm, made.view(shape), lrp)
        return (made + done.own.view(shape)) / 2**0.5

    def _allowed(self, window: int | None) -> Tensor:
        """Return (L, L) bool: which positions (columns) a position (row) attends to."""
        if window in self._reach:
            return self._reach[window]
        picture, pictures = -1, {}
        for at in sorted(self.visual):
            picture += at - 1 not in pictures
            pictures[at] = picture
        allowed = torch.zeros(len(self.embeds), len(self.embeds), dtype=torch.bool)
        for q in range(len(allowed)):
            for k in range(len(allowed)):
                together = q in pictures and pictures[q] == pictures.get(k)
                near = window is None or q - k < window
                allowed[q, k] = near and (k <= q or (self.both_ways and together))
        self._reach[window] = allowed
        return allowed

    def _attention(self, attention, x: Tensor, done: Pass, lrp: str) -> Tensor:
        kind = getattr(attention, "layer_type", None)
        cos, sin = self.turns[kind if kind in self.turns else None]
        shape = (len(x), -1, cos.shape[1])
        q = attention.q_proj(x).view(shape)
        if hasattr(attention, "q_norm"):
            q = self._norm(attention.q_norm, q, lrp)
        q = turned(q, cos, sin)
        if getattr(attention, "is_kv_shared_layer", False):
            k, v = self.kept[kind]
        else:
            k, v = attention.k_proj(x).view(shape), attention.v_proj(x).view(shape)
            if hasattr(attention, "k_norm"):
                k = self._norm(attention.k_norm, k, lrp)
            if hasattr(attention, "v_norm"):
                v = self._norm(attention.v_norm, v, lrp)
            k = turned(k, cos, sin)
            self.kept[kind] = k, v
        if lrp == "cp":
            q, k = q.detach(), k.detach()
        if lrp == "attn":
            q, k, v = damp(q, 1 / 4), damp(k, 1 / 4), damp(v, 1 / 2)
        weights, outputs = [], []
        allowed = self._allowed(getattr(attention, "sliding_window", None))
        scale = getattr(attention.config, "query_pre_attn_scalar", q.shape[2]) ** 0.5
        scale = 1 if hasattr(attention, "is_kv_shared_layer") else scale
        for head in range(q.shape[1]):
            shared = head // (q.shape[1] // k.shape[1])
            logits = q[:, head] @ k[:, shared].T / scale
            weights.append(logits.masked_fill(~allowed, -torch.inf).softmax(1))
            outputs.append(weights[-1] @ v[:, shared])
        done.heads.append(weights)
        return attention.o_proj(torch.cat(outputs, 1))

    def _mlp(self, mlp, x: Tensor, lrp: str) -> Tensor:
        gemma = type(mlp).__name__.startswith("Gemma")
        return mlp.down_proj(gated(mlp.gate_proj(x), mlp.up_proj(x), gemma, lrp))

    def once(self, lrp: str = "") -> Pass:
        """Return the pass with these rules, made once."""
        if lrp not in self._passes:
            self._passes[lrp] = self.forward(lrp)
        return self._passes[lrp]

    @property
    def plain(self) -> Pass:
        return self.once()

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
        done = self.once(lrp)
        places = [done.embeds, *done.stacked, *([] if done.own is None else [done.own])]
        slopes = torch.autograd.grad(self.score(done, token), places, retain_graph=True)
        return sum((p * g).sum(1) for p, g in zip(places, slopes, strict=True)).detach()


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[2] // 2
    other = torch.cat([-x[..., half:], x[..., :half]], 2)
    return x * cos[:, None] + other * sin[:, None]


def gated(gate: Tensor, up: Tensor, gelu: bool, lrp: str) -> Tensor:
    """Return act(gate) * up, with SiLU, or GELU with tanh in place of the error function."""
    inner = (2 / torch.pi) ** 0.5 * (gate + 0.044715 * gate**3)
    slope = (1 + torch.tanh(inner)) / 2 if gelu else torch.sigmoid(gate)
    if lrp == "cp":
        return (gate * slope).detach() * up
    return damp(gate * slope.detach() * up, 1 / 2) if lrp == "attn" else gate * slope * up


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


def _entering(family, inputs: Inputs) -> tuple[Tensor, dict, list[Tensor], Tensor | None]:
    """Return the embeddings (L, d) that enter the decoder, cosines and sines (L, d_head) by the
    kind of layer (None if there is one kind), what is added after the first layers (L, d), and what
    all layers read of the tokens themselves (L, layers * p), if anything."""
    seen = SimpleNamespace(stacked=[], turns={}, own=None)

    def watch(_module, _args, kwargs):
        seen.embeds = kwargs["inputs_embeds"][0].clone()
        if kwargs.get("per_layer_inputs") is not None:
            seen.own = kwargs["per_layer_inputs"][0].flatten(1)
        for features in kwargs.get("deepstack_visual_embeds") or []:
            seen.stacked.append(torch.zeros_like(seen.embeds))
            seen.stacked[-1][list(inputs.visual)] = features

    def turn(_module, args, output):
        kind = args[2] if len(args) > 2 else None
        seen.turns[kind] = [part[0].double() for part in output]

    handles = [
        family.decoder.register_forward_pre_hook(watch, with_kwargs=True),
        family.decoder.rotary_emb.register_forward_hook(turn),
    ]
    with torch.no_grad():
        family.base(**family.forward_inputs(inputs), use_cache=False)
    for handle in handles:
        handle.remove()
    return seen.embeds, seen.turns, seen.stacked, seen.own
