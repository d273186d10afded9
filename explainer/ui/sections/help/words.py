"""The words of the help."""

from __future__ import annotations

from explainer.web.texts import ScriptWords

DIALOG: ScriptWords = {"open": "Help", "title": "Keys", "close": "Close", "or": "or"}
KEYS = [
    [["←", "→"], "the word before or after"],
    [["↑", "↓"], "between the answer and the prompt"],
    [["Home", "End"], "the first or last word"],
    [["Shift", "←", "→"], "several words as one; or drag, or click with Shift"],
    [["Space"], "play the answer word by word, and pause"],
    [["+", "−", "0"], "on a map: zoom in, out, and show all of it; arrows point at a cell"],
    [["Tab"], "from one group of controls to the next"],
    [["P"], "large words and maps for a talk, and back; in it:"],
    [["←", "→"], "the word before or after, as PgUp and PgDn of a presenter"],
    [["M"], "one method as large as the screen, the next one, all"],
    [["F"], "play the answer, and pause"],
    [["S"], "the sliders, and back"],
    [["H"], "hide the words and captions, and back"],
    [["L"], "a spot in place of the pointer, or the pointer"],
    [["B"], "a blank screen, until any key"],
    [["?"], "this help"],
    [["Esc"], "close what is open"],
]
