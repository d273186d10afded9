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

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError, TokenError
from explainer.run.schema import (
    ANSWER,
    NOTHING_SAID,
    SOURCES,
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


@dataclass(frozen=True, eq=False)
class RunFields:
    """What is recorded of one answer. See the module docstring for the dimensions.

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

    @property
    def alphas(self) -> tuple[float, ...]:
        """Return the recorded scale factors, alpha = 1 first."""
        return tuple(scale.alpha for scale in self.scales)

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
