"""All words of the page, and figures in words."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from explainer.errors import SightlineError

if TYPE_CHECKING:
    from explainer.serving.calls import Waiting

log = logging.getLogger(__name__)

# Words that a script of the page gets; `python -m tests.message_types` writes their types.
ScriptWords = dict[str, Any]

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
ANSWER_SIZE = "{tokens:,} tokens about a photograph take up to about {size} beside the model."
TEMPERATURE = "Temperature (0 = greedy)"
SEED = "Seed (above temperature 0)"
REPETITION_PENALTY = "Repetition penalty"
REPETITION_PENALTY_ABOUT = "1: none. Empty or 0: the model's own, see How to read it."
OWN_PENALTY = "Its own repetition penalty: {penalty:g}."
METHOD_OPTIONS = "Method options"
WELCOME = (
    "Pick an example, or add a picture of your own and press Explain.\n"
    "Each word of the answer becomes a button; its maps show which parts of the picture speak for "
    "it."
)

MODELS_BUNDLED = "Bundled, small, for emoji"
MODELS_HUB = "From the hub"
MODELS_OWN = "Chosen at the start or by name"
MODEL_LOADED = "loaded"
MODEL_STARTING = "The model is still loading; recorded answers need none."
NEEDED_MEMORY = "{size} GB of memory"
MODEL_TOO_LARGE = "needs {needs} GB, {free} free"
MODEL_KEPT = "{name} still answers."
OFFER = "{name} reads photographs: {size}, {licence}, about {seconds} s for an answer here."
TO_DOWNLOAD = "{size} GB to download"
ON_THIS_MACHINE = "on this machine already"
UNKNOWN_LICENCE = "its licence is on its page"
NONE_FITS = "The smallest model for photographs, {name}, needs {needs} GB, and {free} GB are free."
FETCH_BEFORE = "This server works offline: run “{command}” while there is a network."
MODEL_WORDS: ScriptWords = {
    "model": "Model",
    "typed": "Hub id or folder",
    "load": "Load",
    "cancel": "Cancel",
    "page": "Page of this model",
}
NO_LARGER_SCALES = "{name} reads every picture at one fixed size, so it has no scales above 1."

BUSY_WAITING = "Waiting for the model…"
BUSY_LOADING = "The model is still loading: {stage}{share}. Your question waits for it."
BUSY_READING = "The model reads the picture…"
BUSY_ANSWERING = "Answering: {done} of at most {total} tokens"
BUSY_AGAIN = "The machine that answered was lost, so another one is asked…"
BUSY_SCALES = "Reading the picture at another scale: {done} of {total}"
BUSY_WORD = "Looking up the word in the model…"
BUSY_ADDING = "Reading the picture at scale {scales}…"
VIDEO_ALONE = "A video is asked about on its own: remove the pictures or the video."
NO_IMAGE = "There is no picture yet. Upload, paste, drop or take one, or pick an example."
GOES_ON = "A run to go on from has its own picture and conversation; leave these out."
EMPTY_PROMPT = f"The prompt was empty, so the model was asked: “{DEFAULT_PROMPT}”"
EMPTY_ANSWER = "The model ended its answer at once. The words of the prompt can still be explained."
EMPTY_WORD = "The word is empty; type a word."
LONG_WORD = "A word has at most {most} characters; edit the answer to explain a longer text."
EXPIRED = (
    "This answer is no longer on the server: it has expired, or the server was restarted. "
    "Press Explain again."
)
NOT_RUN = "There is nothing to explain yet; press Explain first."
STOPPED = "Stopped. Press Explain to start again."
STOPPED_BACK = "Stopped. The previous answer is still here."
WAITING_FIRST = "Waiting for the model: you are next"
WAITING_PLACE = "Waiting for the model: {before} before you"
WAITING_ABOUT = ", about {duration}"
WAITING_SHARED = "Someone else asked the same, so you share one answer: {duration} so far"
WORKING = "The model is working: {duration} so far"
LEFT = "Cancelled, because the client disconnected."
REFUSED = (
    "The server did not accept the request: it is busy, or the connection was lost. "
    "Press Explain to try again."
)
SILENT = (
    "The server has sent nothing for a while, so this was cancelled. Check the connection, then "
    "press Explain again."
)
INTERRUPTED = "The connection was lost before the answer came. Press Explain to ask again."
UNREACHABLE = "The server does not answer. Check the connection, then try again."
NO_WEIGHT = "At least one scale needs a weight above 0. The maps are the last ones."
BUSY_MAP = "Computing the {method} map of this word…"
BUSY_MAPS = "{method}: {done} of {total} words"
BUSY_MAPS_DONE = ", after {done} of {total} words"
BUSY_READINGS = "{method}: {done} of {total} readings of the picture{maps}"
NOT_COMPUTED = "Not computed for this word: {method} runs the model again for each chosen word."
WHOLE_MODEL = "{method} explains the whole model, not one of its layers; choose the last layer."
SAVE_LACKS = (
    "{methods}: not computed yet for every word of this file. Choose each word once, choose the "
    "scale “strongest map of the answer”, or leave the method out."
)
SYSTEM = "System prompt"
SYSTEM_ABOUT = "How to answer; empty for the model's own."
THINKING = "Think first"
THINKING_ABOUT = "The answer opens with a thought, whose words can be explained, too."
LAYERS = "Layers to keep"
LAYERS_ABOUT = (
    "Decoder layers to keep besides the last, for the slider Layer. The memory they need is "
    "shown here first."
)
LAYERS_SIZE = (
    "They will take about {size} more: this picture at the scales {scales}, by {model}, with an "
    "answer of up to {longest} tokens."
)
BUSY_LONG = (
    "An answer of {total} tokens takes {size} beside the model. The model reads the picture…"
)
LAYERS_NONE = "{model} has no other layer to keep."
LAYERS_NO_PICTURE = "The memory they need depends on the picture, and there is none yet."
LAYERS_NO_MODEL = (
    "{model} is not loaded yet: the memory they need is shown before the answer begins."
)
LAYER_CHOICES = {"last": "last only", "even": "every second", "all": "all"}
BUSY_LAYERS = "Keeping more layers: {count}, {size}"
AT_LAYER = "read at layer {layer} of {all}"
RESTS_ON = (
    "relies on the picture for {share}: probability {shown} with it, {empty} with a black and a "
    "plain picture instead"
)
RESTS_AGAINST = (
    "less likely with the picture: probability {shown} with it, {empty} with a black and a plain "
    "picture instead"
)
SHARES = "rests {picture} on the picture, {prompt} on the prompt, {words} on earlier words"
NO_SHARES = "no single source can be missed"
# Reliance: how much each word depends on the picture.
RESTS: ScriptWords = {
    "menu": "Reliance",
    "menuLong": "How much each word relies on the picture: order and filter",
    "legend": "Bar in a word: its reliance, which is its probability with the picture minus the "
    "mean of those with a black and with a plain picture instead. ▾ and a dotted bar: the word is "
    "less likely with the picture than without.",
    "order": "Order",
    "orders": {"said": "as in the answer", "rests": "highest reliance first"},
    "filter": "Only words with a reliance of 20 % or more",
    "measuring": "Measuring how much each word relies on the picture…",
}
# A slider for runs that hold several layers.
LAYER: ScriptWords = {
    "label": "Layer of {all}",
    "meaning": "Decoder layer that the maps are read from, through the model's final norm; the "
    "model answers from the last one",
}
# The sliders; {places} are filled in by the scripts.
DIAL: ScriptWords = {"number": "{name}, number", "reset": "Reset {name}"}
SHADES: ScriptWords = {
    **DIAL,
    "opacity": "Opacity",
    "opacityLong": "How strongly the colours cover the picture",
    "cover": "Covered",
    "coverLong": "What the colours cover: only where the map has a value, or all of the picture",
    "covers": {"value": "by value", "all": "all alike"},
    "colours": "Colours",
}
SLIDERS: ScriptWords = {
    **SHADES,
    "sliders": "Sliders",
    "scale": "Scale α{sub}",
    "use": "Use scale {number}",
    "k": "Top guesses k",
    "beta": "β",
    "auto": "auto",
    "autoLong": "Fit β automatically (Eq. 9)",
}
OPTIONS: ScriptWords = {
    "preset": "preset",
    "presetLong": "Set all options of this method at once",
    "open": "Advanced (not fixed by the paper)",
}
EXAMPLES: ScriptWords = {"list": "Examples"}
# The small controls at the chips and above the maps; {places} are filled in by the scripts.
PLAYING: ScriptWords = {
    "list": "Words of the answer",
    "answer": "Answer",
    "thought": "Thought",
    "prompt": "Prompt",
    "earlier": "Earlier turns",
    "system": "System",
    "earlier_prompt": "Prompt {turn}",
    "earlier_answer": "Answer {turn}",
    "template": "Template",
    "play": "Play the answer, word by word",
    "pause": "Pause",
    "speed": "{n}/s",
    "speedLong": "Words a second",
}
# Files to keep.
SAVE_LATER = "Others are making files just now; try again in a moment."
SAVE: ScriptWords = {
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

VIEW: ScriptWords = {
    "welcome": WELCOME,
    "pictures": "Pictures",
    "atMost": "{label}, at most {peak}",
    "unreachable": UNREACHABLE,
    "silent": SILENT,
    "interrupted": INTERRUPTED,
    "methods": "Methods",
    "methodsLong": "Choose the methods to show",
    "asking": "These run the model again for each chosen word:",
    "compare": "Show",
    "compareHow": {"side": "side by side", "blink": "alternating", "difference": "difference"},
    "first": "of",
    "second": "and",
    "flip": "⇄",
    "flipLong": "Swap the two",
    "differenceNorm": "{a} minus {b}. Scale: full colour = a difference of {full}",
    "differenceAlt": "The {a} map minus the {b} map, at most {full}",
    "looks": "Display",
    "looksLong": "Choose how maps are drawn",
    "drawing": "Cells",
    "drawings": {"smooth": "smooth", "cells": "as squares"},
    "normalisation": "Scale (normalisation)",
    "normalisations": {
        "": "set by each method",
        "token": "each map's own maximum",
        "joint": "strongest score, picture or text",
        "answer": "strongest map of the answer",
    },
    "contour": "Outline",
    "contourLong": "Outline what stands out (Otsu's threshold)",
    "zoom": "Zoom",
    "smaller": "Zoom out",
    "larger": "Zoom in",
    "whole": "Show the whole picture",
    "frame": "{map} map. Arrow keys point at a cell, plus and minus zoom, 0 shows all of it.",
    "place": "{x} % from the left, {y} % from the top",
    "placeSays": "{x} % from the left, {y} % from the top: the picture says {words} here",
    "unseen": "not seen",
    "end": STOP,
    "ended": "Stopped. The map was not computed.",
    "again": "Compute it",
    "saving": SAVE,
}
NO_METHOD = "At least one method has to stay on. The maps below are the last ones."
NO_SCALE = "At least one scale has to stay on. The maps below are the last ones."
BROKEN = "Something went wrong on our side. Press Explain again; if it stays, restart the app."
BAD_REQUEST = "The request cannot be read. In a browser, reload the page and try again."
NO_UPLOAD = (
    "This file is not among the files uploaded to this server, or was deleted; upload it again."
)
NO_ROOM = "This server has no room for further files just now; try again in a few minutes."
MANY_UPLOADS = "Too many files are being uploaded just now; try again in a minute."
SLOW_UPLOAD = "The upload stopped half-way, so it was cancelled; try again."
BAD_FORM = "The request is nested too deeply; send it with fewer levels."
BAD_INPUTS = "The inputs do not fit: one is missing, or has the wrong type."
LONG_TEXT = "A text in the request is longer than {most:,} characters; shorten it."
LONG_BODY = "The request is longer than {most} MB; send less at a time."
NO_SUCH_ADDRESS = "There is nothing at this address."
NO_SUCH_NAME = "There is no such endpoint, function or component here; see /gradio_api/info."
NOT_FINITE = "A number in the request is not finite; write an ordinary number."

NO_MODEL = "No model is loaded here, so nothing new can be asked: open a recorded answer below."

BLANK = "The screen is blank; any key ends it"

ANSWERED = "answered in {time}"
GIVEN = "edited answer, read in {time}"
AGAINST = "{plus}, not {minus}"
CHANCES = "probability {plus} against {minus}"
IN_PLACE = "in place of “{word}”"
SPACED, UNSPACED = "with a space before it", "without a space before it"
PLACES = {  # of words, by their roles
    "template": "token of the template",
    "prompt": "word of the prompt",
    "answer": "",
    "system": "word of the system prompt",
    "earlier_prompt": "word of an earlier prompt",
    "earlier_answer": "word of an earlier answer",
}


# What the scripts say of maps that they compute; {places} are filled in by them.
COMPUTED: ScriptWords = {
    "noScale": NO_SCALE,
    "noWeight": NO_WEIGHT,
    "absent": BAD_REQUEST,
    "adding": BUSY_ADDING,
    "against": AGAINST,
    "chance": "probability {chance}",
    "chances": CHANCES,
    "places": PLACES,
    "inPlace": IN_PLACE,
    "spaced": SPACED,
    "unspaced": UNSPACED,
    "atLayer": AT_LAYER,
}


# What hidden parts of a picture lie under, by the names of `explainer.media.fills`.
FILLS = {"mean": "mean colour", "black": "black", "blur": "blur"}


def share(p: float | None) -> str:
    """Return a probability in words: "97.3 %", "< 0.1 %", or "" if it is not known."""
    if p is None:
        return ""
    return "< 0.1 %" if p < 0.001 else f"{100 * p:.1f} %"


def waiting(state: Waiting) -> str:
    """Return what those who wait for the model are told."""
    if state.place is None:
        line = WAITING_SHARED if state.shared else WORKING
        return line.format(duration=duration(state.seconds))
    before, seconds = state.place.before, state.place.seconds
    line = WAITING_PLACE.format(before=before) if before else WAITING_FIRST
    return line + (WAITING_ABOUT.format(duration=about(seconds)) if seconds else "") + "…"


def about(seconds: float) -> str:
    """Return a rough duration in words: "7 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def percent(part: float) -> str:
    """Return a share as whole percents: "31 %", "< 1 %"."""
    return "< 1 %" if 0 < part < 0.005 else f"{100 * part:.0f} %"


def duration(seconds: float) -> str:
    """Return a duration in words: "8 ms", "1.4 s", "2 min 5 s"."""
    if seconds < 0.1:
        return f"{max(1, round(1000 * seconds))} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60)} s"


def time_spent(settings: Mapping[str, Any]) -> str:
    """Return how long an answer took, from the settings of its run; "" if that is not known."""
    seconds = settings.get("seconds")
    total = sum(seconds.values()) if isinstance(seconds, Mapping) else seconds
    if not total:
        return ""
    spent = duration(total)
    is_given = settings.get("decoding") == "given"
    return GIVEN.format(time=spent) if is_given else ANSWERED.format(time=spent)


def listed(scales: Collection[float]) -> str:
    """Return scale factors in words: "0.5, 0.75"."""
    return ", ".join(f"{a:g}" for a in sorted(scales))


def joined(names: Sequence[str]) -> str:
    """Return names in words: "TAM", "TAM and Grad-CAM", "TAM, Grad-CAM and Attention"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def in_words(error: Exception) -> str:
    """Return the sentence for the person; what is not meant for people goes to the log."""
    if isinstance(error, SightlineError):
        text = str(error)
        return text[:1].upper() + text[1:]
    log.exception("unexpected error", exc_info=error)
    return BROKEN
