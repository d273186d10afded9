"""What a run lacks before its maps can be shown: scales, and maps that the model has to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explainer.errors import MethodError, SightlineError
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import Subject, Unsaid, places, words_of
from explainer.run import Run
from explainer.serving.jobs import MapRequest
from explainer.web import texts
from explainer.web.controls import OFFERED, MethodSettings
from explainer.web.subjects import at_layer, read_subject


def missing_scales(run: Run | None, scales: Sequence[float]) -> tuple[float, ...]:
    """Return the scales that were not recorded yet."""
    known = run.alphas if run else ()
    return tuple(a for a in scales if all(abs(a - b) >= 1e-6 for b in known))


def missing_of(run: Run, asked: Any, settings: MethodSettings) -> tuple[MapRequest, ...]:
    """Return the maps to compute before all shown methods can draw what the page asks for."""
    try:
        is_whole = at_layer(run, asked) is run
        return missing_maps(run, [read_subject(run, asked)], settings) if is_whole else ()
    except SightlineError:  # it cannot be drawn, which its maps say
        return ()


def missing_maps(
    run: Run, subjects: Sequence[Subject], settings: MethodSettings
) -> tuple[MapRequest, ...]:
    """Return the maps to compute before all shown methods can draw these subjects.

    Subjects with words that were not said have none: those methods explain what was said.
    """
    said = [s for s in subjects if not any(isinstance(word, Unsaid) for word in words_of(s))]
    tokens = tuple(dict.fromkeys(t for s in said for word in words_of(s) for t in places(word)))
    found = []
    for name, knobs in settings.knobs.items():
        method = OFFERED[name]
        if isinstance(method, Comparison) and tokens and method.lacks(run, tokens, knobs):
            found.append(MapRequest(name, tokens, knobs))
    return tuple(found)


def check_saved(
    run: Run, looked: Run, subjects: Sequence[Subject], settings: MethodSettings
) -> None:
    """Raise `MethodError` if a file cannot show all subjects by all methods without the model."""
    compared = [OFFERED[n].label for n in settings.knobs if isinstance(OFFERED[n], Comparison)]
    if compared and looked is not run:
        raise MethodError(texts.WHOLE_MODEL.format(method=", ".join(compared)))
    lacking = [OFFERED[wanted.method].label for wanted in missing_maps(run, subjects, settings)]
    if lacking:
        raise MethodError(texts.SAVE_LACKS.format(methods=", ".join(lacking)))
