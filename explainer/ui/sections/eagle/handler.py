"""The events of the section: parts, the search for those that words need, and a correction."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError, TokenError
from explainer.export.colours import colour_table
from explainer.export.overlay import outlined, overlay
from explainer.methods import METHODS
from explainer.methods.subjects import Span, Unsaid, Word, first_said, read_words, text_of
from explainer.probing.correction import Correction, check_said
from explainer.probing.eagle_search import SearchProgress
from explainer.probing.region_plan import RegionAttribution, RegionPlan, whole_answer
from explainer.probing.reliance import reliance
from explainer.probing.tiling import Tiling
from explainer.run import Run
from explainer.serving.jobs import CorrectionJob, RegionsJob
from explainer.ui.handlers import Handlers
from explainer.ui.recent import Recent
from explainer.ui.sections.eagle import words
from explainer.ui.sections.eagle.agreement import agreement_table
from explainer.web import controls, payload, texts, token_text
from explainer.web.calls import AgreementCall, EagleCall, Explained, read_call
from explainer.web.messages import (
    AnswerPiece,
    CorrectionResult,
    FlaggedWord,
    FlaggedWords,
    PartsPicture,
    SearchResult,
    SearchStep,
    Value,
    busy,
    failed,
    said,
)
from explainer.web.subjects import lacking, read_subject, word_subject

COUNTER = {"yes": "no", "no": "yes"}
KEPT = 16  # results of searches that a correction may use
_SIDE = 420  # of the pictures that are shown
_EVERY = 1.0  # seconds between pictures of a search
_CURVE = 0.95  # of the probability with the whole picture that the first parts have to reach


@dataclass(frozen=True, eq=False)
class EagleRequest:
    """A checked request.

    Attributes:
        word: what is explained; None for the whole answer.
        target: "word", "answer" or "counter" (no in place of yes, or yes in place of no).
    """

    key: str
    run: Run
    word: Word | None
    target: str
    plan: RegionPlan
    image: int

    @property
    def name(self) -> str:
        return (
            words.WHOLE if self.word is None else token_text.visible(text_of(self.run, self.word))
        )

    @property
    def ident(self) -> str:
        """Return what tells requests apart whose search is the same."""
        return repr((self.key, self.word, self.plan))


class EagleHandler:
    """The events of the fold; keeps the last searches for corrections."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._found: Recent[str, RegionAttribution] = Recent(KEPT)

    def parts(self, message: Any) -> Value:
        """Return a `PartsPicture`: the picture with the borders of its parts, and their number.

        Args:
            message: an `EagleCall`.
        """
        try:
            request = self._read(message)
            tiling = cut(request.run, request.plan)
            told = words.PARTS if request.plan.hiding == "pixels" else words.PREVIEW
            count = len(tiling)
            line = told.format(count=count, masks=request.plan.count(count))
            return PartsPicture(picture=draw_parts(tiling, request.image), line=line).as_json()
        except Exception as error:
            return failed(error)

    def flagged(self, message: Any) -> Value:
        """Return `FlaggedWords`: content words that are about as probable without the picture.

        There are none if that was not measured.

        Args:
            message: a `RunCall`.
        """
        try:
            run = self._handlers.run(controls.read_run(message))
            return FlaggedWords(flagged=flag_words(run)).as_json()
        except Exception as error:
            return failed(error)

    def agreement(self, message: Any) -> Value:
        """Return an `AgreementTable`: how well maps agree with what a search found.

        Args:
            message: an `AgreementCall`; the search has to come before.
        """
        try:
            call, request = read_call(AgreementCall, message), self._read(message)
            found = self._found_of(request)
            lenses: dict[str, Any] = {name: {} for name in METHODS}
            settings = controls.read_settings(call.panel, lenses | call.options)
            word = request.word or whole_answer(request.run)
            return agreement_table(request.run, word, found, settings).as_json()
        except Exception as error:
            return failed(error)

    def search(self, message: Any) -> Iterator[Value]:
        """Yield how far the search is, with the map so far, and then what it found.

        Args:
            message: an `EagleCall`, and {ask}, which comes back with every value.
        """
        ticket = controls.read_ticket(message)
        try:
            request = self._read(message)
            yield {"asked": ticket, **busy(words.BUSY)}
            tiling, shown = cut(request.run, request.plan), 0.0
            clock = _Clock()
            for item in self._handlers.job_steps(
                RegionsJob(request.run, request.word, request.plan, tiling)
            ):
                if isinstance(item, RegionAttribution):
                    self._found.keep(request.ident, item)
                    yield {"asked": ticket, **_result(request, item)}
                elif time.monotonic() - shown >= _EVERY:
                    shown = time.monotonic()
                    yield {"asked": ticket, **_progress(request, tiling, item, clock)}
        except Exception as error:
            yield {"asked": ticket, **failed(error)}

    def find(self, message: Any) -> tuple[RegionAttribution, EagleRequest]:
        """Return what the search for a request finds, and the request."""
        request = self._read(message)
        found = self._found.get(request.ident)
        if found is None:
            tiling = cut(request.run, request.plan)
            job = RegionsJob(request.run, request.word, request.plan, tiling)
            found = self._handlers.run_job(job)
            self._found.keep(request.ident, found)
        return found, request

    def correct(self, message: Any) -> Iterator[Value]:
        """Yield each trial of hiding parts until the word is gone, and then both answers.

        Args:
            message: as for `search`, which has to come before.
        """
        ticket = controls.read_ticket(message)
        try:
            request = self._read(message)
            yield {"asked": ticket, **busy(words.FOLD["waiting"])}
            for found in self.corrections(request):
                if found.is_corrected:
                    break
                yield {"asked": ticket, **busy(_hidden(words.TRIED, found, are=False))}
            yield {"asked": ticket, **_corrected(request, found)}
        except Exception as error:
            yield {"asked": ticket, **failed(error)}

    def corrections(self, request: EagleRequest) -> Iterator[Correction]:
        """Yield what each trial of hiding parts means for the word."""
        if request.word is None:
            raise TokenError(words.NOT_A_WORD)
        found = self._found_of(request)
        word, order = text_of(request.run, request.word), found.found.order
        if isinstance(request.word, Unsaid):
            word, order = request.run.tokens.texts[request.word.at], order[::-1]
        check_said(request.run, word)
        for item in self._handlers.job_steps(CorrectionJob(request.run, found.tiling, order, word)):
            if isinstance(item, Correction):
                yield item

    def stopped(self, message: Any) -> Value:
        """Return the message after a search or a correction was stopped, for {ask}."""
        return {"asked": controls.read_ticket(message), **said(words.FOLD["stopped"], "note")}

    def _found_of(self, request: EagleRequest) -> RegionAttribution:
        """Return what the search for a request found; `RunError` if there was none."""
        found = self._found.get(request.ident)
        if found is None:
            raise RunError(words.NOT_SEARCHED)
        return found

    def _read(self, message: Any) -> EagleRequest:
        call = read_call(EagleCall, message)
        run, key = self._handlers.run(call.run), call.run
        plan = RegionPlan(call.regions, call.parts, hiding=call.hiding)
        image = controls.read_index(call.image, len(run.images))
        if call.target == "answer":
            return EagleRequest(key, run, None, call.target, plan, image)
        subject = counter_word(run) if call.target == "counter" else call.subject
        missing = lacking(run, subject)
        run = self._handlers.with_words(key, missing) if missing else run
        word = read_subject(run, subject)
        if not isinstance(word, (Span, Unsaid)):
            raise TokenError(texts.BAD_REQUEST)
        return EagleRequest(key, run, word, call.target, plan, image)


