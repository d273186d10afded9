"""The words of the section in which a conversation about a picture goes on."""

from __future__ import annotations

from explainer.web import texts

FOLD: texts.ScriptWords = {
    "title": "Ask more about this picture",
    "prompt": "Further question",
    "ask": "Ask",
    "anew": "Start anew",
    "unreachable": texts.UNREACHABLE,
}
EMPTY = "The question is empty. Write what the model should answer next."
