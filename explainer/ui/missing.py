"""What the model has to add to a run before its maps can be drawn: scales, and the maps of those
methods that ask the model once more for each word."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from explainer.errors import MethodError, SightlineError
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import Subject, Unsaid, places, words_of
from explainer.run.run import Run
from explainer.serving.jobs import Wanted
from explainer.web import controls, texts
from explainer.web.controls import OFFERED, Settings
from explainer.web.messages import Value, busy, failed, said
from explainer.web.subjects import at_layer, read_subject

if TYPE_CHECKING:
    from explainer.ui.handlers import Handlers


class Missing:
    """Has the model add what the page lacks."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def bring(self, bar: Any, panel: Any, option: Any) -> Iterator[Value]:
        """Yield messages while scales, and maps of the chosen word, are made, and then ask the page
        to draw them; a method that fails says why and does not hold up the others.

        Closing the generator while maps are made ends that; maps of methods before it stay.
        """
        try:
            key = controls.read_run(bar)
            run, settings = self._handlers.run(key), controls.read_settings(panel, option)
            scales = missing_scales(run, settings.needed)
            if scales:
                yield busy(texts.BUSY_ADDING.format(scales=texts.listed(scales)))
                run = self._handlers.with_more(key, scales=scales)
            failures: list[str] = []
            for wanted in missing_of(run, bar.get("subject"), settings):
                failures += yield from self._map(key, wanted)
            told = said(" ".join(dict.fromkeys(failures))) if failures else {}
            yield {"refresh": time.monotonic_ns()} | told
        except Exception as error:
            yield failed(error)

    def _map(self, key: str, wanted: Wanted) -> Generator[Value, None, list[str]]:
        """Bring the maps of one method, yielding how far they are; return a sentence on what went
        wrong, none if all did."""
        label = OFFERED[wanted.method].label
        yield _endable(texts.BUSY_MAP.format(method=label))
        maps = ""
        try:
            for item in self._handlers.adding(key, attributions=(wanted,)):
                if isinstance(item, Run):
                    break
                told = {"method": label, "done": item.done, "total": item.total}
                if item.kind == "reading":
                    yield _endable(texts.BUSY_READINGS.format(maps=maps, **told))
                elif item.done < item.total:
                    maps = texts.BUSY_MAPS_DONE.format(**told)
                    yield _endable(texts.BUSY_MAPS.format(**told))
        except Exception as error:
            return [texts.in_words(error)]
        return []


def _endable(text: str) -> Value:
    """Return a message on work that a person can end."""
    return busy(text) | {"endable": True}


def missing_scales(run: Run | None, scales: Sequence[float]) -> tuple[float, ...]:
    """Return the scales that were not recorded yet."""
    known = run.alphas if run else ()
    return tuple(a for a in scales if all(abs(a - b) >= 1e-6 for b in known))


def missing_of(run: Run, asked: Any, settings: Settings) -> tuple[Wanted, ...]:
    """Return the maps to compute before all shown methods can draw what the page asks for."""
    try:
        is_whole = at_layer(run, asked) is run
        return missing_maps(run, [read_subject(run, asked)], settings) if is_whole else ()
    except SightlineError:  # it cannot be drawn, which its maps say
        return ()


def missing_maps(run: Run, subjects: Sequence[Subject], settings: Settings) -> tuple[Wanted, ...]:
    """Return the maps to compute before all shown methods can draw these subjects.

    Subjects with words that were not said have none: those methods explain what was said.
    """
    said = [s for s in subjects if not any(isinstance(word, Unsaid) for word in words_of(s))]
    tokens = tuple(dict.fromkeys(t for s in said for word in words_of(s) for t in places(word)))
    found = []
    for name, knobs in settings.knobs.items():
        method = OFFERED[name]
        if isinstance(method, Comparison) and tokens and method.lacks(run, tokens, knobs):
            found.append(Wanted(name, tokens, knobs))
    return tuple(found)


def check_saved(run: Run, looked: Run, subjects: Sequence[Subject], settings: Settings) -> None:
    """Raise `MethodError` if a file cannot show all subjects by all methods without the model."""
    compared = [OFFERED[n].label for n in settings.knobs if isinstance(OFFERED[n], Comparison)]
    if compared and looked is not run:
        raise MethodError(texts.WHOLE_MODEL.format(method=", ".join(compared)))
    lacking = [OFFERED[wanted.method].label for wanted in missing_maps(run, subjects, settings)]
    if lacking:
        raise MethodError(texts.SAVE_LACKS.format(methods=", ".join(lacking)))