class _Clock:
    """Estimates how long a search still takes."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def left(self, done: int, total: int) -> str:
        spent = time.monotonic() - self._start
        return texts.duration(spent / max(1, done) * (total - done))


def cut(run: Run, plan: RegionPlan) -> Tiling:
    """Return the parts of a plan."""
    return Tiling.of(run, plan.regions, plan.fill, plan.parts)


def counter_word(run: Run) -> Explained:
    """Return the subject of the other of yes and no in place of the one that an answer begins with.

    Raises `TokenError` for another answer.
    """
    first = first_said(run)
    said_word = "" if first is None else run.tokens.texts[first].strip()
    other = COUNTER.get(said_word.lower())
    if other is None:
        raise TokenError(words.NO_COUNTER)
    return Explained(at=first, word=other.capitalize() if said_word[0].isupper() else other)


def flag_words(run: Run) -> list[FlaggedWord]:
    """Return the content words that the picture adds next to nothing to."""
    found = []
    for word in read_words(run):
        measured = reliance(run, word.tokens)
        if measured is None or measured.is_sensitive or not token_text.is_content(word.text):
            continue
        empty = " and ".join(texts.share(p) for p in measured.empty.values())
        shown = token_text.visible(word.text)
        label = words.FLAG.format(text=shown, share=texts.share(measured.shown), empty=empty)
        found.append(FlaggedWord(subject=word_subject(word), text=shown, label=label))
    return found


# Messages to the page ----------------------------------------------------------------------------


def draw_parts(tiling: Tiling, image: int) -> str:
    """Return the picture with the borders of its parts, as a data URI."""
    pixels = outlined(tiling.run.images[image], tiling.labels[image])
    return payload.shrunk(pixels, _SIDE)


def _draw(tiling: Tiling, values: npt.NDArray[np.float64], image: int) -> str:
    heat = tiling.heatmap(values)
    pixels = overlay(tiling.run.images[image], heat, colour_table("inferno"), index=image)
    return payload.shrunk(outlined(pixels, tiling.labels[image]), _SIDE)


def _progress(request: EagleRequest, tiling: Tiling, at: SearchProgress, clock: _Clock) -> Value:
    """Return how far the search is, and its map.

    Parts have their place in the order so far; before there is one, what each does alone.
    """
    line = words.READ.format(done=at.done, total=at.total, left=clock.left(at.done, at.total))
    values = np.zeros(len(tiling))
    if at.found:
        values[list(at.order)] = np.linspace(1, 0, len(tiling))
    elif max(at.alone, default=0) > 0:
        values = np.maximum(at.alone, 0) / max(at.alone)
    if values.any():
        picture = _draw(tiling, values, request.image)
    else:
        picture = draw_parts(tiling, request.image)
    return SearchStep(busy=line, done=at.done, total=at.total, picture=picture).as_json()


def _result(request: EagleRequest, found: RegionAttribution) -> Value:
    curves = found.found.curves(found.tiling.sizes)
    share = curves.reaches(_CURVE)
    first = int(np.searchsorted(curves.share, share))
    line = words.FOUND.format(
        word=request.name,
        shown=texts.share(curves.whole),
        empty=texts.share(curves.empty),
        first=first,
        count=len(found.tiling),
        share=texts.percent(share),
        alone=texts.share(float(curves.insertion[first])),
        reliance=f"{curves.reliance:.2f}",
    )
    ended = "" if found.found.searched is None else words.ENDED.format(count=found.found.searched)
    note = words.PREVIEWED if found.hiding == "tokens" else ""
    picture = _draw(found.tiling, found.found.values(), request.image)
    text = " ".join(filter(None, [line, ended, note]))
    return SearchResult(picture=picture, line=text, found=True).as_json()


def _corrected(request: EagleRequest, found: Correction) -> Value:
    text = words.GONE if found.is_corrected else words.STAYS
    line = _hidden(text, found, are=found.is_corrected)
    before, after = _changes(found.before, found.after)
    picture = payload.shrunk(found.pictures[request.image], _SIDE)
    return CorrectionResult(
        line=line, before=before, after=after, picture=picture, found=True
    ).as_json()


def _hidden(text: str, found: Correction, are: bool) -> str:
    one, several = (words.ONE_IS, words.PARTS_ARE) if are else (words.ONE_PART, words.PARTS_HIDDEN)
    count = len(found.regions)
    told = one if count == 1 else several.format(count=count)
    return text.format(word=found.word, count=told, share=texts.percent(found.share))


def _changes(before: str, after: str) -> tuple[list[AnswerPiece], list[AnswerPiece]]:
    """Return the pieces of both answers."""
    first, second = (re.findall(r"\s*\S+", text) for text in (before, after))
    bare = [[piece.strip() for piece in pieces] for pieces in (first, second)]
    alike = difflib.SequenceMatcher(None, bare[0], bare[1], autojunk=False).get_matching_blocks()
    kept = (
        {block.a + i for block in alike for i in range(block.size)},
        {block.b + i for block in alike for i in range(block.size)},
    )
    told = [
        [AnswerPiece(text=piece, changed=i not in same) for i, piece in enumerate(pieces)]
        for pieces, same in zip((first, second), kept, strict=True)
    ]
    return told[0], told[1]
