"""Comparison methods: they normalise the maps that `Explainer.attribute` stored in a run.

Unlike the other methods they need the model: gradients, attention, relevance, or its output on
changed pictures. `explainer.attribution` computes these; this module looks them up and normalises
them like any other map.

Definitions: arXiv 2509.22415 compares with these methods and gives no definitions for a language
model that reads pictures. Ours are the usual ones, with visual tokens in place of pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import MethodError
from explainer.media.fills import FILLS
from explainer.methods.base import Heatmap, Knob, Method
from explainer.methods.display import (
    ABSOLUTE,
    NORMALISATION,
    SIGNED_WORDS,
    WORDS,
    Finishing,
    as_parts,
    finish,
    finish_signed,
    needed,
)
from explainer.methods.logit_lens import LOGIT_LENS
from explainer.methods.logit_lens import explain as explain_lens
from explainer.run import AttributionKey, Run
from explainer.run.geometry import Layout, join, seen_maps

PATENT = (
    "Layer-wise relevance propagation is, by the word of the authors of its reference code for "
    "transformers (lxt, Clear BSD licence, which grants no patent rights), patented and free for "
    "personal and scientific use only; ask them before any other use."
)


@dataclass(frozen=True)
class Comparison(Method):
    """A method whose maps are computed with the model, by `Explainer.attribute`.

    Attributes:
        options: names of the knobs that the computation depends on; the others concern display.
        notice: a warning to show before use, or "".
    """

    options: tuple[str, ...] = ()
    notice: str = ""

    def key(self, token: int, settings: Mapping[str, Any]) -> AttributionKey:
        """Return the key of the map of a token in `Run.attributions`."""
        return self.name, token, tuple((name, settings[name]) for name in sorted(self.options))

    def lacks(self, run: Run, tokens: Sequence[int], settings: Mapping[str, Any]) -> list[int]:
        """Return the tokens whose maps have to be computed before `tokens` can be explained."""
        wanted = dict.fromkeys(needed(run, tokens, settings["normalisation"]))
        return [t for t in wanted if self.key(t, settings) not in run.attributions]


def explain(
    run: Run, tokens: Sequence[int], *, name: str, normalisation: str, **knobs: Any
) -> list[Heatmap]:
    """Return the maps of a comparison method, clipped at 0 and scaled to [0, 1] (min-max).

    show="signed" keeps negative values and divides without moving 0. Raises `MethodError` for a
    token whose map was not computed.
    """
    wanted = needed(run, tokens, normalisation)
    signed = knobs.get("show") == "signed"
    maps, layout = _cells(run, np.stack([_computed(run, t, ALL[name], knobs) for t in wanted]))
    if signed:
        values = finish_signed(run, wanted, maps, normalisation)
    else:
        values = finish(run, wanted, np.maximum(0.0, maps), layout, Finishing(normalisation))
    words, parts = (SIGNED_WORDS if signed else WORDS)[normalisation], as_parts(values, layout)
    notes = [run.attribution_notes.get(ALL[name].key(t, knobs), {}) for t in tokens]
    return [Heatmap(parts[i], signed, words, notes[i]) for i in range(len(tokens))]


def _computed(
    run: Run, token: int, method: Comparison, knobs: Mapping[str, Any]
) -> npt.NDArray[np.float32]:
    key = method.key(token, knobs)
    if key not in run.attributions:
        options = "".join(f", {name}={value!r}" for name, value in key[2])
        raise MethodError(
            f"{method.label} was not computed for token {token}; it needs the model: call "
            f"Explainer.attribute(run, {token}, {method.name!r}{options})"
        )
    return run.attributions[key]


def _cells(run: Run, values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Layout]:
    """Return (M, G), the seen cells of the base views, from (M, N), and their layout."""
    scale, layout = run.scales[0], Layout.of(run)
    bases = [scale.of_image(i)[0] for i in range(len(run.images))]
    seen = [
        seen_maps(view, grid, values[:, place])
        for (view, place), grid in zip(bases, layout.grids, strict=True)
    ]
    return join(seen), layout


# The declarations --------------------------------------------------------------------------------

_SCALE = replace(NORMALISATION, default="token", choices=("token", "answer"))
_SCALE = replace(
    _SCALE,
    meaning="what counts as full strength: the map's own maximum (token), or the strongest map of "
    "the answer (answer)",
)
_STRENGTH = replace(
    _SCALE,
    default=ABSOLUTE,
    choices=(ABSOLUTE, *_SCALE.choices),
    meaning="what counts as full strength: a word that the picture makes at least 0.67 more "
    "probable, so that the map of a habit of language is dark (absolute), the map's own maximum "
    "(token), or the strongest map of the answer (answer)",
)
_SHOW = Knob(
    "show",
    "choice",
    "positive",
    "what speaks for the word only, or what speaks for and against it in two colours",
    choices=("positive", "signed"),
)
_MODE = Knob(
    "mode",
    "choice",
    "causal",
    "whose gradient: that of the score which predicted the word, at an inner layer (causal), or "
    "that of the word's mean score over the picture, at the last layer (table), which repeats the "
    "equal rows of CAM and Grad-CAM in the paper's Table 1",
    choices=("causal", "table"),
)
_DEPTH = Knob(
    "depth",
    "float",
    0.5,
    "which layer to look at, from the first (0) to the last that the answer still reads (1); "
    "for mode causal",
    0.0,
    1.0,
    0.1,
)
_FEATURES = Knob(
    "features",
    "choice",
    "norm",
    "what to look at in that layer: its normalised state after attention, as the code of EAGLE "
    "does, or its output",
    choices=("norm", "layer"),
)
_LAYERS = Knob(
    "over_layers",
    "choice",
    "last",
    "whose attention: that of the last layer, or the mean over all",
    choices=("last", "mean"),
)
_START = Knob(
    "start",
    "float",
    0.5,
    "from which block of the vision tower on the second path runs: 0 is the first, 1 the last",
    0.0,
    1.0,
    0.1,
)
_REGIONS = Knob(
    "regions",
    "int",
    12,
    "about how many parts of the picture are shown and hidden in turn; 12 take 112 readings of the "
    "picture for each word, 16 take 168, 36 take 464",
    4,
    128,
)
_PARTS = Knob(
    "parts",
    "choice",
    "superpixels",
    "how the picture is cut: along its edges (superpixels), or into equal blocks of cells of the "
    "map (cells)",
    choices=("superpixels", "cells"),
)
_FILL = Knob(
    "fill",
    "choice",
    "black",
    "what hidden parts are replaced by: black as in EAGLE, the mean colour, or the picture blurred",
    choices=tuple(FILLS),
)
_ITERATIONS = Knob("iterations", "int", 15, "how many steps the masks are optimised for", 1, 100)
_STEPS = Knob(
    "steps", "int", 20, "how many readings from no mask to the whole one make a gradient", 1, 100
)


def _declare(
    name: str,
    label: str,
    summary: str,
    paper: str,
    *options: Knob,
    scale: Knob = _SCALE,
    notice: str = "",
) -> Comparison:
    """Return a method; `show` is the only knob among `options` that concerns display alone."""
    return Comparison(
        name=name,
        label=label,
        summary=summary,
        paper=paper,
        signed=False,
        knobs=(*options, scale),
        explain=partial(explain, name=name),
        options=tuple(knob.name for knob in options if knob is not _SHOW),
        notice=notice,
    )


CAM = Method(
    name="cam",
    label="CAM",
    summary="The word's raw score at every visual token at scale 1, nothing removed.",
    paper="arXiv 1512.04150",
    signed=False,
    knobs=tuple(knob for knob in LOGIT_LENS.knobs if knob.name == "normalisation"),
    explain=partial(explain_lens, alpha=1.0, show="positive"),
)
GRAD_CAM = _declare(
    "grad_cam",
    "Grad-CAM",
    "The features of a layer, weighted by the mean gradient of the word's score.",
    "arXiv 1610.02391",
    _MODE,
    _DEPTH,
)
GRAD_CAM_PP = _declare(
    "grad_cam_pp",
    "Grad-CAM++",
    "As Grad-CAM, with a mean of positive gradients that gives small objects their weight.",
    "arXiv 1710.11063",
    _MODE,
    _DEPTH,
)
LAYER_CAM = _declare(
    "layer_cam",
    "Layer-CAM",
    "The features of a layer, each weighted by its own positive gradient.",
    "doi 10.1109/TIP.2021.3089943",
    _MODE,
    _DEPTH,
)
LLAVA_CAM = _declare(
    "llava_cam",
    "LLaVA-CAM",
    "The normalised features of a layer, weighted by the mean of their positive gradients.",
    "the baseline in the code of EAGLE",
    _MODE,
    _DEPTH,
    _FEATURES,
)
ATTENTION = _declare(
    "attention",
    "Attention",
    "How much the state that predicted the word attended to each visual token.",
    "arXiv 1706.03762",
    _LAYERS,
)
ATTENTION_ROLLOUT = _declare(
    "attention_rollout",
    "Attention-Rollout",
    "Attention followed back through all layers, half of it staying in place at each.",
    "arXiv 2005.00928",
)
GRAD_ROLLOUT = _declare(
    "grad_rollout",
    "Grad-Rollout",
    "Attention that raises the word's score, followed back through all layers.",
    "arXiv 2103.15679",
)
ARCHI_SURGERY = _declare(
    "archi_surgery",
    "ArchiSurgery",
    "CAM after the vision tower's later blocks attend by value to value and skip their MLPs.",
    "CLIP Surgery, arXiv 2304.05653",
    _START,
)
EAGLE = _declare(
    "eagle",
    "EAGLE",
    "Parts of the picture in the order in which they bring the word back, the first the brightest.",
    "arXiv 2509.22496",
    _REGIONS,
    _PARTS,
    _FILL,
    scale=_STRENGTH,
)
IGOS_PP = _declare(
    "igos_pp",
    "IGOS++",
    "What of the picture has to be blurred to lose the word, and shown to have it back.",
    "arXiv 2012.15783",
    _ITERATIONS,
    _STEPS,
)
CP_LRP = _declare(
    "cp_lrp",
    "CP-LRP",
    "Relevance of each visual token for the word's score, attention taken as given.",
    "arXiv 2202.07304",
    _SHOW,
    notice=PATENT,
)
ATTN_LRP = _declare(
    "attn_lrp",
    "AttnLRP",
    "Relevance of each visual token for the word's score, passed through attention too.",
    "arXiv 2402.05602",
    _SHOW,
    notice=PATENT,
)

COMPARISON: Mapping[str, Method] = MappingProxyType(
    {
        m.name: m
        for m in (
            CAM,
            GRAD_CAM,
            GRAD_CAM_PP,
            LAYER_CAM,
            LLAVA_CAM,
            ATTENTION,
            ATTENTION_ROLLOUT,
            GRAD_ROLLOUT,
            ARCHI_SURGERY,
            EAGLE,
        )
    }
)
# Asked for by name only, and never part of "all": their use may need a licence, see `PATENT`.
OPT_IN: Mapping[str, Method] = MappingProxyType({m.name: m for m in (CP_LRP, ATTN_LRP)})
# For tables only: a word takes thousands of readings.
LONG: Mapping[str, Method] = MappingProxyType({m.name: m for m in (IGOS_PP,)})

ALL: Mapping[str, Any] = MappingProxyType({**COMPARISON, **OPT_IN, **LONG})
