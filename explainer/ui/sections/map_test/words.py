"""The words of the section that tests maps by insertion and deletion."""

from __future__ import annotations

from collections.abc import Sequence

from explainer.web import texts

FOLD: texts.ScriptWords = {
    "title": "Test this map (insertion and deletion)",
    "about": "Show the strongest places first (insertion) or remove them first (deletion). A good "
    "map changes the probability sooner than random order.",
    "fill": "Cover hidden parts with",
    "fills": texts.FILLS,
    "steps": "Steps",
    "stepChoices": {"10": "10", "20": "20", "40": "40"},
    "measure": "Measure",
    "measureLong": "Have the model read the answer again with more and more of the picture",
    "stop": "Stop",
    "stopLong": "Stop measuring",
    "waiting": texts.BUSY_WAITING,
    "unreachable": texts.UNREACHABLE,
    "progress": "Readings done",
    "map": "Order",
    "plots": {
        "insertion": {
            "title": "Insertion: strongest places shown first",
            "below": "share of the picture shown",
        },
        "deletion": {
            "title": "Deletion: strongest places removed first",
            "below": "share of the picture removed",
        },
    },
    "alt": "{title}. Probability of “{word}” by {labels}. The table has the figures.",
}
BUSY = "The model reads the answer again…"
READ = "{done} of {total} readings"
STOPPED = "Stopped. Nothing was kept."
CHANCE = "Random"
LINE = "probability {empty} with nothing shown → {whole} with the whole picture"
COLUMNS = ["80 % reached at", "insertion ↑", "deletion ↓", "reliance"]
REST = (
    "80 % reached at: the share of the picture at which the word is first 80 % as probable as "
    "with all of it, in {steps} steps. Insertion and deletion: areas under the curves "
    "(AUC), 0 to 1; a good map has a high insertion and a low deletion. Reliance: the insertion "
    "area above the lowest point of its curve (modality reliance); near 0 the word comes from the "
    "text. Random: mean of {count} random orders; the grey band is their range."
)
STEPS = "there are {most} steps at most"
UNSAID = "curves are measured for words of the answer as it was said; choose one of them"
# What the curves mean, by the names that `explainer.probing.map_test` gives.
WORD = {
    "unlikely": "“{word}” is improbable even with the whole picture, so there is little to test.",
    "free": "“{word}” does not need this picture: its probability is {empty} even with all of it "
    "covered ({fill}).",
    "any": "“{word}” needs some of this picture, but any {share} of it is enough, so no map can "
    "be told from chance.",
}
MAPS = {
    "follows": "“{word}” follows {maps}: its probability rises sooner when the strongest places "
    "are shown first than in random order, and falls sooner when they are removed first.",
    "back": "“{word}” follows {maps} in part: its probability rises sooner when the strongest "
    "places are shown first than in random order, but does not fall clearly sooner when they are "
    "removed first.",
    "gone": "“{word}” follows {maps} in part: its probability falls sooner when the strongest "
    "places are removed first than in random order, but does not rise clearly sooner when they are "
    "shown first.",
    "chance": "“{word}” does not follow {maps} more clearly than random orders.",
}
SHARES = (
    "With {shares} of the picture shown it is already {part} as probable as with the whole "
    "picture; in random order that takes {chance}."
)
MAP, SEVERAL = "the map of {names}", "the maps of {names}"


def maps_of(methods: Sequence[str]) -> str:
    """Return maps in words: "the map of TAM", "the maps of TAM and Grad-CAM"."""
    return (MAP if len(methods) == 1 else SEVERAL).format(names=texts.joined(methods))
