"""All words of the page, and how the text of a token is made visible."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explainer.errors import SightlineError

if TYPE_CHECKING:
    from explainer.serving.calls import Waiting

log = logging.getLogger(__name__)

TITLE = "Sightline"
TAGLINE = "See, word by word, what a multimodal model looked at."
DEFAULT_PROMPT = "Describe the image."

PICTURE = "Picture"
MORE = "More pictures, or a video"
MORE_FILES = "Pictures, or one video"
NUMBERED = "picture {number}"
PROMPT = "Prompt"
RUN = "Explain"
STOP = "Stop"
DECODING = "Decoding settings"
MAX_NEW_TOKENS = "Longest answer (tokens)"
TEMPERATURE = "Temperature (0: greedy)"
SEED = "Seed (above temperature 0)"
REPETITION_PENALTY = "Repetition penalty"
REPETITION_PENALTY_ABOUT = "1: none. Empty: the model's own, see How to read it."
OWN_PENALTY = "Its own repetition penalty: {penalty:g}."
METHOD_OPTIONS = "Method options"
ABOUT = "How to read it"
WELCOME = (
    "Pick an example, or add a picture of your own and press Explain.\n"
    "Each word of the answer becomes a button; its maps show what in the picture speaks for it."
)
ABOUT_TEXT = """\
**Chips.** Each button is one token of the answer; the quiet ones below are the prompt. Click, tap,
or use the arrow keys, Home and End; up and down move between answer and prompt. Spaces and line
breaks are drawn as ␣ and ⏎. Drag, or hold Shift, to choose several; a double click chooses a whole
word.

**Instead.** What else the model might have said there, with its true probability, and any word that
you type: click it to see its evidence in the picture, or ≠ to see why the chosen word and not that
one: above 0 speaks for the first word, below 0 for the second. *Edit answer* has the model read an
answer of your own as if it had said it.

**Maps.** Strong colour marks the parts of the picture whose states speak for the chosen word. The
logit lens is the raw score. TAM takes away what earlier words explain. MSEA + ARC also reads the
picture at several scales, and takes away most from words whose predictions have least in common
with this one. Hatched parts were not seen by the model. The line below each map says what full
strength means; compare colours between words only where it is the same for both.

**Looking closer.** Point at a map to read its value there in all maps, and the five words that the
model reads off that place. The wheel, two fingers, or plus and minus zoom; drag to move; a double
click shows all of it. Methods are chosen above the maps, where two of them can also be shown by
turns or as their difference. The outline is drawn where Otsu's method parts high values from low.
The button before the answer plays it word by word.

**What if this was hidden?** A map shows where the model finds a word, not whether it needs the
place. So hide the place, and see how probable each word of the same answer is then. If the word
suffers, and does not when as much is hidden elsewhere, it rests on the place. If it does not
suffer, it comes from the rest of the picture or from the words before it. Or ask again: what does
the model say then? A rectangle that you draw on a map can be hidden in the same way.

**Does the word follow the map?** The picture is shown little by little, strongest places of a map
first, then taken away in the same order, and each time the model says how probable the word is. A
map that finds what the model goes by brings the word back sooner, and costs it sooner, than random
orders do. A word that is as probable without any picture does not need it, whatever its map shows.

**Several pictures.** The strip below the maps chooses which picture they show, by click or arrow
keys. A bar under each one says how strong the MSEA + ARC map of the word is there at most. Of a
video, the model sees a few frames; the strip says which.

