"""Show step by step how MSEA + ARC computes a map: every step as a picture with its caption.

One request answers for one subject: the steps, the words before it, and the guesses at one of those
words beside the guesses at its own place. Nothing here asks a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explainer.methods import METHODS
from explainer.methods.anatomy import Parts, anatomy, leading
from explainer.methods.base import MapPart
from explainer.methods.subjects import Contrast, Span, Word, explain_subject, text_of, words_of
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.ui.maps import stored
from explainer.ui.sections.step_by_step import words
from explainer.ui.sections.step_by_step.context import (
    Case,
    base_sentence,
    earlier_words,
    pair_of_lists,
)
from explainer.web import controls, messages, payload, texts, token_text
from explainer.web.calls import StepsCall, read_call
from explainer.web.lacking import missing_scales
from explainer.web.messages import (
    EarlierWord,
    Factor,
    MapStep,
    MapSteps,
    ScaleStep,
    StepPeaks,
    Value,
    failed,
)
from explainer.web.subjects import at_layer, read_subject
from explainer.web.texts import listed

METHOD = METHODS["msea_arc"]


class StepByStepHandler:
    """The requests of the fold, answered from a store of runs."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def anatomy(self, message: Any) -> Value:
        """Return the steps that lead to the map of a subject.

        Args:
            message: {run, subject, panel, options} as the page's scripts send it, and {beside}: the
                chip whose guesses are to be shown, None for the one that counts most.

        Returns:
            What `step_by_step.js` draws, see `_describe_steps`; or {"text", "kind"} if something is
            wrong, kind "busy" while scales have yet to be recorded.
        """
        try:
            call = read_call(StepsCall, message)
            knobs = _knobs(call)
            run = stored(self._store, call.run)
            missing = missing_scales(run, knobs["scales"])
            if missing:
                return messages.said(texts.BUSY_ADDING.format(scales=listed(missing)), "busy")
            return _describe_steps(run, call.subject, knobs, call.beside).as_json()
        except Exception as error:
            return failed(error)


def _knobs(call: StepsCall) -> Mapping[str, Any]:
    """Return the checked knobs of MSEA + ARC, whether it is among the methods shown or not."""
    own = call.options.get(METHOD.name, {}) if isinstance(call.options, Mapping) else None
    return controls.read_settings(call.panel, {METHOD.name: own}).knobs[METHOD.name]


def _describe_steps(
    run: Run, choice: Any, knobs: Mapping[str, Any], beside: int | None
) -> MapSteps:
    run, subject = at_layer(run, choice), read_subject(run, choice)
    said, token = _standing_for(run, words_of(subject)[0], knobs)
    case = Case(said, token, knobs, anatomy(said, token, **knobs))
    chips = earlier_words(case)
    return MapSteps(
        word=case.word,
        note=_note(run, subject, case),
        signed=case.found.signed,
        peaks=StepPeaks(scales=_readable(case.scales_peak), steps=_readable(case.peak)),
        max=knobs["fuse"] == "max",
        about=words.SCALES[knobs["fuse"]].format(word=case.word),
        symbols=words.SYMBOLS.format(word=case.word),
        scales=_scales(case),
        steps=_steps(case, chips),
        beta=_beta(case),
        words=chips,
        base=base_sentence(case),
        legend=words.WORDS.format(word=case.word) if chips else words.NO_WORDS,
        pair=pair_of_lists(case, chips, beside),
    )


def _standing_for(run: Run, word: Word, knobs: Mapping[str, Any]) -> tuple[Run, int]:
    """Return the run and the token that stand for a word: its only piece, or the leading one."""
    explain_subject(METHOD, run, word, **knobs)  # refuses what cannot be explained
    if isinstance(word, Span):
        pieces = [(run, token) for token in word.tokens]
    else:
        pieces = [(run.with_token(word.at, token_id), word.at) for token_id in word.ids]
    if len(pieces) == 1:
        return pieces[0]
    heats = [METHOD(said, token, **knobs) for said, token in pieces]
    return pieces[leading(heats, word.by)]


