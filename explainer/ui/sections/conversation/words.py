"""The words of the section in which a conversation about a picture goes on."""

from __future__ import annotations

from explainer.web import texts

FOLD: texts.ScriptWords = {
    "title": "Ask more about this picture",
    "about": "What was said stays, and each word of it can be explained.",
    "prompt": "Further question",
    "ask": "Ask",
    "anew": "Start anew",
    "anewLong": "Clear the conversation and ask a first question about the picture",
    "unreachable": texts.UNREACHABLE,
}
EMPTY = "The question is empty. Write what the model should answer next."
