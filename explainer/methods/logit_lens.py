"""The raw logit lens: the logit of a word at each visual token, without subtraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explainer.methods.base import Heatmap, Knob, Method
from explainer.methods.display import (
    NORMALISATION,
    SIGNED_WORDS,
    WORDS,
    Finishing,
    as_parts,
    finish,
    finish_signed,
    needed,
)
from explainer.methods.lens import lens_maps
from explainer.run import Run


def explain(
    run: Run, tokens: Sequence[int], *, alpha: float, show: str, normalisation: str
) -> list[Heatmap]:
    """Return W[y_t] . z_i over the visual tokens of one scale for each token t (Eq. 2).

    The map has the grid of that scale, of the base view on each image. show="positive" clips at 0,
    so colour means evidence for the word; show="signed" keeps negative logits and divides without
    moving 0.
    """
    wanted = needed(run, tokens, normalisation)
    maps, layout = lens_maps(run, run.tokens.ids[wanted], alpha)
    signed = show == "signed"
    if signed:
        values = finish_signed(run, wanted, maps, normalisation)
    else:
        values = finish(run, wanted, np.maximum(0.0, maps), layout, Finishing(normalisation))
    words = (SIGNED_WORDS if signed else WORDS)[normalisation]
    parts = as_parts(values, layout)
    return [Heatmap(parts[i], signed, words) for i in range(len(tokens))]


LOGIT_LENS = Method(
    name="logit_lens",
    label="Logit lens",
    summary="The word's raw score at every visual token of one scale, nothing removed.",
    paper="nostalgebraist 2020; arXiv 2509.22415, Eq. 2",
    signed=False,
    knobs=(
        Knob("alpha", "float", 1.0, "which recorded scale to look at", 0.25, 1.5, 0.25),
        Knob(
            "show",
            "choice",
            "positive",
            "scores above zero only, or scores of both signs in two colours",
            choices=("positive", "signed"),
        ),
        replace(NORMALISATION, default="token"),
    ),
    explain=explain,
)
