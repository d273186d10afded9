"""The words of the section that hides a region."""

from __future__ import annotations

from typing import Any

from explainer.web.texts import BUSY_WAITING, FILLS, UNREACHABLE, ScriptWords

FOLD: ScriptWords = {
    "title": "Hide a region",
    "about": "Hide a region and see how probable each word of the answer still is (occlusion). The "
    "control hides as much elsewhere, at random.",
    "how": "Hide",
    "hows": {
        "hide": "region of the map",
        "keep": "all but the region",
        "box": "rectangle",
    },
    "draw": "Draw it",
    "drawLong": "Draw a rectangle on a map",
    "drawing": "Drag on a map from corner to corner. By keyboard: go to a map, point with the "
    "arrow keys, and press Enter at two corners. Esc cancels.",
    "map": "Map",
    "fill": "Cover with",
    "fills": FILLS,
    "measure": "Hide and compare",
    "measureLong": "Have the model read the same answer again with the region hidden, and with as "
    "much hidden elsewhere",
    "again": "Ask again",
    "againLong": "Have the model answer the same prompt with the region hidden",
    "word": "Probability of",
    "waiting": BUSY_WAITING,
    "unreachable": UNREACHABLE,
}
BUSY = "The model reads the answer again, with the region hidden…"
TOLD: dict[str, Any] = {
    "hide": {
        "picture": "{share} of {picture} hidden",
        "control": "control: as much hidden elsewhere, at random",
        "line": "{shown} → {hidden}",
        "elsewhere": " (control: {control})",
        "columns": ["original", "region hidden", "control: as much hidden elsewhere"],
    },
    "keep": {
        "picture": "only {share} of {picture} kept",
        "control": "control: as much kept elsewhere, at random",
        "line": "{shown} → {hidden}",
        "elsewhere": " (control: {control})",
        "columns": ["original", "only the region kept", "control: as much kept elsewhere"],
    },
}
TOLD["box"] = TOLD["hide"]
PICTURE = "the picture"
REST = "Words that change by less than {least} are not listed."
NO_CONTROL = (
    "There is no control: the region is more than half of the picture, so the rest is too small."
)
SAME = (
    "The picture looks the same with this region covered ({fill}); choose another cover or region."
)
# What the numbers of the chosen word mean, by the names that `explainer.probing.hiding` gives.
HIDING = {
    "rests": "“{word}” depends on this region: it is much less probable with the region hidden, "
    "but not with as much hidden elsewhere.",
    "part": "“{word}” depends on this region in part: it is less probable with the region hidden "
    "than with as much hidden elsewhere.",
    "any": "“{word}” is less probable with this region hidden, but hiding as much elsewhere costs "
    "as much: this is no evidence for the region.",
    "less": "“{word}” is less probable with this region hidden.",
    "same": "“{word}” does not need this region: it is as probable with the region hidden.",
    "more": "“{word}” does not need this region: it is even more probable with the region hidden.",
}
KEEPING = {
    "enough": "This region alone is enough for “{word}”, and as much of the rest is not.",
    "either": "This region alone is enough for “{word}”, but so is as much of the rest: the word "
    "needs neither.",
    "helps": "This region alone is not enough for “{word}”, but it helps more than as much of the "
    "rest.",
    "little": "This region alone is not enough for “{word}”, and helps no more than as much of the "
    "rest.",
    "alone": "This region alone is enough for “{word}”.",
    "not alone": "This region alone is not enough for “{word}”.",
}
GUESSED = (
    "Its probability without any picture is {empty}: the model expects it from the words before "
    "it, whatever the picture shows."
)
UNLIKELY = "It was improbable from the start, so it has little to lose."
UNSAID = "“{word}” is no word of the answer, so the figures are about the answer's words."
NO_ANSWER = "The answer is empty, so there is no word to measure; use Ask again instead."
MASKED = {
    "hide": "Asked again with a part of {picture} hidden (cover: {fill}): the region that {method} "
    "shows for “{word}”, {share} of it.",
    "keep": "Asked again with a part of {picture} hidden (cover: {fill}): all but the region that "
    "{method} shows for “{word}”, {share} of it.",
    "box": "Asked again with a part of {picture} hidden (cover: {fill}): a rectangle, {share} of "
    "it.",
}
MASKED_WORDS: ScriptWords = {"back": "Back to the previous answer"}
