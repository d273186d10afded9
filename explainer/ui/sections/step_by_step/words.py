"""The words of the section that shows step by step how MSEA + ARC computes a map."""

from __future__ import annotations

FOLD = {
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
}
_SIZES = (
    "The model reads the picture once at each scale α. The score of a patch is how strongly its "
    "state speaks for “{word}” (logit lens). Small scales capture the whole, large ones details. "
)
SCALES = {
    "mean": _SIZES + "The sliders set the weight of each scale.",
    "max": _SIZES + "With fuse = max the highest score wins at each place, without weights.",
}
SYMBOLS = (
    "t is “{word}”, j an earlier word, i a patch, s a scale. z is the state of the model at a "
    "patch, W the row of the unembedding matrix for the word."
)
STEPS = {
    "fused": "Fused scales",
    "interference": "Interference of earlier words",
    "before": "After subtraction",
    "after": "Smoothed map",
}
FUSED = {
    "mean": "Mean of the scales. The highest score is {peak}.",
    "max": "Maximum of the scales. The highest score is {peak}.",
}
CLIP = {
    "fused": "Negative scores are set to zero.",
    "per_scale": "Negative scores are set to zero at each scale.",
    "none": "Negative scores are kept, in the second colour.",
}
FUSED_EMPTY = "No place in the picture has a score above zero for “{word}”."
INTERFERENCE = {
    "rbo": "Weighted mean of the maps of {count} earlier words. The less the top guesses for a "
    "word have in common with those for “{word}”, the higher its weight.",
    "uniform": "Mean of the maps of {count} earlier words, with equal weights.",
    "score": "Weighted mean of the maps of {count} earlier words. The higher “{word}” scores at a "
    "word, the higher its weight, as in TAM.",
}
MOST = " “{most}” contributes most, {share}."
NOTHING = "No earlier word has a weight, so nothing is subtracted."
BETA_AUTO = "How much is subtracted, fitted by least squares (Eq. 9)."
BETA_SET = "How much is subtracted, set by the slider. Eq. 9 gives {auto}."
BETA_ZERO = "The interference explains nothing of the fused map, so nothing is subtracted."
BEFORE = (
    "The fused map minus β times the interference, with negative values set to zero. {empty} of it "
    "is zero."
)
SMOOTH = (
    "Rank Gaussian filter: each cell becomes a weighted mean of the {window} × {window} cells "
    "around it, sorted by value. It removes single spikes and keeps broad areas."
)
ROUGH = "The filter is off."
AFTER = "This is the map at the top of the page. {norm}."
CONTRAST = (
    "The map above is a difference. Shown here is its first part, the map of “{word}”; choose "
    "“{other}” to see the second."
)
PIECES = "“{word}” is {count} tokens. Shown is “{piece}”, whose map contributes most to theirs."
WORDS = (
    "Colour and percentage: the word's share of what is subtracted. Bar and r: how alike the "
    "guesses for it and for “{word}” are (RBO; 0 = nothing in common, 1 = the same). Choose a word "
    "to compare the guesses."
)
NO_WORDS = "No earlier word is used."
REPEAT = "same word"
LABEL = "{word}: relevance {relevance}, {share} of what is subtracted"
LABEL_REPEAT = "{word}: the same word, left out"
BASE = (
    "The base map A₀ (Eq. 8), of the word that scores lowest in the picture, is {share} of what is "
    "subtracted."
)
LIST = {"predicting": "Guesses in place of “{word}”", "own": "Guesses after “{word}”"}
SHARED = "{word}, place {rank} in the other list, adds {gain} to r"
PAIR = (
    "The guesses for “{other}” and for “{word}” {alike}: {shared} of {k} are shared, "
    "r = {relevance}."
)
ALIKE = (  # from this r on
    (0.9, "are nearly the same"),
    (0.5, "have much in common"),
    (0.1, "have little in common"),
    (1e-9, "have almost nothing in common"),
    (0.0, "have nothing in common"),
)
COUNTS = (
    (0.9, "So next to nothing of the map of “{other}” counts as interference."),
    (0.1, "So {weight} of the map of “{other}” counts as interference."),
    (1e-9, "So almost the whole map of “{other}” counts as interference."),
    (0.0, "So the whole map of “{other}” counts as interference."),
)
NO_PART = {
    "uniform": "All words have equal weights here, whatever r is.",
    "score": "Words are weighted by their scores here, whatever r is.",
    "none": "Nothing is subtracted here, whatever r is.",
}
SAME = (
    "It is the same word as this one, so its map is the same too. Subtracting it would erase the "
    "evidence, so it is left out."
)
SHARE = "It is {share} of what is subtracted."
DARK = "But that map is dark in this picture, so it subtracts nothing."
