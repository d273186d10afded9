"""Explainers with a deeper language model than the tiny ones have, and runs recorded with them."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from explainer.attribution.reading import Reading
from explainer.probing.tiling import Tiling
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run
from tests import tiny
from tests.probing.slow_eagle import Score
from tests.shared_models import FAMILIES, HYBRID

PROMPT_TEXT = "what is in it?"
# Of methods that take long, to try what all methods share.
QUICK = {"eagle": {"regions": 4, "parts": "cells"}, "igos_pp": {"iterations": 1, "steps": 1}}

# Methods that follow a word through the attention of every layer.
THROUGH_ATTENTION = ("attention_rollout", "grad_rollout", "cp_lrp", "attn_lrp")


def attends_in_every_layer(explainer: Explainer) -> bool:
    """Return whether a model has no layers of another kind."""
    return len(explainer.family.attending_layers) == explainer.family.depth


def deepen(explainer: Explainer, layers: int = 4) -> Explainer:
    """Give the language model more layers, and all of it other weights, norms and biases too."""
    decoder = explainer.family.decoder
    kinds = len(decoder.layers)
    layers = max(layers, kinds)
    for i in range(kinds, layers):
        layer = copy.deepcopy(decoder.layers[i % kinds])
        layer.self_attn.layer_idx, layer.self_attn.config = i, decoder.config
        decoder.layers.append(layer)
    decoder.config.num_hidden_layers = layers
    if getattr(decoder.config, "layer_types", None):
        decoder.config.layer_types = decoder.config.layer_types * (layers // kinds)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in decoder.layers.named_parameters():
        mean, spread = (1.0, 0.3) if "norm" in name else (0.0, 0.25)
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = (mean + spread * noise).to(parameter.dtype)
    return explainer


class ReadAlone:
    """An answer read with only some regions of the picture shown: one mask at a time, each once."""

    def __init__(self, explainer: Explainer, tiling: Tiling) -> None:
        self._reading, self._tiling = Reading(explainer._engine, tiling.run), tiling
        self._answer = tiling.run.indices(ANSWER).tolist()
        self._known: dict[frozenset[int], np.ndarray] = {}

    def _probs(self, shown: frozenset[int]) -> np.ndarray:
        if shown not in self._known:
            mask = np.isin(np.arange(len(self._tiling)), list(shown))
            probs = self._reading.probabilities([self._tiling.pictures(mask)], self._answer)
            self._known[shown] = probs[0].astype(np.float64)
        return self._known[shown]

    def mean(self, columns: Sequence[int]) -> Score:
        """Return p(S), the mean probability of these tokens of the answer."""
        return lambda shown: float(self._probs(shown)[list(columns)].mean())


@pytest.fixture(scope="session", params=[name for name in FAMILIES if name not in HYBRID])
def deep(request: pytest.FixtureRequest, family_folders) -> Explainer:
    options = FAMILIES[request.param][1]
    return deepen(load(family_folders[request.param], device="cpu", dtype="float32", **options))


@pytest.fixture(scope="session")
def run(deep: Explainer) -> Run:
    picture = tiny.image(64, 96)
    return deep.record(picture, PROMPT_TEXT, scales=(1.0,), max_new_tokens=4)
