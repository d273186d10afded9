"""The words of the row of what else could stand in place of the chosen word."""

from __future__ import annotations

BUSY_GIVEN = "The model reads the answer…"
# What could have stood in place of a word, and the tools that choose more than a chip.
ROW = {
    "instead": "Instead",
    "list": "The model's candidates for this place, with their probabilities",
    "not": "≠",
    "contrast": "Why this and not “{minus}”?",
    "typed": "another word",
    "typedNot": "Why this and not the typed word?",
    "by": "Tokens",
    "combine": {"max": "maximum", "mean": "mean", "first": "first"},
    "whole": "Whole word",
    "wholeLong": "Explain all tokens of this word as one",
    "extend": "Extend",
    "extendLong": "Choose a range: it starts at the chosen word and ends at the next one you tap",
    "template": "Template",
    "templateLong": "Show the tokens of the chat template",
    "edit": "Edit answer",
    "editLong": "Write another answer; the model reads it as if it had given it",
    "read": "Explain this answer",
    "cancel": "Cancel",
}
