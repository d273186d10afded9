"""The words of the section that explains the page."""

from __future__ import annotations

TITLE = "How to read it"
TEXT = """\
**Chips.** Each button is one token of the answer; the pale ones below are the prompt. Click, tap,
or use the arrow keys, Home and End; up and down move between answer and prompt. Spaces and line
breaks are drawn as ␣ and ⏎. Drag, or hold Shift, to choose several tokens; a double click chooses
a whole word.

**Instead.** The model's other candidates for this place with their probabilities, or any word that
you type. Click one to see its map. ≠ compares it with the chosen word: values above 0 speak for the
first word, values below 0 for the second. *Edit answer* has the model read an answer that you
write, as if it had given it.

**Maps.** Strong colour marks the parts of the picture whose states speak for the chosen word. The
logit lens is the raw score. TAM subtracts what earlier words explain. MSEA + ARC also reads the
picture at several scales, and subtracts most for words whose predictions have least in common
with this one. Hatched parts were not seen by the model. The line below each map gives its scale;
compare colours between words only where the scale is the same.

**Inspect a map.** Point at it to read its value there in all maps, and the five words that the
model predicts from that place. The wheel, two fingers, or plus and minus zoom; drag to move; a
double click shows all of it. Choose methods above the maps, where two of them can also alternate
or be shown as their difference. The outline follows Otsu's threshold, which parts high values from
low ones. The button before the answer plays it word by word.

**Hide a region.** A map shows where the model finds a word, not whether it needs that region. Hide
the region and see how probable each word of the same answer still is. A word that becomes less
probable, and not when as much is hidden elsewhere (the control), depends on the region. A word that
stays as probable comes from the rest of the picture or from the words before it. *Ask again* shows
what the model answers with the region hidden. You can also draw the region as a rectangle.

**Test this map.** Insertion shows the picture little by little, strongest places of the map first;
deletion removes them in the same order. At each step the model gives the word's probability. With a
good map it rises sooner, and falls sooner, than in random order. A word that is as probable without
the picture does not need it, whatever its map shows.

**Step by step.** How MSEA + ARC computes the map of the chosen word, as pictures and formulas.

**Several pictures.** The strip below the maps chooses which picture they show, by click or arrow
keys. A bar under each picture gives the peak of the word's MSEA + ARC map there. Of a video, the
model sees a few frames; the strip shows which.

**Scale α.** The sizes at which the picture is read; 1 is the size used for the answer. A new scale
costs one more reading by the model and is then kept. **k** is how many top guesses of two words are
compared, **β** how much is subtracted.
"""
