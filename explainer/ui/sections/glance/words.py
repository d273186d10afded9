"""The words of the section that ranks the answer's words by their reliance on the picture."""

from __future__ import annotations

from explainer.web import texts

FOLD = {
    "title": "Answer at a glance",
    "about": "The answer's words by reliance: how much less probable each is without the picture. "
    "Choose a word to see its maps.",
    "needs": "Rely on the picture",
    "free": "Do not need it",
    "none": "No word",
    "waiting": "The reliance of the words is not measured yet.",
    "unreachable": texts.UNREACHABLE,
}
