"""The words of the section that tells what the answer's words rest on."""

from __future__ import annotations

from explainer.web import texts

BUSY = "The model reads the answer again, without the picture, the prompt, and the words before…"
FOLD: texts.ScriptWords = {
    "title": "Answer at a glance",
    "about": "The answer's words by reliance: how much less probable each is without the picture. "
    "The bar below a word shows what it rests on. Choose a word to see its maps.",
    "sources": {"picture": "the picture", "prompt": "the prompt", "words": "earlier words"},
    "order": "Order",
    "orders": {
        "rests": "highest reliance first",
        "said": "as in the answer",
        "picture": "most on the picture first",
        "prompt": "most on the prompt first",
        "words": "most on earlier words first",
    },
    "filter": "Show",
    "filters": {
        "all": "all words",
        "picture": "mostly on the picture",
        "prompt": "mostly on the prompt",
        "words": "mostly on earlier words",
    },
    "needs": "Rely on the picture",
    "free": "Do not need it",
    "none": "No word",
    "waiting": "There is no answer yet.",
    "busy": texts.BUSY_WAITING,
    "unreachable": texts.UNREACHABLE,
}
