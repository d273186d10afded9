"""The words of links, and of settings that are remembered."""

from __future__ import annotations

from explainer.web import texts

BAR: texts.ScriptWords = {
    "link": "Copy link",
    "present": "Present",
    "reset": "Reset",
    "linkTitle": "Copy a link that restores these settings and the example, but no picture",
    "presentTitle": "Large words and maps, without controls; P goes back",
    "resetTitle": "Forget the remembered settings and restore the defaults",
    "blank": texts.BLANK,
    "copied": "The link is copied. It holds the prompt and all settings, but no picture.",
    "copyThis": "Copy this link:",
    "bringing": texts.BUSY_WORD,
    "wasReset": "All settings are back at their defaults.",
    "unreachable": texts.UNREACHABLE,
}
IGNORED = "The link's {name} was left out: {why}."
REFUSED = "The settings of the link do not go together and were left out: {why}."
MODEL = "{name} is not loaded; choose it in the menu"
WORD = "it can only be chosen in the answer to the example of the link"
NO_WORD = "{got!r} names no word"
WORD_UNCLEAR = "its text does not say which word it is"
WITHOUT_WORD = "What is explained cannot be part of it: {why}"
NO_SUCH_SCALE = "there is no slider for the scale {got!r}"
TOO_LONG = "The link is too long to be read; nothing of it was used."
WITHOUT_PROMPT = "The prompt is too long to be part of it."
FORGOTTEN = "The remembered settings do not fit this version of the page and were forgotten."
NO_NUMBER = "{got!r} is no number"
NO_EXAMPLES = "there are no examples here"
NO_OPTION = "no method that is shown has such an option"
TOO_MANY_SCALES = "there are {most} scales at most"
