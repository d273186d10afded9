"""The words that show step by step how MSEA + ARC computes a map; `js/steps/` fills them in."""

from __future__ import annotations

from explainer.web.texts import UNREACHABLE, ScriptWords

FOLD: ScriptWords = {
    "title": "Step by step",
    "method": "MSEA + ARC for",
    "sizes": "Scores at each scale (MSEA)",
    "map": "From scores to the map",
    "earlier": "Earlier words (ARC)",
    "beta": "Strength",
    "patches": "{grid} patches",
    "counts": "weight {share}",
    "weight": "Weight of α = {alpha}",
    "repeat": "left out",
    "equation": "Equation {number} of the paper",
    "all": "Show all {all} guesses",
    "few": "Show the first {few} only",
    "waiting": "Computing the steps…",
    "unreachable": UNREACHABLE,
}
_SIZES = (
    "The model reads the picture once at each scale α. The score of a patch is how strongly its "
    "state speaks for “{word}” (logit lens). Small scales capture the whole, large ones details. "
)
CAPTIONS: ScriptWords = {
    "sizes": {
        "mean": _SIZES + "The sliders set the weight of each scale.",
        "max": _SIZES + "With fuse = max the highest score wins at each place, without weights.",
    },
    "symbols": "t is “{word}”, j an earlier word, i a patch, s a scale. z is the state of the "
    "model at a patch, W the row of the unembedding matrix for the word.",
    "titles": {
        "fused": "Fused scales",
        "interference": "Interference of earlier words",
        "before": "After subtraction",
        "after": "Smoothed map",
    },
    "fused": {
        "mean": "Mean of the scales. The highest score is {peak}.",
        "max": "Maximum of the scales. The highest score is {peak}.",
    },
    "clip": {
        "fused": "Negative scores are set to zero.",
        "per_scale": "Negative scores are set to zero at each scale.",
        "none": "Negative scores are kept, in the second colour.",
    },
    "fusedEmpty": "No place in the picture has a score above zero for “{word}”.",
    "interference": {
        "rbo": "Weighted mean of the maps of {count} earlier words. The less the top guesses for a "
        "word have in common with those for “{word}”, the higher its weight.",
        "uniform": "Mean of the maps of {count} earlier words, with equal weights.",
        "score": "Weighted mean of the maps of {count} earlier words. The higher “{word}” scores "
        "at a word, the higher its weight, as in TAM.",
    },
    "most": " “{most}” contributes most, {share}.",
    "nothing": "No earlier word has a weight, so nothing is subtracted.",
    "betaAuto": "How much is subtracted, fitted by least squares (Eq. 9).",
    "betaSet": "How much is subtracted, set by the slider. Eq. 9 gives {auto}.",
    "betaZero": "The interference explains nothing of the fused map, so nothing is subtracted.",
    "before": "The fused map minus β times the interference, with negative values set to zero. "
    "{empty} of it is zero.",
    "smooth": "Rank Gaussian filter: each cell becomes a weighted mean of the {window} × {window} "
    "cells around it, sorted by value. It removes single spikes and keeps broad areas.",
    "rough": "The filter is off.",
    "after": "This is the map at the top of the page. {norm}.",
    "contrast": "The map above is a difference. Shown here is its first part, the map of “{word}”; "
    "choose “{other}” to see the second.",
    "pieces": "“{word}” is {count} tokens. Shown is “{piece}”, whose map contributes most to "
    "theirs.",
    "words": "Colour and percentage: the word's share of what is subtracted. Bar and r: how alike "
    "the guesses for it and for “{word}” are (RBO; 0 = nothing in common, 1 = the same). Choose a "
    "word to compare the guesses.",
    "noWords": "No earlier word is used.",
    "repeat": "same word",
    "label": "{word}: relevance {relevance}, {share} of what is subtracted",
    "labelRepeat": "{word}: the same word, left out",
    "base": "The base map A₀ (Eq. 8), of the word that scores lowest in the picture, is {share} of "
    "what is subtracted.",
    "list": {"predicting": "Guesses in place of “{word}”", "own": "Guesses after “{word}”"},
    "shared": "{word}, place {rank} in the other list, adds {gain} to r",
    "pair": "The guesses for “{other}” and for “{word}” {alike}: {shared} of {k} are shared, "
    "r = {relevance}.",
    "alike": [  # from this r on
        [0.9, "are nearly the same"],
        [0.5, "have much in common"],
        [0.1, "have little in common"],
        [1e-9, "have almost nothing in common"],
        [0.0, "have nothing in common"],
    ],
    "counts": [
        [0.9, "So next to nothing of the map of “{other}” counts as interference."],
        [0.1, "So {weight} of the map of “{other}” counts as interference."],
        [1e-9, "So almost the whole map of “{other}” counts as interference."],
        [0.0, "So the whole map of “{other}” counts as interference."],
    ],
    "noPart": {
        "uniform": "All words have equal weights here, whatever r is.",
        "score": "Words are weighted by their scores here, whatever r is.",
        "none": "Nothing is subtracted here, whatever r is.",
    },
    "same": "It is the same word as this one, so its map is the same too. Subtracting it would "
    "erase the evidence, so it is left out.",
    "share": "It is {share} of what is subtracted.",
    "dark": "But that map is dark in this picture, so it subtracts nothing.",
}
