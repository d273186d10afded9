"""TAM, the Token Activation Map: subtract earlier words by how strongly this word scores at them.

Source: Y. Li et al., arXiv 2506.23270, and its reference code. Two modes: `corrected` explains the
token that it says it explains; `published` is in `tam_published`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from explainer.errors import KnobError
from explainer.methods.base import Heatmap, Knob, Method
from explainer.methods.display import (
    BORDER,
    NORMALISATION,
    WINDOW,
    WORDS,
    Finishing,
    as_parts,
    finish,
    needed,
)
from explainer.methods.interference import Cleaned, best_beta, subtract, weighted_mean
from explainer.methods.lens import earlier, lens_maps, repeated, score_weights
from explainer.methods.tam_published import explain_published
from explainer.run import Run
from explainer.run.geometry import Layout


def explain(
    run: Run, tokens: Sequence[int], *, mode: str, normalisation: str, window: int, border: str
) -> list[Heatmap]:
    """Return one TAM heatmap on the token grids of scale 1 for each token.

    With a_i(k) = max(0, W[k] . z_i) and s_j(k) = max(0, W[k] . h_j), h_j predicting token j:

        I = sum_j s_j(y_t) A_j / sum_j s_j(y_t),  j < t, y_j != y_t, prompt and answer
        M = max(0, A_t - beta I),  beta = argmin_b ||A_t - b I||^2

    then the joint normalisation and the rank Gaussian filter of `display.finish`.

    Departures of `corrected` from the reference code: every token has its own class; prompt tokens
    are represented by the state that predicts them, like answer tokens, and see no later token;
    repeats are found by id; no 8-bit rounding; empty sums give zeros in place of NaN; the filter's
    border. `published` has none of these, mirrors the border whatever `border` says, and is
    described at `tam_published.explain_published`.
    """
    if mode == "published":
        if normalisation != "joint":
            raise KnobError("TAM as published has the joint normalisation only, and no contrasts")
        return explain_published(run, tokens, window)
    wanted = needed(run, tokens, normalisation)
    cleaned, layout = _clean(run, wanted)
    how = Finishing(normalisation, window, border)
    values = finish(run, wanted, cleaned.maps, layout, how)
    parts = as_parts(values, layout)
    return [
        Heatmap(parts[i], False, WORDS[normalisation], cleaned.notes(i)) for i in range(len(tokens))
    ]


def _clean(run: Run, tokens: list[int]) -> tuple[Cleaned, Layout]:
    """Return the maps of these tokens after interference removal, not yet normalised."""
    ids = run.tokens.ids
    lens, layout = lens_maps(run, ids[: max(tokens) + 1])
    maps = np.maximum(0.0, lens)
    allowed = earlier(run, tokens) & ~repeated(run, tokens)
    weights = score_weights(run, tokens, allowed)[:, : len(maps)]
    interference = weighted_mean(weights, maps)
    beta = best_beta(maps[tokens], interference)
    return subtract(maps[tokens], interference, beta, beta), layout


PRESETS: Mapping[str, Mapping[str, str]] = {"default": {}, "published": {"mode": "published"}}

TAM = Method(
    name="tam",
    label="TAM",
    summary="The word's map minus what earlier words explain of it, weighted by its score at them.",
    paper="arXiv 2506.23270",
    signed=False,
    knobs=(
        Knob(
            "mode",
            "choice",
            "corrected",
            "explain the word itself, or repeat the reference code with its index slips",
            choices=("corrected", "published"),
        ),
        NORMALISATION,
        WINDOW,
        BORDER,
    ),
    explain=explain,
    presets=PRESETS,
)