**Scales α.** The sizes at which the picture is read, 1 being the size used for the answer. A new
size costs one more reading by the model and is then kept. **k** is how many top guesses of two
words are compared, **β** how much is taken away.
"""

MODELS_BUNDLED = "Bundled, small, for emoji"
MODELS_HUB = "From the hub: need GB of memory"
MODELS_OWN = "Chosen at the start or by name"
MODEL_LOADED = "loaded"
MODEL_TOO_LARGE = "needs {needs} GB, {free} free"
MODEL_KEPT = "{name} still answers."
MODEL_WORDS = {
    "model": "Model",
    "typed": "Hub id or folder",
    "load": "Load",
    "cancel": "Cancel",
}
NO_LARGER_SCALES = "{name} reads every picture at one fixed size, so there are no scales above 1."

BUSY_WAITING = "Waiting for the model…"
BUSY_READING = "The model reads the picture…"
BUSY_ANSWERING = "Answering: {done} of at most {total} tokens"
BUSY_SCALES = "Reading the picture at another scale: {done} of {total}"
BUSY_WORD = "Looking the word up in the model…"
BUSY_GIVEN = "The model reads the answer…"
BUSY_ADDING = "Reading the picture at scale {scales}…"
VIDEO_ALONE = "A video is asked about on its own; remove the pictures, or the video."
NO_IMAGE = "There is no picture yet: upload, paste, drop or take one, or pick an example."
EMPTY_PROMPT = f"The prompt was empty, so the model was asked: “{DEFAULT_PROMPT}”"
EMPTY_ANSWER = "The model ended its answer at once. The words of the prompt can still be explained."
EMPTY_WORD = "The word is empty; type a word."
LONG_WORD = "A word has at most {most} characters; edit the answer to explain a longer text."
EXPIRED = "This run has expired; press Explain again."
NOT_RUN = "There is nothing to explain yet; press Explain first."
STOPPED = "Stopped. Press Explain to start again."
STOPPED_BACK = "Stopped. The answer before it is still here."
WAITING_FIRST = "Waiting for the model: you are next"
WAITING_PLACE = "Waiting for the model: {before} before you"
WAITING_ABOUT = ", about {duration}"
WAITING_SHARED = "Somebody asked the same, and their answer will be yours: {duration} so far"
WORKING = "The model is at work: {duration} so far"
LEFT = "The client has left, so this was ended."
REFUSED = (
    "The server did not take the question: it is busy, or the connection was lost. "
    "Press Explain to try again."
)
SILENT = (
    "The server has said nothing for a while, so this was given up. Check the connection, then "
    "press Explain again."
)
INTERRUPTED = "The connection was lost before the answer came. Press Explain to ask again."
UNREACHABLE = "The server does not answer. Check the connection, then try again."
NO_WEIGHT = "At least one scale has to count. The maps are the last ones."
BUSY_MAP = "The model is asked for the {method} map of this word…"
BUSY_MAPS = "{method}: {done} of {total} words"
BUSY_MAPS_DONE = ", after {done} of {total} words"
BUSY_READINGS = "{method}: {done} of {total} readings of the picture{maps}"
NOT_COMPUTED = (
    "Not computed for this word: {method} asks the model anew for each word that is chosen."
)
WHOLE_MODEL = (
    "{method} looks at the whole model and not at one of its layers; choose the last layer."
)
SAVE_LACKS = (
    "{methods}: not computed yet for every word of this file. Choose each of them once, choose the "
    "full strength “the strongest map of the answer”, or leave the method out."
)
LAYERS = "Layers to look at"
LAYERS_ABOUT = (
    "Which decoder layers are kept besides the last, for the slider Layer. How much memory they "
    "take is said here first."
)
LAYERS_SIZE = (
    "They will take about {size} more: this picture at the scales {scales}, by {model}, with an "
    "answer of up to {longest} tokens."
)
LAYERS_NONE = "{model} has no further layer to keep."
LAYERS_NO_PICTURE = "How much memory they take depends on the picture, and there is none yet."
LAYERS_NO_MODEL = (
    "{model} is not loaded yet: how much memory they take is said before the answer begins."
)
LAYER_CHOICES = {"last": "the last one", "even": "every second one", "all": "all"}
BUSY_LAYERS = "Further layers are kept: {count}, {size}"
AT_LAYER = "seen at layer {layer} of {all}"
RESTS_ON = (
    "rests on the picture for {share}: probability {shown} with it, {empty} with a black and a "
    "plain picture in its place"
)
RESTS_AGAINST = (
    "less likely with the picture: probability {shown} with it, {empty} with a black and a plain "
    "picture in its place"
)
# How much each word rests on the picture.
RESTS = {
    "menu": "Evidence",
    "menuLong": "How much each word rests on the picture: order and filter",
    "legend": "The bar in a word is how much less probable it is without the picture: its "
    "probability with it minus the mean of those with a black and with a plain one in its place. "
    "Words with ▾ and a dotted bar are less likely with the picture than without.",
    "order": "Order",
    "orders": {"said": "as said", "rests": "by the picture, most first"},
    "filter": "Only words that rest on the picture (20 % or more)",
    "measuring": "Measuring how much each word rests on the picture…",
}
# A slider for runs that hold several layers.
LAYER = {
    "label": "Layer of {all}",
    "meaning": "Which decoder layer the maps are read from, after the model's final norm; the last "
    "one is what the model answers from",
}
# The sliders; {places} are filled in by the scripts.
DIAL = {"number": "{name}, number", "reset": "Reset {name}"}
SHADES = {
    **DIAL,
    "opacity": "Opacity",
    "opacityLong": "How strongly the colours cover the picture",
    "colours": "Colours",
}
SLIDERS = {
    **SHADES,
    "sliders": "Sliders",
    "scale": "Scale α{sub}",
    "use": "Use scale {number}",
    "k": "k, guesses",
    "beta": "β, strength",
    "auto": "auto",
    "autoLong": "Automatic β by Eq. 9",
}
OPTIONS = {
    "preset": "preset",
    "presetLong": "Sets all the options of this method at once",
    "open": "What the paper leaves open",
}
EXAMPLES = {"list": "Examples"}
# The small controls at the chips and above the maps; {places} are filled in by the scripts.
PLAYING = {
    "list": "Words of the answer",
    "answer": "Answer",
    "prompt": "Prompt",
    "template": "Template",
    "play": "Play the answer, word by word",
    "pause": "Pause",
    "speed": "{n}/s",
    "speedLong": "Words a second",
}
VIEW: dict[str, Any] = {
    "welcome": WELCOME,
    "pictures": "Pictures",
    "atMost": "{label}, at most {peak}",
    "unreachable": UNREACHABLE,
    "silent": SILENT,
    "interrupted": INTERRUPTED,
    "methods": "Methods",
    "methodsLong": "Choose which methods are shown",
    "asking": "These ask the model anew for each word that is chosen:",
    "compare": "Show",
    "compareHow": {"side": "side by side", "blink": "two by turns", "difference": "the difference"},
    "first": "of",
    "second": "and",
    "flip": "⇄",
    "flipLong": "Swap the two",
    "differenceNorm": "{a} minus {b}; full colour is a difference of {full}",
    "differenceAlt": "What the {a} map has above the {b} map, at most {full}",
    "looks": "Drawing",
    "looksLong": "Choose how maps are drawn",
    "drawing": "Cells",
    "drawings": {"smooth": "smooth", "cells": "as squares"},
    "normalisation": "Full strength",
    "normalisations": {
        "": "as each method's options say",
        "token": "each map's own maximum",
        "joint": "one for all: the word's largest score in picture or text",
        "answer": "the strongest map of the answer",
    },
    "contour": "Outline",
    "contourLong": "A line around what stands out, at Otsu's threshold",
    "zoom": "Zoom",
    "smaller": "Zoom out",
    "larger": "Zoom in",
    "whole": "Show the whole picture",
    "frame": "{map} map. Arrow keys point at a cell, plus and minus zoom, 0 shows all of it.",
    "place": "{x} % from the left, {y} % from the top",
    "placeSays": "{x} % from the left, {y} % from the top: the picture says {words} here",
    "unseen": "not seen",
    "end": STOP,
    "ended": "Stopped: the map is not computed.",
    "again": "Compute it",
}
NO_METHOD = "At least one method has to stay on. The maps below are the last ones."
NO_SCALE = "At least one scale has to stay on. The maps below are the last ones."
BROKEN = "Something went wrong on our side. Press Explain again; if it stays, restart the app."
BAD_REQUEST = "The request cannot be read. In a browser, reload the page and try again."
NO_UPLOAD = (
    "This file is not among the files uploaded to this server, or was cleared away; upload it."
)
NO_ROOM = "This server has no room for further files just now; try again in a few minutes."
BAD_FORM = "The request is nested deeper than any that is answered here."
BAD_INPUTS = "The inputs are not what is expected here: one is missing, or has another type."
LONG_TEXT = "A text in the request is longer than {most:,} characters; shorten it."
LONG_BODY = "The request is longer than {most} MB; send less at a time."
NO_SUCH_ADDRESS = "There is nothing at this address."
NO_SUCH_NAME = "There is no such endpoint, function or component here; see /gradio_api/info."
NOT_FINITE = "A number in the request is not finite; write an ordinary number."

# Runs that were recorded before.
RECORDED = "Recorded answers"
OPEN_FILE = "Open a run from a file (.npz)"
OPENED = "Opened: an answer by {model}. Its maps need no model."
RUN_TOO_LARGE = "The file is larger than {most} MB, which no recorded run has to be."
RUN_EMPTY = "The run holds no words of a prompt or an answer, so there is nothing to explain."
NO_MODEL = "No model is loaded here, so nothing new can be asked: open a recorded answer below."

# Files to keep.
SAVE_LATER = "Others are making files just now; try again in a moment."
SAVE = {
    "save": "Save",
    "saveLong": "Save what is shown as a file",
    "formats": {
        "png": ["PNG", "figure of this word"],
        "svg": ["SVG", "figure of this word, its text as text"],
        "gif": ["GIF", "film of the answer"],
        "webp": ["WebP", "film of the answer, smaller"],
        "html": ["HTML", "all words on a page that works anywhere"],
        "json": ["JSON", "all maps as numbers"],
        "npz": ["NPZ", "the run; opens here again"],
    },
    "paper": "Figures on",
    "papers": {"light": "white", "dark": "dark"},
    "busy": "Making {name}…",
    "frames": "Making {name}: frame {done} of {total}",
    "saved": "Saved {name}",
    "failed": "The server did not answer; try again.",
}

# A run in a file of its own.
FILE = {
    "absent": "This file holds the maps of single words; for others open the run in Sightline.",
    "theme": "Light or dark",
    "print": "How these maps were made",
}

# What could have stood in place of a word, and the tools that choose more than a chip.
BESIDE = {
    "instead": "Instead",
    "list": "What could have stood there, and how probable it was",
    "not": "≠",
    "contrast": "Why this and not “{minus}”?",
    "typed": "another word",
    "typedNot": "Why this and not the typed word?",
    "by": "Pieces",
    "combine": {"max": "maximum", "mean": "mean", "first": "first"},
    "whole": "Whole word",
    "wholeLong": "Explain all pieces of this word as one",
    "extend": "Extend",
    "extendLong": "The next word that is tapped ends a stretch that begins with the chosen one",
    "template": "Template",
    "templateLong": "Show the tokens of the chat template",
    "edit": "Edit answer",
    "editLong": "Write another answer, which the model reads as if it had said it",
    "read": "Explain this answer",
    "cancel": "Cancel",
}
GIVEN = "answer given, read in {time}"
AGAINST = "{plus}, not {minus}"
CHANCES = "probability {plus} against {minus}"
IN_PLACE = "in place of “{word}”"
SPACED, UNSPACED = "with a space before it", "without a space before it"
OF_PROMPT, OF_TEMPLATE = "word of the prompt", "token of the template"

# The method opened up: how a map of MSEA + ARC came about.
ANATOMY = {
    "title": "How this map came about",
    "method": "MSEA + ARC, step by step, for",
    "sizes": "The picture, read at several sizes",
    "map": "From scores to the map",
    "earlier": "The words before it",
    "beta": "Strength",
    "patches": "{grid} patches",
    "counts": "counts {share}",
    "weight": "Weight of α = {alpha}",
    "repeat": "left out",
    "equation": "Equation {number} of the paper",
    "all": "Show all {all} guesses",
    "few": "Show the first {few} only",
    "waiting": "Taking the map apart…",
}
_SIZES = (
    "The model reads the picture once at each size α. The score of a patch says how strongly what "
    "was read there speaks for “{word}”. Small sizes see things whole, large ones see details. "
)
ANATOMY_SCALES = {
    "mean": _SIZES + "The sliders say how much each size counts.",
    "max": _SIZES + "With fuse = max the highest score counts at each place; nothing is weighed.",
}
ANATOMY_SYMBOLS = (
    "t stands for “{word}”, j for a word before it, i for a patch, s for a size. z is the state of "
    "the model at a patch, W the row of its output matrix for the word."
)
ANATOMY_STEPS = {
    "fused": "All sizes together",
    "interference": "What earlier words explain",
    "before": "What is left",
    "after": "Smoothed: the map",
}
ANATOMY_FUSED = {
    "mean": "The mean of the sizes. The highest score is {peak}.",
    "max": "The highest score of any size. The highest of all is {peak}.",
}
ANATOMY_CLIP = {
    "fused": "Scores below zero count as zero.",
    "per_scale": "Scores below zero count as zero at each size.",
    "none": "Scores below zero stay, in the second colour.",
}
ANATOMY_FUSED_EMPTY = "No place in the picture has a score above zero for “{word}”."
ANATOMY_INTERFERENCE = {
    "rbo": "The mean of the maps of {count} earlier words. The less the guesses for a word have in "
    "common with those for “{word}”, the more its map counts.",
    "uniform": "The mean of the maps of {count} earlier words. All count alike.",
    "score": "The mean of the maps of {count} earlier words. The higher “{word}” scores at a word, "
    "the more its map counts, as in TAM.",
}
ANATOMY_MOST = " “{most}” has the largest part of it, {share}."
ANATOMY_NOTHING = "No earlier word counts, so nothing is taken away."
ANATOMY_BETA_AUTO = "How much is taken away: as much of the second picture as fits the first best."
ANATOMY_BETA_SET = "How much is taken away, set by the slider. Eq. 9 would take {auto}."
ANATOMY_BETA_ZERO = "The second picture explains nothing of the first, so nothing is taken away."
ANATOMY_BEFORE = (
    "The first picture minus β times the second, cut off at zero. {empty} of it is empty now."
)
ANATOMY_SMOOTH = (
    "Each cell becomes a mean of the {window} × {window} cells around it, sorted by value: single "
    "spikes go, broad areas stay."
)
ANATOMY_ROUGH = "The filter is off."
ANATOMY_AFTER = "This is the map at the top of the page; {norm}."
ANATOMY_CONTRAST = (
    "The map above is a difference. This is how its first part, the map of “{word}”, came about; "
    "choose “{other}” to see the second."
)
ANATOMY_PIECES = (
    "“{word}” is {count} tokens. Shown is “{piece}”, whose map makes up most of theirs."
)
ANATOMY_WORDS = (
    "The colour and the percentage say how much of what was taken away is a word's. The bar and r "
    "say how alike the guesses for it and for “{word}” are: 0 is nothing in common, 1 the same. "
    "Choose a word to compare the guesses."
)
ANATOMY_NO_WORDS = "No word before it counts."
ANATOMY_REPEAT = "same word"
ANATOMY_LABEL = "{word}: relevance {relevance}, {share} of what was taken away"
ANATOMY_LABEL_REPEAT = "{word}: the same word, left out"
ANATOMY_BASE = (
    "The base map A₀ of Eq. 8, of the word that scores lowest in the picture, is {share} of what "
    "was taken away."
)
ANATOMY_LIST = {"predicting": "Guesses in place of “{word}”", "own": "Guesses after “{word}”"}
ANATOMY_SHARED = "{word}, place {rank} in the other list, adds {gain} to r"
ANATOMY_PAIR = (
    "The guesses for “{other}” and for “{word}” {alike}: {shared} of {k} are shared, "
    "r = {relevance}."
)
ANATOMY_ALIKE = (  # from this r on
    (0.9, "are nearly the same"),
    (0.5, "have much in common"),
    (0.1, "have little in common"),
    (1e-9, "have almost nothing in common"),
    (0.0, "have nothing in common"),
)
ANATOMY_COUNTS = (
    (0.9, "So next to nothing of the map of “{other}” counts as interference."),
    (0.1, "So {weight} of the map of “{other}” counts as interference."),
    (1e-9, "So almost the whole map of “{other}” counts as interference."),
    (0.0, "So the whole map of “{other}” counts as interference."),
)
ANATOMY_NO_PART = {
    "uniform": "All words count alike here, whatever r is.",
    "score": "Here words count by their score, whatever r is.",
    "none": "Nothing is taken away here, whatever r is.",
}
ANATOMY_SAME = (
    "It says the same as this word, so its map is the same too; taking that away would erase the "
    "evidence, and it is left out."
)
ANATOMY_SHARE = "It is {share} of what was taken away."
ANATOMY_DARK = "But that map is dark in this picture, so it takes nothing away."

# What if a part of the picture was hidden?
WHATIF = {
    "title": "What if this was hidden?",
    "about": "A map says where the evidence for a word is. The test: hide that place, and see "
    "whether the model still expects the word there. The words before it stay as they were said.",
    "how": "Hide",
    "hows": {
        "hide": "what the map shows",
        "keep": "all but what the map shows",
        "box": "a rectangle",
    },
    "draw": "Draw it",
    "drawLong": "Draw a rectangle on a map",
    "drawing": "Drag on a map from corner to corner. By keyboard: go to a map, point with the "
    "arrow keys, and press Enter at two corners. Esc gives up.",
    "map": "Map",
    "fill": "under",
    "fills": {"mean": "the mean colour", "black": "black", "blur": "blur"},
    "measure": "Hide and compare",
    "measureLong": "Have the model read the same answer again with this hidden, and with as much "
    "hidden elsewhere",
    "again": "Ask again with this hidden",
    "againLong": "Have the model answer the same prompt about the picture with this hidden",
    "word": "How probable is",
    "waiting": BUSY_WAITING,
}
WHATIF_BUSY = "The model reads the answer again, with that place hidden…"
WHATIF_TOLD = {
    "hide": {
        "picture": "{share} of {picture} hidden",
        "control": "as much hidden elsewhere, at random",
        "line": "{shown} → {hidden}",
        "elsewhere": " ({control} with as much hidden elsewhere)",
        "columns": ["as it is", "this hidden", "as much hidden elsewhere"],
    },
    "keep": {
        "picture": "only {share} of {picture} left",
        "control": "as much left elsewhere, at random",
        "line": "{shown} → {hidden}",
        "elsewhere": " ({control} with as much left elsewhere)",
        "columns": ["as it is", "only this left", "as much left elsewhere"],
    },
}
WHATIF_TOLD["box"] = WHATIF_TOLD["hide"]
WHATIF_PICTURE = "the picture"
WHATIF_REST = "Words that change by less than {least} are left out."
WHATIF_NO_CONTROL = (
    "The place is more than half of the picture, so there is no control: not as much is left."
)
WHATIF_SAME = "The place looks the same under {fill}; hide it under something else."
# What the numbers of the chosen word mean, by the names that `explainer.probing.hiding` gives.
WHATIF_HIDING = {
    "rests": "“{word}” rests on this place: with it hidden the word is much less probable, and "
    "with as much hidden elsewhere it is not.",
    "part": "“{word}” rests on this place in part: with it hidden the word is less probable than "
    "with as much hidden elsewhere.",
    "any": "“{word}” is less probable with this place hidden, but as much so with as much hidden "
    "elsewhere: this says nothing for this place.",
    "less": "“{word}” is less probable with this place hidden.",
    "same": "“{word}” does not need this place: without it the word is as probable as before.",
    "more": "“{word}” does not need this place: with it hidden the word is even more probable.",
}
WHATIF_KEEPING = {
    "enough": "This place alone is enough for “{word}”, and as much of the rest is not.",
    "either": "This place alone is enough for “{word}”, but so is as much of the rest: the word "
    "needs neither.",
    "helps": "This place alone is not enough for “{word}”, though it does more for the word than "
    "as much of the rest.",
    "little": "This place alone is not enough for “{word}”, and does no more for the word than as "
    "much of the rest.",
    "alone": "This place alone is enough for “{word}”.",
    "not alone": "This place alone is not enough for “{word}”.",
}
WHATIF_GUESSED = (
    "Without any picture it is {empty} probable: the model expects it from the words before it, "
    "whatever the picture shows."
)
WHATIF_UNLIKELY = "It was improbable from the start, so there is little to lose."
WHATIF_UNSAID = "“{word}” is no word of the answer, so this is about the words that were said."
WHATIF_NO_ANSWER = "The answer is empty, so there is no word to measure; ask again instead."
# Does the word follow the map?
PROOF = {
    "title": "Does the word follow the map?",
    "about": "A map ranks the places of the picture. The test: show the picture little by little, "
    "strongest places first, and see how soon the model expects the word again; then take them "
    "away in the same order, and see how soon it no longer does. The same in random order says "
    "what chance does. The words before it stay as they were said.",
    "fill": "What is not shown lies under",
    "fills": WHATIF["fills"],
    "steps": "Steps",
    "stepChoices": {"10": "10", "20": "20", "40": "40"},
    "measure": "Measure",
    "measureLong": "Have the model read the answer again with more and more of the picture",
    "stop": "Stop",
    "stopLong": "Stop measuring",
    "waiting": BUSY_WAITING,
    "unreachable": UNREACHABLE,
    "progress": "Pictures read",
    "map": "Order of places",
    "plots": {
        "insertion": {
            "title": "Shown, strongest places first",
            "below": "share of the picture that is shown",
        },
        "deletion": {
            "title": "Taken away, strongest places first",
            "below": "share of the picture that is taken away",
        },
    },
    "alt": "{title}: how probable “{word}” is, by {labels}. The table has the figures.",
}
PROOF_BUSY = "The model reads the answer again…"
PROOF_READ = "{done} of {total} readings"
PROOF_STOPPED = "Stopped; nothing of it was kept."
PROOF_CHANCE = "Random"
PROOF_LINE = "{empty} with nothing of the picture → {whole} with all of it"
PROOF_COLUMNS = ["80 % back with", "insertion ↑", "deletion ↓", "reliance"]
PROOF_REST = (
    "80 % back with: the share of the picture from which on the word is 80 % as probable as with "
    "all of it, in {steps} steps. Insertion and deletion: the areas under the curves, 0 to 1; a "
    "faithful map has much of the first and little of the second. Reliance: the first above its "
    "curve's lowest point; near 0 the word comes from the text. Random: the mean of {count} "
    "orders; the grey band is where they lie."
)
PROOF_STEPS = "there are {most} steps at most"
PROOF_UNSAID = "curves are measured for words of the answer as it was said; choose one of them"
# What the curves mean, by the names that `explainer.probing.map_test` gives.
PROOF_WORD = {
    "unlikely": "“{word}” was improbable even with the whole picture, so there is little to test.",
    "free": "“{word}” does not need this picture: with all of it under {fill} the word is {empty} "
    "probable, too.",
    "any": "“{word}” needs something of this picture, but {share} of it is enough, whichever that "
    "is: no map can be told from chance.",
}
PROOF_MAPS = {
    "follows": "“{word}” follows {maps}: it comes back sooner with the strongest places than with "
    "random ones, and goes sooner without them.",
    "back": "“{word}” comes back sooner with the strongest places of {maps} than with random ones, "
    "but does not go clearly sooner without them: losing some random places costs it as much.",
    "gone": "“{word}” goes sooner without the strongest places of {maps} than without random ones, "
    "but with them alone it does not come back clearly sooner: some random places do as well.",
    "chance": "“{word}” does not follow {maps} more clearly than random orders.",
}
PROOF_SHARES = (
    "With {shares} of the picture shown it is already {part} as probable as with all of it; in "
    "random order that takes {chance}."
)
PROOF_MAP, PROOF_SEVERAL = "the map of {names}", "the maps of {names}"
MASKED = {
    "hide": "Asked again with a part of {picture} hidden under {fill}: what {method} shows for "
    "“{word}”, {share} of it.",
    "keep": "Asked again with a part of {picture} hidden under {fill}: all but what {method} shows "
    "for “{word}”, {share} of it.",
    "box": "Asked again with a part of {picture} hidden under {fill}: a rectangle, {share} of it.",
}
MASKED_WORDS = {"back": "Back to the answer before"}

# Links, settings that are remembered, and help.
SETTINGS_WORDS = {
    "link": "Copy link",
    "present": "Present",
    "reset": "Reset",
    "linkTitle": "Copy a link that restores these settings, and the example; never a picture",
    "presentTitle": "Large words and maps, without controls; P goes back",
    "resetTitle": "Forget the remembered settings and go back to the usual ones",
    "copied": "The link is copied. It holds the prompt and all settings, but no picture.",
    "copyThis": "Copy this link:",
    "bringing": BUSY_WORD,
    "wasReset": "All settings are back at their usual values.",
    "unreachable": UNREACHABLE,
}
HELP_WORDS = {"open": "Help", "title": "Keys", "close": "Close", "or": "or"}
KEYS = [
    [["←", "→"], "the word before or after"],
    [["↑", "↓"], "between the answer and the prompt"],
    [["Home", "End"], "the first or last word"],
    [["Shift", "←", "→"], "several words as one; or drag, or click with Shift"],
    [["Space"], "play the answer word by word, and pause"],
    [["+", "−", "0"], "on a map: zoom in, out, and show all of it; arrows point at a cell"],
    [["Tab"], "from one group of controls to the next"],
    [["P"], "large words and maps for a talk, and back"],
    [["?"], "this help"],
    [["Esc"], "close what is open"],
]
LINK_IGNORED = "The link's {name} was left out: {why}."
LINK_REFUSED = "The settings of the link do not go together and were left out: {why}."
LINK_MODEL = "{name} is not loaded; choose it in the menu"
LINK_WORD = "it can only be chosen in the answer to the example of the link"
LINK_NO_WORD = "{got!r} names no word"
LINK_WORD_UNCLEAR = "its text does not say which word it is"
LINK_WITHOUT_WORD = "What is explained cannot be part of it: {why}"
NO_SUCH_SCALE = "there is no slider for the scale {got!r}"
LINK_TOO_LONG = "The link is too long to be read; nothing of it was used."
LINK_WITHOUT_PROMPT = "The prompt is too long to be part of it."
FORGOTTEN = "The remembered settings do not fit this version of the page and were forgotten."
NO_NUMBER = "{got!r} is no number"
NO_EXAMPLES = "there are no examples here"
NO_OPTION = "no method that is shown has such an option"
TOO_MANY_SCALES = "there are {most} scales at most"

# Words that name nothing in the picture; the first other word of an answer is chosen at the start.
_FUNCTION_WORDS = """
a an the is are was were be been being am do does did has have had there here this that these those
it its they them their he she his her i you we my your our and or but nor so if of in on at to from
by with for as into onto over under above below near next between behind beside left right center
top bottom corner up down out off not no yes image picture photo shows showing depicts see can could
will would one two three four some any all both what which who where how many very just also
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x7f": "␡", "\xa0": "⍽"}


