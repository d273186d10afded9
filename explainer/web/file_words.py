"""The words of a run in a file of its own."""

from __future__ import annotations

from explainer.web import texts

_PRESENT = (
    "Large words and maps for a talk; P goes back. Keys: ← → words, F film, S sliders, M one "
    "method, H hides the words, L the spot, B a blank screen"
)

FILE: texts.ScriptWords = {
    "absent": "This file does not hold what this map needs; open the run in Sightline.",
    "unknown": "This file does not hold “{word}”. It knows the words that the field offers.",
    "theme": "Light or dark",
    "print": "How these maps were made",
    "home": "All answers",
    "present": "Present",
    "presentLong": _PRESENT + ".",
    "presentCode": _PRESENT + ", Q a QR code of this address.",
    "blank": texts.BLANK,
    "code": "QR code of {address}",
}

# The sliders of a run in a file of its own, which no model can add to.
SLIDERS: texts.ScriptWords = {
    **texts.SLIDERS,
    "weight": "Scale {alpha}, weight",
    "useScale": "Use scale {alpha}",
}
