"""Hide a region: the model reads the answer again, or answers again, without a place.

The place is what a map of the chosen word shows, worked out here from the same run and settings as
the map itself. Both ways take a turn at the model as every recording does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.media.fills import FILLS
from explainer.methods.subjects import Span, Word, read_words, text_of, words_of
from explainer.probing.hiding import (
    CLEAR,
    Change,
    change,
    verdict_of_hiding,
    verdict_of_keeping,
)
from explainer.probing.regions import HOW, Region, hidden, shown_by, within_box
from explainer.probing.reliance import reliance
from explainer.run import ANSWER, Run
from explainer.run.geometry import Extent
from explainer.run.store import RunStore
from explainer.serving.jobs import HidingJob
from explainer.ui.handlers import NOTHING, Handlers, PageUpdate, RecordedRun
from explainer.ui.sections.hiding import words
from explainer.web import controls, payload, texts, token_text
from explainer.web.calls import HidingCall, RunCall, read_call
from explainer.web.controls import OFFERED, MethodSettings
from explainer.web.lacking import missing_of
from explainer.web.messages import (
    HidingResult,
    MaskNote,
    ShownPicture,
    Value,
    busy,
    failed,
    said,
)
from explainer.web.subjects import heat_of, read_subject

LEAST = 0.01  # words that change by less are not listed
MOST_WORDS = 12
_SIDE = 176  # of the pictures that are shown
_VERDICTS = {
    "hide": (verdict_of_hiding, words.HIDING),
    "keep": (verdict_of_keeping, words.KEEPING),
    "box": (verdict_of_hiding, words.HIDING),
}


@dataclass(frozen=True, eq=False)
class HidingRequest:
    """A checked request to hide a region.

    Attributes:
        regions: what is hidden, and as a control as much elsewhere, if there is as much.
        word: what the map explains; of two words the first.
        how, fill: keys of `words.MASKED` and `FILLS`.
    """

    key: str
    run: Run
    regions: tuple[Region, ...]
    word: Word
    method: str
    how: str
    fill: str

    @property
    def pictures(self) -> list[tuple[npt.NDArray[np.uint8], ...]]:
        """Return the pictures of the run with each region hidden.

        Raises `RunError` if that changes nothing.
        """
        shown, image = self.run.images, self.regions[0].image
        made = [hidden(self.run, region, self.fill) for region in self.regions]
        if np.array_equal(made[0][image], shown[image]):
            raise RunError(words.SAME.format(fill=texts.FILLS[self.fill]))
        return made

    @property
    def name(self) -> str:
        return token_text.visible(text_of(self.run, self.word))


class HidingHandler:
    """The events of the section, for the runs and models of `handlers`, and their store."""

    def __init__(self, handlers: Handlers, store: RunStore) -> None:
        self._handlers, self._store = handlers, store

    def measure(self, message: Any) -> Iterator[Value]:
        """Yield a message while the model reads the answer again, and then the result.

        Args:
            message: a `HidingCall`, and {ask}, which comes back with every value.
        """
        ticket = controls.read_ticket(message)
        try:
            request = self._read(message)
            if not len(request.run.indices(ANSWER)):
                raise RunError(words.NO_ANSWER)
            pictures = request.pictures
            yield {"asked": ticket, **busy(words.BUSY)}
            probs = self._handlers.run_job(HidingJob(request.run, request.regions, request.fill))
            yield {"asked": ticket, **_result(request, probs, pictures).as_json()}
        except Exception as error:
            yield {"asked": ticket, **failed(error)}

    def again(
        self,
        message: Any,
        previous: Any,
        max_new_tokens: Any,
        temperature: Any,
        seed: Any,
        layers: Any,
        repetition_penalty: Any = None,
    ) -> Iterator[PageUpdate]:
        """Yield what the page shows while the model answers again, and then the chips.

        The last value has a `MaskNote` in place of a notice.

        Args:
            message: as for `measure`.
            previous: a `SubjectCall`, what to come back to.
        """
        kept: Value = NOTHING  # chips that come back if it ends in an error
        try:
            request = self._read(message)
            call = read_call(HidingCall, message)
            settings = controls.read_settings(call.panel, call.options)
            decoding = controls.read_decoding(
                max_new_tokens, temperature, seed, layers, repetition_penalty
            )
            steps = self._handlers.answer_again(
                request.run, request.pictures[0], decoding, settings.needed
            )
            kept = self._handlers.restored(previous)
            yield PageUpdate(payload.live_bar([]), busy(texts.BUSY_READING))
            note = _describe_mask(request)
            for page in self._handlers.follow(self._noted(steps, request.run, note)):
                key = page.bar.get("run")
                notice = MaskNote(run=key, note=note, before=previous).as_json() if key else NOTHING
                yield page._replace(notice=notice)
        except Exception as error:
            yield PageUpdate(kept, failed(error))

    def back(self, previous: Any) -> tuple[Value, Value, Value]:
        """Return chips, message and picture of the run that was asked again."""
        try:
            key = read_call(RunCall, previous).run
            picture = payload.picture(self._handlers.run(key), key)
            return self._handlers.restored(previous), said("", ""), picture
        except Exception as error:
            return NOTHING, failed(error), NOTHING

    def _read(self, message: Any) -> HidingRequest:
        call = read_call(HidingCall, message)
        run, key, subject = self._handlers.run(call.run), call.run, call.subject
        settings = controls.read_settings(call.panel, call.options)
        method, how, fill = call.method, call.how, call.fill
        image = controls.read_index(call.image, len(run.images))
        if method not in settings.knobs or how not in _VERDICTS or fill not in FILLS:
            raise RunError(texts.BAD_REQUEST)
        word = read_subject(run, subject)
        if how == "box":
            regions = HOW["hide"](within_box(run, _box(call.box, run, image), image))
        else:
            shown = MethodSettings((), {method: settings.knobs[method]})
            run = self._handlers.with_maps(key, missing_of(run, subject, shown))
            heat = heat_of(run, subject, OFFERED[method], settings.knobs[method])
            regions = HOW[how](shown_by(heat, image))
        return HidingRequest(key, run, regions, words_of(word)[0], method, how, fill)

    def _noted(self, steps: Iterator[Any], run: Run, note: str) -> Iterator[Any]:
        """Yield the steps; the run tells wherever it goes that its picture was masked."""
        notes = [*run.settings.get("image_notes", ()), note]
        for item in steps:
            if isinstance(item, RecordedRun):
                noted = replace(item.run, settings={**item.run.settings, "image_notes": notes})
                self._store.put(item.key, noted)
                item = RecordedRun(noted, item.key)
            yield item


def _box(shares: Sequence[float] | None, run: Run, image: int) -> Extent:
    """Return a rectangle in pixels, from shares of the picture's width and height."""
    if shares is None:
        raise RunError(texts.BAD_REQUEST)
    height, width = run.images[image].shape[:2]
    x0, y0, x1, y1 = shares
    return x0 * width, y0 * height, x1 * width, y1 * height


