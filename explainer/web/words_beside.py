"""What could have stood in place of a word: the candidates of each chip, and their row's words."""

from __future__ import annotations

from explainer.methods.subjects import Span, candidates, probability
from explainer.run import Run
from explainer.web import texts, token_text
from explainer.web.calls import Explained
from explainer.web.messages import WordCandidate

BUSY_GIVEN = "The model reads the answer…"
# What could have stood in place of a word, and the tools that choose more than a chip.
ROW: texts.ScriptWords = {
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
# The same where no model can read an answer; words that can be typed are those of the run.
RECORDED_ROW = {
    name: text for name, text in ROW.items() if name not in ("edit", "editLong", "read", "cancel")
}


def places(run: Run) -> list[list[WordCandidate]]:
    """Return for each chip, by number, the words that could stand there."""
    return [_list_candidates(run, i) for i in range(len(run.chips))]


def _list_candidates(run: Run, index: int) -> list[WordCandidate]:
    """Return the candidates at a chip; what was said is among them, or else the first."""
    chip = run.chips[index]
    at, was = chip.tokens[0], int(run.tokens.ids[chip.tokens[0]])
    chance = texts.share(probability(run, Span(chip.tokens)))
    chosen = _candidate(Explained(chip=index), chip.text, chance)
    others = [
        chosen
        if c.token_id == was
        else _candidate(Explained(at=at, ids=[c.token_id]), c.text, texts.share(c.probability))
        for c in candidates(run, at)
    ]
    return others if chosen in others else [chosen, *others]


def _candidate(subject: Explained, text: str, chance: str) -> WordCandidate:
    return WordCandidate(subject=subject, text=token_text.visible(text), share=chance)
