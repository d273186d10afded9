"""The record of one answer, with everything needed to explain any of its tokens.

Dimensions used in every shape below:

    T    text tokens: template, prompt and answer tokens, in sequence order, without visual tokens
    N    visual tokens at one scale: all views in order, each row-major
    U    vocabulary ids whose unembedding rows are stored in the run
    K    length of the stored top-K lists
    C    candidates with stored probabilities (the first C of the top-K list)
    d    hidden size of the language model

A record holds neither tensors of a model nor a reference to it. Methods are pure functions of it.
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
    NOTHING_SAID,
    SOURCES,
    Chip,
    Conversation,
    Evidence,
    Layer,
    Scale,
    Tokens,
    Unembedding,
    Video,
    check_array,
)

# Key of a map of a comparison method: (method, token, ((option, value), ...) sorted by name).
AttributionKey = tuple[str, int, tuple[tuple[str, Any], ...]]

_SHARED = ("_rows", "_visual", "text_logits")  # cached values that do not depend on the tokens


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One recorded answer. See the module docstring for the dimensions.

    Attributes:
        images: one or more (H, W, 3) uint8, the pictures as passed to the model.
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
        probs: (T,) float32, probability of each token at temperature 1; NaN if unknown.
        scales: the recorded scales; the first is alpha = 1.
        unembedding: rows of W for the U ids.
        pieces: text of every id that occurs in `topk` and `visual_topk`.
        settings: JSON values: requested scales, decoding, seed, dtype, versions, seconds, finish.
        labels: a caption for each image, or "".
        video: the video, or None. Its F frames are read in K temporal steps of F / K frames each,
            and `images` are the first frames of the steps.
        attributions: (N,) float32 each, signed maps by `Explainer.attribute`, at scale 1.
        attribution_notes: further numbers of some of these maps, by name.
        visual_topk: (N, 5) int32, the ids with the highest logits at each visual token; or None.
        evidence: probabilities of the answer without the pictures; None if not measured.
        sources: (3, R) float32 in [0, 1], probability of each of the R answer tokens while the text
            may not attend to each of `SOURCES`, see `probing.sources`; None if not measured.
        layer: the decoder layer of all states, counted from 1; None in older files.
        layers: further recorded layers below it, ascending, see `at_layer`.
        conversation: the system prompt and the earlier turns, of which the T hold the tokens.
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
    sources: npt.NDArray[np.float32] | None = None
    layer: int | None = None
    layers: tuple[Layer, ...] = ()
    conversation: Conversation = NOTHING_SAID

    def __post_init__(self) -> None:
        t, d = len(self.tokens), self.states.shape[-1]
        if not self.images or len(self.labels) not in (0, len(self.images)):
            raise RunError(f"got {len(self.images)} images with {len(self.labels)} labels")
        if not self.labels:
            object.__setattr__(self, "labels", ("",) * len(self.images))
        for image in self.images:
            check_array("image", image, (None, None, 3), np.uint8)
        if self.video is not None and len(self.video.frames) % len(self.images):
            raise RunError("the number of video frames must be a multiple of the number of images")
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
                    f"scale {scale.alpha}: every image needs a view, and every view an image"
                )
        if len({scale.alpha for scale in self.scales}) != len(self.scales):
            raise RunError("a run holds each scale once")
        for (method, token, _), values in self.attributions.items():
            self.check_token(token)
            check_array(f"map of {method}", values, (len(self.scales[0].states),), np.float32)
        if not self.attribution_notes.keys() <= self.attributions.keys():
            raise RunError("attribution_notes need the map of the same key")
        if self.visual_topk is not None:
            shape = (len(self.scales[0].states), None)
            check_array("visual_topk", self.visual_topk, shape, np.int32)
        if self.evidence is not None:
            fills, answer = len(self.evidence.fills), len(self.indices(ANSWER))
            check_array("evidence", self.evidence.probs, (fills, answer), np.float32)
        if self.sources is not None:
            sources = (len(SOURCES), len(self.indices(ANSWER)))
            check_array("sources", self.sources, sources, np.float32)
        self._check_layers()

    def _check_layers(self) -> None:
        """Raise `RunError` unless the layers ascend and have the shapes of the run."""
        numbers = [layer.number for layer in self.layers]
        if not numbers:
            return
        if self.layer is None or numbers != sorted({*numbers} - {self.layer}):
            raise RunError("the layers of a run must ascend, and end below its own layer")
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
        """Pickle the record without cached values."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # Access --------------------------------------------------------------------------------------

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Return the first image."""
        return self.images[0]

    @property
    def media(self) -> tuple[npt.NDArray[np.uint8], ...] | Video:
        """Return what the model read: the video, or the images."""
        return self.images if self.video is None else self.video

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return the recorded scale factors, alpha = 1 first."""
        return tuple(scale.alpha for scale in self.scales)

    def scale(self, alpha: float) -> Scale:
        """Return the scale with this factor; raise `ScaleError` if it was not recorded."""
        for scale in self.scales:
            if abs(scale.alpha - alpha) < 1e-6:
                return scale
        known = ", ".join(f"{a:g}" for a in sorted(self.alphas))
        raise ScaleError(f"scale {alpha:g} was not recorded; this run holds {known}")

    def with_scale(self, scale: Scale, layers: Sequence[Scale] = ()) -> Self:
        """Return a copy of the run with a scale added, replacing one of the same factor.

        `layers` holds the same scale with the states of each of `Run.layers`. Without it the copy
        has no layers, because each layer must hold all scales.
        """
        if layers and len(layers) != len(self.layers):
            raise RunError(f"got a scale for {len(layers)} layers, expected {len(self.layers)}")
        return replace(
            self,
            scales=(*_remove_scale(self.scales, scale.alpha), scale),
            layers=tuple(
                replace(layer, scales=(*_remove_scale(layer.scales, scale.alpha), added))
                for layer, added in zip(self.layers, layers, strict=False)
            ),
        )

    @property
    def layer_numbers(self) -> tuple[int, ...]:
        """Return the numbers of all recorded layers, ascending; () if unknown."""
        own = () if self.layer is None else (self.layer,)
        return (*(layer.number for layer in self.layers), *own)

    def at_layer(self, number: int) -> Self:
        """Return a view of the run as if the model ended after this decoder layer (logit lens).

        All states are those of that layer after the model's final norm, norm(x^l); lists and
        probabilities follow from them by the unembedding. Maps of comparison methods are kept, as
        they belong to the whole model; `visual_topk`, evidence and sources are left out. The
        run's own layer returns the run itself. Raises `LayerError` for one that was not recorded.
        """
        if number == self.layer:
            return self
        kept = self.__dict__.setdefault("_at_layer", {})
        if number not in kept:
            kept[number] = self._make_layer_view(number)
        return kept[number]

    def _make_layer_view(self, number: int) -> Self:
        found = [layer for layer in self.layers if layer.number == number]
        if not found:
            known = ", ".join(map(str, self.layer_numbers)) or "the last one only"
            raise LayerError(
                f"layer {number!r} was not recorded; this run holds {known}; "
                "record with layers 'all' to have each"
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
            sources=None,
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
        """Return a copy of the run with further maps of comparison methods, and their notes."""
        return replace(
            self,
            attributions={**self.attributions, **maps},
            attribution_notes={**self.attribution_notes, **notes},
        )

    def with_token(self, token: int, token_id: int) -> Self:
        """Return a copy of the run with another id in place of a token, to explain that id.

        The state that predicts the token, and all states before it, do not depend on the token, so
        the map of the token in the copy is exactly that of the other id. Later tokens and the
        token's own state are still those after the original token. Maps of comparison methods for
        this token, evidence, sources and layers are left out; for another layer, call `at_layer`
        first. Raises `RunError` if the run has no unembedding row for the id.
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
            sources=None,
            layers=(),
        )
        self.__dict__.setdefault("_visual", {})
        shared = {name: self.__dict__[name] for name in _SHARED if name in self.__dict__}
        changed.__dict__.update(shared)
        return changed

    def probability(self, token: int, token_id: int) -> float:
        """Return the probability of an id in place of a token; NaN if unknown.

        It was recorded for the token itself and the first C candidates. For other ids with an
        unembedding row it is p e^(logit - logit of the first candidate), with p the probability of
        the first candidate, and as exact as float16 states and rows.
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
        """Return `token` as an int; raise `TokenError` unless it is an index of a text token."""
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
        """Return the chips in order; tokens that together spell one character share a chip."""
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
        """Return the size of all arrays of the record in bytes."""
        shown = self.images if self.video is None else (self.video.frames,)
        arrays: tuple[npt.NDArray[Any], ...]
        arrays = (*shown, self.states, self.topk, self.candidate_probs, self.probs)
        arrays += (self.unembedding.ids, self.unembedding.rows, self.unembedding.bias)
        arrays += tuple(self.attributions.values())
        arrays += () if self.visual_topk is None else (self.visual_topk,)
        arrays += () if self.evidence is None else (self.evidence.probs,)
        arrays += () if self.sources is None else (self.sources,)
        parts = sum(s.nbytes for s in self.scales) + sum(y.nbytes for y in self.layers)
        return sum(a.nbytes for a in arrays) + parts + sum(map(len, self.pieces.values()))

    # Logit lens ----------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> npt.NDArray[np.float32]:
        return self.unembedding.rows.astype(np.float32)

    def visual_logits(self, alpha: float) -> npt.NDArray[np.float32]:
        """Return the logits (U, N) float32 of every stored id at every visual token (Eq. 2)."""
        scale, cache = self.scale(alpha), self.__dict__.setdefault("_visual", {})
        if scale.alpha not in cache:
            logits = self._rows @ scale.states.astype(np.float32).T
            logits += self.unembedding.bias[:, None]
            cache[scale.alpha] = self._capped(logits)
        return cache[scale.alpha]

    @cached_property
    def text_logits(self) -> npt.NDArray[np.float32]:
        """Return the logits (T + 1, U) float32 of all stored ids at all text states; read-only."""
        return self._capped(self.states.astype(np.float32) @ self._rows.T + self.unembedding.bias)

    def _capped(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Make logits x, in place, c tanh(x / c) where the model does so, and read-only."""
        if cap := np.float32(self.settings.get("logit_softcap", 0)):
            np.multiply(np.tanh(np.divide(logits, cap, logits), logits), cap, logits)
        logits.setflags(write=False)
        return logits


def _remove_scale(scales: tuple[Scale, ...], alpha: float) -> tuple[Scale, ...]:
    return tuple(scale for scale in scales if abs(scale.alpha - alpha) >= 1e-6)
