"""Answer at a glance: the words of an answer in the order of their reliance on the picture."""

from __future__ import annotations

import unicodedata
from typing import Any

from explainer.methods.subjects import whole_words
from explainer.probing.reliance import Reliance, reliance
from explainer.run import Run
from explainer.ui.components import Drawn
from explainer.ui.maps import stored
from explainer.ui.section import Section, Slot
from explainer.ui.sections.glance import words
from explainer.web import controls, texts
from explainer.web.messages import Value, failed


class GlanceFold(Drawn):
    """The ranked words, folded. Server function: rank."""

    MODULE = "glance"
    TEMPLATE = '<details class="sl-fold sl-glance"></details>'


class GlanceSection(Section):
    """A fold with a strip of ranked words."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            GlanceFold(None, words=words.FOLD, server_functions=[self.rank])

    def rank(self, message: Any) -> Value:
        """Return {run, words} with the words as in `rank_words`; a message if that cannot be done.

        Args:
            message: {run} as the page's script sends it.
        """
        try:
            key = controls.read_run(message)
            return {"run": key, "words": rank_words(stored(self.server.store, key))}
        except Exception as error:
            return failed(error)


def rank_words(run: Run) -> list[Value]:
    """Return the words of the answer, highest reliance first: {subject, text, share, part, label,
    needed}.

    `part` is the reliance, 0 to 1; `needed` whether the word needs the picture (EAGLE's threshold).
    Punctuation is left out. Empty if the run was recorded without evidence.
    """
    found = []
    for chips in whole_words(run):
        tokens = [token for chip in chips for token in run.chips[chip].tokens]
        text, measured = "".join(run.chips[chip].text for chip in chips), reliance(run, tokens)
        if measured is not None and _is_word(text):
            subject = {"chip": chips[0]} if len(chips) == 1 else {"tokens": tokens}
            found.append((measured.delta, _describe(subject, texts.visible(text), measured)))
    return [word for _, word in sorted(found, key=lambda one: -one[0])]


def _is_word(text: str) -> bool:
    """Return whether anything in a text is neither punctuation nor a space nor invisible."""
    return any(unicodedata.category(character)[0] not in "PZC" for character in text)


def _describe(subject: Value, text: str, measured: Reliance) -> Value:
    sentence = texts.RESTS_AGAINST if measured.is_against else texts.RESTS_ON
    empty = " and ".join(texts.share(p) for p in measured.empty.values())
    share = texts.share(measured.share)
    label = sentence.format(share=share, shown=texts.share(measured.shown), empty=empty)
    return {
        "subject": subject,
        "text": text,
        "share": share,
        "part": round(measured.share, 4),
        "label": f"{text}: {label}",
        "needed": measured.is_sensitive,
    }
