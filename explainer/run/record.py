"""The record of one answer: what is needed to explain any of its tokens, and nothing more.

Dimensions used in every shape below:

    T    text tokens: template, prompt and answer tokens, in sequence order, visual tokens left out
    N    visual tokens at one scale: those of all views, view after view, each row-major
    U    vocabulary ids whose unembedding rows travel with the run
    K    length of the stored top-K lists
    C    candidates with stored probabilities (the first C of the top-K list)
    d    hidden size of the language model

A record holds no tensor of a model and no reference to one. Methods are pure functions of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from explainer.errors import LayerError, RunError, ScaleError, TokenError
from explainer.run.schema import (
    ANSWER,
    Chip,
    Evidence,
    Layer,
    Scale,
    Tokens,
    Unembedding,
    Video,
    check_array,
)

# Which map of a comparison method: (method, token, ((option, value), ...) sorted by name).
AttributionKey = tuple[str, int, tuple[tuple[str, Any], ...]]

_SHARED = ("_rows", "_visual", "text_logits")  # kept products that no token has a part in


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One recorded answer. See the module docstring for the dimensions.

    Attributes:
        images: one or more (H, W, 3) uint8, the pictures as the model was given them.
        prompt: the user's text.
        model_id: hub id or folder name, with `revision` in `settings` if one was pinned.
        tokens: the T text tokens.
        states: (T + 1, d) float16, post-norm states: row t is the state that predicts token t (at
            position `tokens.positions[t] - 1`), row T the state at the last token. Row 0 is zero
            when nothing precedes token 0.
        topk: (T + 1, K) int32, ids with the highest logits for each row of `states`, best first;
            -1 where there is no state.
        candidate_probs: (T + 1, C) float32, softmax over the whole vocabulary of the first C ids of
            `topk`, temperature 1.
        probs: (T,) float32, probability (temperature 1) of each token at its turn; NaN if unknown.
        scales: the recorded scales; the first is alpha = 1.
        unembedding: W rows of all ids in play.
        pieces: text of every id that occurs in `topk` and `visual_topk`.
        settings: JSON values: scales asked for, decoding, seed, dtype, versions, seconds, finish.
        labels: what each image is, for people; "" where there is nothing to say.
        video: the frames, if a video was asked about. A model reads them in K steps of F / K frames
            each, and `images` are the first frames of the steps.
        attributions: (N,) float32 each, signed maps of comparison methods over the visual tokens of
            scale 1, computed by `Explainer.attribute` with the model.
        attribution_notes: numbers that belong to some of these maps, by name.
        visual_topk: (N, 5) int32, the ids with the highest logits over the whole vocabulary at each
            visual token of scale 1, best first; None where that is not known.
        evidence: how probable the answer is without the pictures; None where that is not known.
        layer: the decoder layer that all states are from, counted from 1; None in older files.
        layers: earlier layers that were recorded too, in order, see `at_layer`.
    """

    images: tuple[npt.NDArray[np.uint8], ...]
    prompt: str
    model_id: str
    tokens: Tokens
    states: npt.NDArray[np.float16]
    topk: npt.NDArray[np.int32]
    candidate_probs: npt.NDArray[np.float32]
    probs: npt.NDArray[np.float32]
    scales: tuple[Scale, ...]
    unembedding: Unembedding
    pieces: Mapping[int, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    video: Video | None = None
    attributions: Mapping[AttributionKey, npt.NDArray[np.float32]] = field(default_factory=dict)
    attribution_notes: Mapping[AttributionKey, Mapping[str, float]] = field(default_factory=dict)
    visual_topk: npt.NDArray[np.int32] | None = None
    evidence: Evidence | None = None
    layer: int | None = None
    layers: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        t, d = len(self.tokens), self.states.shape[-1]
        if not self.images or len(self.labels) not in (0, len(self.images)):
            raise RunError(f"got {len(self.images)} images with {len(self.labels)} labels")
        if not self.labels:
            object.__setattr__(self, "labels", ("",) * len(self.images))
        for image in self.images:
            check_array("image", image, (None, None, 3), np.uint8)
        if self.video is not None and len(self.video.frames) % len(self.images):
            raise RunError("the frames of a video must be as many for each image")
        check_array("states", self.states, (t + 1, d), np.float16)
        check_array("topk", self.topk, (t + 1, None), np.int32)
        check_array("candidate_probs", self.candidate_probs, (t + 1, None), np.float32)
        check_array("probs", self.probs, (t,), np.float32)
        check_array("unembedding.rows", self.unembedding.rows, (None, d), np.float16)
        if not self.scales or self.scales[0].alpha != 1.0:
            raise RunError("the first scale of a run must be alpha = 1")
        for scale in self.scales:
            check_array(f"scale {scale.alpha} states", scale.states, (None, d), np.float16)
            if {view.image for view in scale.views} != set(range(len(self.images))):
                raise RunError(
                    f"scale {scale.alpha}: every image needs a view, and a view an image"
                )
        if len({scale.alpha for scale in self.scales}) != len(self.scales):
            raise RunError("a run holds each scale once")
        for (method, token, _), values in self.attributions.items():
            self.check_token(token)
            check_array(f"map of {method}", values, (len(self.scales[0].states),), np.float32)
        if not self.attribution_notes.keys() <= self.attributions.keys():
            raise RunError("numbers that belong to a map need that map")
        if self.visual_topk is not None:
            shape = (len(self.scales[0].states), None)
            check_array("visual_topk", self.visual_topk, shape, np.int32)
        if self.evidence is not None:
            fills, answer = len(self.evidence.fills), len(self.indices(ANSWER))
            check_array("evidence", self.evidence.probs, (fills, answer), np.float32)
        self._check_layers()

    def _check_layers(self) -> None:
        """Raise `RunError` unless the layers are shaped like the run, earlier ones first."""
        numbers = [layer.number for layer in self.layers]
        if not numbers:
            return
        if self.layer is None or numbers != sorted({*numbers} - {self.layer}):
            raise RunError("the layers of a run must follow each other, the run's own last")
        if not 0 < numbers[0] <= numbers[-1] < self.layer:
            raise RunError(f"layers {numbers[0]} to {numbers[-1]} do not lie below {self.layer}")
        for layer in self.layers:
            name = f"layer {layer.number}"
            check_array(f"{name} states", layer.states, self.states.shape, np.float16)
            check_array(f"{name} topk", layer.topk, self.topk.shape, np.int32)
            shape = self.candidate_probs.shape
            check_array(f"{name} candidate_probs", layer.candidate_probs, shape, np.float32)
            check_array(f"{name} probs", layer.probs, self.probs.shape, np.float32)
            if [scale.alpha for scale in layer.scales] != list(self.alphas):
                raise RunError(f"{name} must hold the scales of the run")
            for scale, own in zip(layer.scales, self.scales, strict=True):
                check_array(f"{name} scale {own.alpha}", scale.states, own.states.shape, np.float16)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the record only, not what was derived from it."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # What is in it -------------------------------------------------------------------------------

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Return the first image; most runs have no other."""
        return self.images[0]

    @property
    def media(self) -> tuple[npt.NDArray[np.uint8], ...] | Video:
        """Return what the model was asked about: the images, or the video they are from."""
        return self.images if self.video is None else self.video

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return the recorded scale factors, alpha = 1 first."""
        return tuple(scale.alpha for scale in self.scales)

    def scale(self, alpha: float) -> Scale:
        """Return the recorded scale with this factor; `ScaleError` if it was not recorded."""
        for scale in self.scales:
            if abs(scale.alpha - alpha) < 1e-6:
                return scale
        known = ", ".join(f"{a:g}" for a in sorted(self.alphas))
        raise ScaleError(f"scale {alpha:g} was not recorded; this run holds {known}")

    def with_scale(self, scale: Scale, layers: Sequence[Scale] = ()) -> Self:
        """Return a run that also holds `scale`, replacing one with the same factor.

        `layers` are the same scale with the states of each of `Run.layers`. Without them the new
        run holds no layers, for they would lack the scale.
        """
        if layers and len(layers) != len(self.layers):
            raise RunError(f"got a scale for {len(layers)} layers, expected {len(self.layers)}")
        return replace(
            self,
            scales=(*_without(self.scales, scale.alpha), scale),
            layers=tuple(
                replace(layer, scales=(*_without(layer.scales, scale.alpha), added))
                for layer, added in zip(self.layers, layers, strict=False)
            ),
        )

    @property
    def layer_numbers(self) -> tuple[int, ...]:
        """Return the layers that can be looked at, ascending, the run's own last; () if unknown."""
        own = () if self.layer is None else (self.layer,)
        return (*(layer.number for layer in self.layers), *own)

    def at_layer(self, number: int) -> Self:
        """Return the run as if the model ended after this decoder layer.

        All states are those of that layer after the model's final norm, norm(x^l), and lists and
        probabilities are what the unembedding makes of them, so that every method shows what the
        lens reads there. The own layer gives the run itself. Maps of comparison methods stay: they
        come from the whole model. Words of visual tokens and evidence are left out. Raises
        `LayerError` for a layer that was not recorded.
        """
        if number == self.layer:
            return self
        kept = self.__dict__.setdefault("_at_layer", {})
        if number not in kept:
            kept[number] = self._read_at(number)
        return kept[number]

    def _read_at(self, number: int) -> Self:
        found = [layer for layer in self.layers if layer.number == number]
        if not found:
            known = ", ".join(map(str, self.layer_numbers)) or "its last layer only"
            raise LayerError(
                f"layer {number!r} was not recorded; this run holds {known}, "
                "and one recorded with layers 'all' holds each"
            )
        (layer,) = found
        changed = replace(
            self,
            states=layer.states,
            topk=layer.topk,
            candidate_probs=layer.candidate_probs,
            probs=layer.probs,
            scales=layer.scales,
            visual_topk=None,
            evidence=None,
            layer=number,
            layers=(),
        )
        changed.__dict__["_rows"] = self._rows
        return changed

    def with_attributions(
        self,
        maps: Mapping[AttributionKey, npt.NDArray[np.float32]],
        notes: Mapping[AttributionKey, Mapping[str, float]],
    ) -> Self:
        """Return the run with further maps of comparison methods and what belongs to them."""
        return replace(
            self,
            attributions={**self.attributions, **maps},
            attribution_notes={**self.attribution_notes, **notes},
        )

    def saying(self, token: int, token_id: int) -> Self:
        """Return the run as if another id stood in place of a token; all else is as recorded.

        The state that predicts the token, and everything before it, does not depend on what stands
        there, so that a map of the token in the new run is that of the other word, with no
        approximation. Later tokens and the token's own state are still those after the old word.
        Maps of comparison methods for this token, evidence and layers are left out; for another
        layer, look `at_layer` first. Raises `RunError` without a row of W for the id.
        """
        token, old = self.check_token(token), self.tokens
        self.unembedding.index([token_id])
        if token_id == old.ids[token]:
            return self
        ids, probs, texts = old.ids.copy(), self.probs.copy(), list(old.texts)
        ids[token], probs[token] = token_id, self.probability(token, token_id)
        texts[token] = self.pieces.get(token_id, f"⟨{token_id}⟩")
        changed = replace(
            self,
            tokens=Tokens(ids, tuple(texts), old.roles, old.positions),
            probs=probs,
            attributions={k: v for k, v in self.attributions.items() if k[1] != token},
            attribution_notes={k: v for k, v in self.attribution_notes.items() if k[1] != token},
            evidence=None,
            layers=(),
        )
        self.__dict__.setdefault("_visual", {})
        shared = {name: self.__dict__[name] for name in _SHARED if name in self.__dict__}
        changed.__dict__.update(shared)
        return changed

    def probability(self, token: int, token_id: int) -> float:
        """Return how probable an id was in place of a token; NaN if that is not known.

        Recorded, for the token itself and the first C candidates. For another id with a row here it
        is worked out from the first candidate's, p e^(logit - logit of the first), which is as
        exact as float16 states and rows are.
        """
        token, top = self.check_token(token), self.topk[token]
        if token_id == self.tokens.ids[token]:
            return float(self.probs[token])
        if top[0] < 0:
            return float("nan")
        chances = self.candidate_probs[token]
        known = np.flatnonzero(top[: len(chances)] == token_id)
        if len(known):
            return float(chances[known[0]])
        if not np.isin([token_id, top[0]], self.unembedding.ids).all():
            return float("nan")
        own, first = self.text_logits[token, self.unembedding.index([token_id, top[0]])]
        return float(chances[0] * np.exp(min(0.0, float(own - first))))

    def check_token(self, token: int) -> int:
        """Return `token` as an int, or raise `TokenError` if it is not an index of a text token."""
        if isinstance(token, (bool, np.bool_)) or not isinstance(token, (int, np.integer)):
            raise TokenError(f"a token is an index (int), got {type(token).__name__}")
        if not 0 <= token < len(self.tokens):
            raise TokenError(f"token {token} is outside 0..{len(self.tokens) - 1}")
        return int(token)

    def indices(self, role: int) -> npt.NDArray[np.intp]:
        """Return the indices of all tokens with this role, in order."""
        return np.flatnonzero(self.tokens.roles == role)

    @property
    def answer(self) -> str:
        """Return the generated text."""
        return "".join(self.tokens.texts[i] for i in self.indices(ANSWER))

    @cached_property
    def chips(self) -> tuple[Chip, ...]:
        """Return the clickable pieces in order; tokens that share one character share a chip."""
        groups: list[list[int]] = []
        for i, text in enumerate(self.tokens.texts):
            starts = text or not groups or self.tokens.roles[i] != self.tokens.roles[i - 1]
            if starts:
                groups.append([i])
            else:
                groups[-1].append(i)
        return tuple(
            Chip(tuple(g), self.tokens.texts[g[0]], int(self.tokens.roles[g[0]])) for g in groups
        )

    @property
    def nbytes(self) -> int:
        """Return the bytes held by the arrays of the record."""
        shown = self.images if self.video is None else (self.video.frames,)
        arrays: tuple[npt.NDArray[Any], ...]
        arrays = (*shown, self.states, self.topk, self.candidate_probs, self.probs)
        arrays += (self.unembedding.ids, self.unembedding.rows, self.unembedding.bias)
        arrays += tuple(self.attributions.values())
        arrays += () if self.visual_topk is None else (self.visual_topk,)
        arrays += () if self.evidence is None else (self.evidence.probs,)
        parts = sum(s.nbytes for s in self.scales) + sum(y.nbytes for y in self.layers)
        return sum(a.nbytes for a in arrays) + parts + sum(map(len, self.pieces.values()))

    # Logits by the lens --------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> npt.NDArray[np.float32]:
        return self.unembedding.rows.astype(np.float32)

    def visual_logits(self, alpha: float) -> npt.NDArray[np.float32]:
        """Return a (U, N) float32: logit of every id in play at every visual token (Eq. 2).

        Computed once for each scale and kept; read-only.
        """
        scale = self.scale(alpha)
        cache = self.__dict__.setdefault("_visual", {})
        if scale.alpha not in cache:
            logits = self._rows @ scale.states.astype(np.float32).T
            logits += self.unembedding.bias[:, None]
            logits.setflags(write=False)
            cache[scale.alpha] = logits
        return cache[scale.alpha]

    @cached_property
    def text_logits(self) -> npt.NDArray[np.float32]:
        """Return (T + 1, U) float32: logit of every id in play at every text state; read-only."""
        logits = self.states.astype(np.float32) @ self._rows.T + self.unembedding.bias
        logits.setflags(write=False)
        return logits


def _without(scales: tuple[Scale, ...], alpha: float) -> tuple[Scale, ...]:
    return tuple(scale for scale in scales if abs(scale.alpha - alpha) >= 1e-6)


def footprint(run: RunRecord) -> int:
    """Return the bytes that a run can come to hold: its arrays, and the logits it keeps once used.

    A run remembers its lens products after the first look, (U, N) float32 for each scale, (T + 1,
    U) for the text, each at every layer, and W's rows in float32; they outweigh the record and have
    to count.
    """
    states = len(run.states) + sum(len(scale.states) for scale in run.scales)
    return run.nbytes + kept_bytes(run.unembedding.rows.shape, states, len(run.layers))


def kept_bytes(rows: tuple[int, ...], states: int, layers: int) -> int:
    """Return the bytes of the products that a run comes to keep.

    Args:
        rows: (U, d), the shape of its rows of the unembedding.
        states: of the text and of all scales, counted at one layer.
        layers: how many there are besides the run's own.
    """
    return 4 * rows[0] * ((1 + layers) * states + rows[1])