def _note(run: Run, subject: Any, case: Case) -> str:
    """Return what to know when the section shows less than the subject: one word, one piece."""
    first, *others = words_of(subject)
    whole = token_text.visible(text_of(run, first))
    notes = []
    if isinstance(subject, Contrast):
        other = token_text.visible(text_of(run, others[0]))
        notes.append(words.CONTRAST.format(word=whole, other=other))
    count = len(first.tokens if isinstance(first, Span) else first.ids)
    if count > 1:
        notes.append(words.PIECES.format(word=whole, count=count, piece=case.word))
    return " ".join(notes)


# Pictures ----------------------------------------------------------------------------------------


def _scales(case: Case) -> list[ScaleStep]:
    """Return the map of each scale."""
    images = range(len(case.run.images))
    return [
        ScaleStep(
            alpha=scale.alpha,
            grids=[_grid(case.run, scale.alpha, i) for i in images],
            shares=[texts.percent(share) for share in scale.shares] if scale.shares else None,
            parts=_drawn(case, scale.parts, f"α = {scale.alpha:g}", case.scales_peak),
        )
        for scale in case.found.scales
    ]


def _grid(run: Run, alpha: float, image: int) -> str:
    rows, columns = run.scale(alpha).of_image(image)[0][0].grid
    return f"{columns} × {rows}"


def _drawn(case: Case, parts: Parts, title: str, high: float) -> list[Value]:
    """Return maps of logits on colours that end at `high`, so that several can be compared."""
    high = high or 1.0
    return [
        payload.part_value(
            image,
            MapPart(np.clip(part.values / high, -1 if case.found.signed else 0, 1), part.placement),
            case.found.signed,
            _named(case, title),
        )
        for image, part in zip(case.run.images, parts, strict=True)
    ]


def _named(case: Case, title: str) -> str:
    return f"{title}, “{case.word}”"


def _steps(case: Case, chips: list[EarlierWord]) -> dict[Any, MapStep]:
    """Return the pictures from the fused map to the final one."""
    found, title = case.found, words.STEPS
    after = [
        payload.part_value(image, part, False, _named(case, title["after"]))
        for image, part in zip(case.run.images, found.heat.parts, strict=True)
    ]
    captions = {
        "fused": [_fused(case, part) for part in found.fused],
        "interference": [_interference(case, chips)] * len(after),
        "before": [_before(part) for part in found.before],
        "after": [_after(case)] * len(after),
    }
    drawn = {
        "fused": _drawn(case, found.fused, title["fused"], case.peak),
        "interference": _drawn(case, found.interference, title["interference"], case.peak),
        "before": _drawn(case, found.before, title["before"], case.peak),
        "after": after,
    }
    return {
        name: MapStep(title=title[name], parts=drawn[name], captions=captions[name])
        for name in title
    }


def _fused(case: Case, part: MapPart) -> str:
    highest = float(part.values.max())
    if not highest > 0:
        return words.FUSED_EMPTY.format(word=case.word)
    clip = words.CLIP[case.knobs["clip"]]
    fused = words.FUSED[case.knobs["fuse"]]
    return f"{fused} {clip}".format(peak=_readable(highest))


def _interference(case: Case, chips: list[EarlierWord]) -> str:
    counted = [chip for chip in chips if chip.weight > 0]
    if not counted or case.knobs["weights"] == "none":
        return words.NOTHING
    said = words.INTERFERENCE[case.knobs["weights"]]
    most = max(counted, key=lambda chip: chip.part)
    if most.part > 0:
        said += words.MOST
    return said.format(count=len(counted), word=case.word, most=most.text, share=most.share)


def _beta(case: Case) -> Factor:
    """Return the factor and its caption."""
    beta, auto = case.found.beta, case.found.beta_auto
    if case.knobs["beta"] is not None:
        caption = words.BETA_SET.format(auto=f"{auto:.2f}")
    else:
        caption = words.BETA_AUTO if beta else words.BETA_ZERO
    return Factor(value=f"{beta:.2f}", caption=caption)


def _before(part: MapPart) -> str:
    return words.BEFORE.format(empty=texts.percent(float(np.mean(part.values <= 0))))


def _after(case: Case) -> str:
    window = case.knobs["window"]
    smooth = words.SMOOTH if window > 1 else words.ROUGH
    norm = case.found.heat.normalisation
    return smooth.format(window=window) + " " + words.AFTER.format(norm=norm)


def _readable(score: float) -> str:
    """Return a score with two or three digits."""
    return f"{score:.1f}" if score >= 1 else f"{score:.2g}"
