"""Answer at a glance: the words of an answer by reliance on the picture, and what they rest on."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from explainer.errors import SightlineError
from explainer.methods.subjects import WholeWord, read_words
from explainer.probing.reliance import Reliance, reliance
from explainer.probing.sources import WordSources, describe_sources, word_sources
from explainer.run import SOURCES, Run
from explainer.ui.components import Drawn
from explainer.ui.section import Endpoint, Page, Section, Slot
from explainer.ui.sections.glance import words
from explainer.ui.sections.glance.endpoint import SourcesEndpoint
from explainer.ui.sides import MODEL
from explainer.web import payload, texts, token_text
from explainer.web.calls import RunCall, read_call
from explainer.web.messages import (
    RankedAnswer,
    RankedWord,
    Value,
    busy,
    failed,
)
from explainer.web.subjects import word_subject


class GlanceFold(Drawn):
    """The ranked words, folded. Value: `RankedAnswer`, or {run} and a message; from the page {run}.

    Event: measure.
    """

    MODULE = "glance"
    TEMPLATE = '<details class="sl-fold sl-glance"></details>'
    TRIGGERS = ("measure",)


class GlanceSection(Section):
    """A fold with a strip of ranked words."""

    def place(self, slot: Slot) -> None:
        """Make the fold."""
        if slot is Slot.FOLDS:
            self.fold = GlanceFold(None, words=words.FOLD)

    def wire(self, page: Page) -> None:
        """Have the model read a shown answer again once the fold is open."""
        measure = self.server.visits.served(self.measure, _with_run)
        self.fold.measure(measure, self.fold, self.fold, **MODEL)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return /sources."""
        return (Endpoint(SourcesEndpoint(self.server.handlers).sources),)

    def measure(self, message: Any) -> Iterator[Value]:
        """Yield a message, and then {run, sentence, words} with the words as in `rank_words`.

        Where the model cannot read the answer again, the sentence says why, and the words are
        ranked by what is known of them.

        Args:
            message: {run} as the page's script sends it.
        """
        key = message.get("run") if isinstance(message, dict) else None
        try:
            key = read_call(RunCall, message).run
            run, handlers = self.server.handlers.run(key), self.server.handlers
            if run.evidence is None or run.sources is None:
                yield {"run": key, **busy(words.BUSY)}
            sentence = ""
            for add in (handlers.with_evidence, handlers.with_sources):
                try:
                    run = add(key)
                except SightlineError as error:
                    sentence = texts.in_words(error)
            sentence = sentence or describe_sources(run)
            yield RankedAnswer(run=key, sentence=sentence, words=rank_words(run)).as_json()
        except Exception as error:
            yield {"run": key, **failed(error)}


def _with_run(message: Value, request: Any) -> Value:
    return {"run": request.get("run") if isinstance(request, dict) else None, **message}


def rank_words(run: Run) -> list[RankedWord]:
    """Return the words of the answer, highest reliance first, without punctuation.

    A word needs the picture by EAGLE's threshold. Empty if the run was recorded without evidence.
    """
    found = []
    for word in read_words(run):
        measured = reliance(run, word.tokens)
        if measured is not None and _is_word(word.text):
            described = _describe(word, measured, word_sources(run, word.tokens))
            found.append((measured.delta, described))
    return [described for _, described in sorted(found, key=lambda one: -one[0])]


def _is_word(text: str) -> bool:
    """Return whether anything in a text is neither punctuation nor a space nor invisible."""
    return any(unicodedata.category(character)[0] not in "PZC" for character in text)


def _describe(word: WholeWord, measured: Reliance, rests: WordSources | None) -> RankedWord:
    text, shares = token_text.visible(word.text), rests and rests.shares
    return RankedWord(
        at=word.chips[0],
        subject=word_subject(word),
        text=text,
        share=texts.share(measured.share),
        part=round(measured.share, 4),
        label=f"{text}: {payload.describe_rests(measured, rests)}",
        needed=measured.is_sensitive,
        shares=[round(shares[name], 4) for name in SOURCES] if shares else None,
    )
