"""The words of the tour."""

from __future__ import annotations

from explainer.web import texts

TOUR: texts.ScriptWords = {
    "offer": "Take the tour",
    "again": "Tour",
    "title": "Five steps through this page",
    "count": "Step {step} of {all}",
    "skip": "Skip",
    "back": "Back",
    "next": "Next",
    "done": "Done",
    "unreachable": texts.UNREACHABLE,
    "steps": {
        "chips": {
            "title": "Words",
            "text": "Each button is a piece of the answer, often a whole word. Click one, or use "
            "the arrow keys: the maps then show what in the picture speaks for it.",
        },
        "maps": {
            "title": "Maps",
            "text": "Three methods explain the same word: MSEA + ARC, TAM and the raw logit lens. "
            "Strong colour marks the places that speak for it; the bar below is the scale.",
        },
        "sliders": {
            "title": "Sliders",
            "text": "The scales α, k and β change how maps are computed, opacity and colours how "
            "they are drawn. The maps follow at once, because the model is not run again.",
        },
        "steps": {
            "title": "Step by step",
            "text": "Open this to see how MSEA + ARC computes the map of the chosen word: its "
            "scales, what earlier words explain, and what is left.",
        },
        "test": {
            "title": "Test this map",
            "text": "Does the word need the places that a map marks? Here the model reads the "
            "picture with the strongest places shown first, or removed first.",
        },
    },
}