def visible(text: str) -> str:
    """Return the text of a token as it is drawn on a chip: nothing in it is invisible.

    The one space that starts most words is left out, because the gap between chips says it; any
    other space at an edge is drawn.
    """
    if not text:
        return "∅"
    body = text[1:] if text[0] == " " and text[1:].strip() and not text[1].isspace() else text
    inner = body.strip(" ")
    if not inner:
        return "␣" * len(body)
    start = len(body) - len(body.lstrip(" "))
    drawn = "".join(_drawn(c) for c in inner)
    if all(unicodedata.category(c) in ("Cf", "Mn", "Me", "Co", "Cn", "Zl", "Zp") for c in drawn):
        drawn = "".join(f"[U+{ord(c):04X}]" for c in drawn)
    return "␣" * start + drawn + "␣" * (len(body) - start - len(inner))


def _drawn(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if unicodedata.category(character) in ("Cc", "Cs"):
        return f"[U+{ord(character):04X}]"
    return character


def is_content(text: str) -> bool:
    """Return whether a token looks like a word that could name something in a picture."""
    word = text.strip().casefold()
    return any(c.isalnum() for c in word) and word not in FUNCTION_WORDS


def share(p: float | None) -> str:
    """Return a probability in words: "97.3 %", "< 0.1 %", or "" if it is not known."""
    if p is None:
        return ""
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"


def waiting(told: Waiting) -> str:
    """Return what those who wait for the model are told."""
    if told.place is None:
        line = WAITING_SHARED if told.shared else WORKING
        return line.format(duration=duration(told.seconds))
    before, seconds = told.place.before, told.place.seconds
    line = WAITING_PLACE.format(before=before) if before else WAITING_FIRST
    return line + (WAITING_ABOUT.format(duration=about(seconds)) if seconds else "") + "…"


def about(seconds: float) -> str:
    """Return a rough duration in words: "7 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def duration(seconds: float) -> str:
    """Return a duration in words: "8 ms", "1.4 s", "2 min 5 s"."""
    if seconds < 0.1:
        return f"{max(1, round(1000 * seconds))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60)} s"


def listed(scales: Sequence[float]) -> str:
    """Return scale factors in words: "0.5, 0.75"."""
    return ", ".join(f"{a:g}" for a in sorted(scales))


def joined(names: Sequence[str]) -> str:
    """Return names in words: "TAM", "TAM and Grad-CAM", "TAM, Grad-CAM and Attention"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def maps_of(methods: Sequence[str]) -> str:
    """Return maps in words: "the map of TAM", "the maps of TAM and Grad-CAM"."""
    return (PROOF_MAP if len(methods) == 1 else PROOF_SEVERAL).format(names=joined(methods))


def in_words(error: Exception) -> str:
    """Return the sentence for the person; what is not meant for people goes to the log."""
    if isinstance(error, SightlineError):
        text = str(error)
        return text[:1].upper() + text[1:]
    log.exception("unexpected error", exc_info=error)
    return BROKEN
