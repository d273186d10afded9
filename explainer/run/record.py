"""`RunRecord`: read a record, copy it with changes, and compute its logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from explainer.errors import LayerError, RunError, ScaleError
from explainer.run.fields import AttributionKey, RunFields
from explainer.run.schema import ANSWER, Chip, Scale, Tokens, Video

_SHARED = ("_rows", "_visual", "text_logits")  # cached values that do not depend on the tokens


class RunRecord(RunFields):
    """One recorded answer, see `RunFields` for what it holds."""

    # Access --------------------------------------------------------------------------------------

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """Return the first image."""
        return self.images[0]

    @property
    def media(self) -> tuple[npt.NDArray[np.uint8], ...] | Video:
        """Return what the model read: the video, or the images."""
        return self.images if self.video is None else self.video

    def scale(self, alpha: float) -> Scale:
        """Return the scale with this factor; raise `ScaleError` if it was not recorded."""
        for scale in self.scales:
            if abs(scale.alpha - alpha) < 1e-6:
                return scale
        known = ", ".join(f"{a:g}" for a in sorted(self.alphas))
        raise ScaleError(f"scale {alpha:g} was not recorded; this run holds {known}")

    @property
    def layer_numbers(self) -> tuple[int, ...]:
        """Return the numbers of all recorded layers, ascending; () if unknown."""
        own = () if self.layer is None else (self.layer,)
        return (*(layer.number for layer in self.layers), *own)

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

    # Copies --------------------------------------------------------------------------------------

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

    # Logit lens ----------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> npt.NDArray[np.float32]:
        return self.unembedding.rows.astype(np.float32)

    def visual_logits(self, alpha: float) -> npt.NDArray[np.float32]:
        """Return the logits (U, N) float32 of every stored id at every visual token (Eq. 2).

        Cached for each scale; read-only.
        """
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

    def _capped(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Make logits x, in place, c tanh(x / c) where the model does so, and read-only."""
        if cap := np.float32(self.settings.get("logit_softcap", 0)):
            np.multiply(np.tanh(np.divide(logits, cap, logits), logits), cap, logits)
        logits.setflags(write=False)
        return logits


def _remove_scale(scales: tuple[Scale, ...], alpha: float) -> tuple[Scale, ...]:
    return tuple(scale for scale in scales if abs(scale.alpha - alpha) >= 1e-6)