def _picture(run: Run, region: Region) -> str:
    """Return the name of the picture that a region lies in."""
    several = len(run.images) > 1
    return payload.picture_labels(run)[region.image] if several else words.PICTURE


def _describe_mask(request: HidingRequest) -> str:
    """Return a sentence on how the picture was masked."""
    region = request.regions[0]
    return words.MASKED[request.how].format(
        picture=_picture(request.run, region),
        fill=texts.FILLS[request.fill],
        method=OFFERED[request.method].label,
        word=request.name,
        share=texts.percent(region.share),
    )


def _pictures(
    request: HidingRequest, shown: list[tuple[npt.NDArray[np.uint8], ...]]
) -> list[ShownPicture]:
    """Return what the model was shown: the place hidden, and the control."""
    place, lines = request.regions[0], words.TOLD[request.how]
    share = 1 - place.share if request.how == "keep" else place.share
    label = lines["picture"].format(
        share=texts.percent(share), picture=_picture(request.run, place)
    )
    images = [images[place.image] for images in shown]
    return [
        ShownPicture(src=payload.shrunk(image, _SIDE), label=text)
        for image, text in zip(images, (label, lines["control"]), strict=False)
    ]


def _result(
    request: HidingRequest,
    probs: npt.NDArray[np.float32],
    pictures: list[tuple[npt.NDArray[np.uint8], ...]],
) -> HidingResult:
    run, word = request.run, request.word
    tokens = word.tokens if isinstance(word, Span) else ()
    chosen = change(run, tokens, probs)
    lines = words.TOLD[request.how]
    missing = "" if len(probs) > 1 else words.NO_CONTROL
    note = "" if chosen else words.UNSAID.format(word=request.name)
    return HidingResult(
        word=request.name if chosen else "",
        line=_line(lines, chosen) if chosen else "",
        verdict=_verdict(request, tokens, chosen) if chosen else "",
        note=" ".join(filter(None, [note, missing])),
        columns=list(lines["columns"][: len(probs) + 1]),
        rows=_rows(run, tokens, probs),
        rest=words.REST.format(least=texts.percent(LEAST)),
        pictures=_pictures(request, pictures),
    )


def _line(lines: Mapping[str, Any], found: Change) -> str:
    """Return the numbers of a word: "97.3 % → 12.0 % (95.1 % with as much hidden elsewhere)"."""
    shown, hidden, control = _shares(found)
    line = lines["line"].format(shown=shown, hidden=hidden)
    return line + (lines["elsewhere"].format(control=control) if control else "")


def _shares(found: Change) -> tuple[str, str, str]:
    return texts.share(found.shown), texts.share(found.hidden), texts.share(found.control)


def _verdict(request: HidingRequest, tokens: Sequence[int], found: Change) -> str:
    """Return sentences on what the numbers of the chosen word mean."""
    judge, sentences = _VERDICTS[request.how]
    name = judge(found)
    said = [sentences[name].format(word=request.name)]
    if name == "same" and found.shown < CLEAR:
        said.append(words.UNLIKELY)
    measured = reliance(request.run, tokens)
    if name == "same" and measured and measured.shown >= CLEAR and not measured.is_sensitive:
        empty = texts.share(measured.shown - measured.delta)
        said.append(words.GUESSED.format(empty=empty))
    return " ".join(said)


def _rows(run: Run, chosen: Sequence[int], probs: npt.NDArray[np.float32]) -> list[list[str]]:
    """Return [word, its probabilities...] of the other words that changed, most first."""
    found = []
    for word in read_words(run):
        became = change(run, word.tokens, probs)
        if became and abs(became.delta) >= LEAST and not set(word.tokens) & set(chosen):
            found.append((abs(became.delta), [token_text.visible(word.text), *_shares(became)]))
    found.sort(key=lambda one: -one[0])
    return [row[: len(probs) + 2] for _, row in found[:MOST_WORDS]]
