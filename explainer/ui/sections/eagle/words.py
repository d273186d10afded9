"""The words of the section that searches for the parts which words need."""

from __future__ import annotations

from explainer.web.texts import BUSY_WAITING, UNREACHABLE, ScriptWords

FOLD: ScriptWords = {
    "title": "EAGLE",
    "about": "Search for the parts of the picture that make the model say a word: shown alone they "
    "suffice, hidden they are missed. Then hide them one by one, and ask again.",
    "flagged": "Said, but hardly less probable without the picture:",
    "target": "Explain",
    "targets": {
        "word": "the chosen word",
        "answer": "the whole answer",
        "counter": "no in place of yes, or yes in place of no",
    },
    "parts": "Parts",
    "kinds": {"superpixels": "superpixels", "cells": "blocks of cells"},
    "count": "About how many",
    "counts": {"16": "16", "36": "36", "64": "64"},
    "hiding": "Hide",
    "hidings": {"pixels": "pixels, as the paper", "tokens": "visual tokens: a quick preview"},
    "search": "Search",
    "searchLong": "Have the model read the picture again and again with some of its parts hidden",
    "correct": "Take the word away",
    "correctLong": "Hide the parts that the search found, one more each time, and ask again until "
    "the answer no longer says the word",
    "stop": "Stop",
    "stopLong": "Stop, and keep the map as far as it is",
    "progress": "Readings of the picture",
    "stopped": "Stopped. The map shows what was found so far.",
    "before": "Answer before",
    "after": "Answer after",
    "agreement": "Maps against this order",
    "map": "Map",
    "drawn": "The parts of the picture, and the map over them",
    "waiting": BUSY_WAITING,
    "unreachable": UNREACHABLE,
}
BUSY = "Cutting the picture into parts…"
PARTS = "{count} parts; a search reads the picture {masks:,} times at most."
PREVIEW = "{count} parts; the picture is read once, and its text {masks:,} times at most."
READ = "{done:,} of at most {total:,} readings; {left} left at most"
FOUND = (
    "“{word}”: {shown} with the picture, {empty} with none of it. The first {first} of {count} "
    "parts ({share} of the picture) alone give it {alone}. Reliance: {reliance}."
)
ENDED = "The search ended after part {count}: the others add nothing and stay dark."
PREVIEWED = "This is a preview: hidden visual tokens may have left traces in others."
TRIED = "{count} hidden, {share} of the picture; asked again…"
ONE_PART, PARTS_HIDDEN = "1 part", "{count} parts"
GONE = "“{word}” goes when {count} hidden, {share} of the picture."
STAYS = "“{word}” stays with {count} hidden, {share} of the picture."
ONE_IS, PARTS_ARE = "1 part is", "{count} parts are"
NO_COUNTER = "The answer does not begin with yes or no, so there is no counter-word."
NOT_SEARCHED = "Search first: the parts are hidden in the order that a search finds."
NOT_A_WORD = "Choose a word of the answer: the whole answer cannot be taken away."
WHOLE = "the whole answer"
FLAG = "{text}: {share} with the picture, {empty} without"
CHANCE = "Random"
SAME, OTHER = "same", "other"
AGREE_COLUMNS = ["rank correlation", "overlap at a fifth", "first part"]
AGREE_REST = (
    "Each map is read at the parts. Rank correlation (Spearman): of its means there with the order "
    "that the search found, -1 to 1. Overlap: of the best parts of both, a fifth of the picture "
    "(IoU, 0 to 1). First part: whether both have the same one. Parts that the search did not "
    "reach share the last place. Random: mean of drawn orders."
)
