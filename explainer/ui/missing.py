"""What the model has to add to a run before its maps can be drawn: scales, and the maps of those
methods that ask the model once more for each word."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from explainer.run import Run
from explainer.serving.jobs import MapRequest, MapsJob, ScalesJob
from explainer.web import controls, texts
from explainer.web.controls import OFFERED
from explainer.web.lacking import missing_of, missing_scales
from explainer.web.messages import Value, busy, failed, said

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
                run = self._handlers.add_to_run(key, partial(ScalesJob, scales=scales))
            failures: list[str] = []
            for wanted in missing_of(run, bar.get("subject"), settings):
                failures += yield from self._map(key, wanted)
            told = said(" ".join(dict.fromkeys(failures))) if failures else {}
            yield {"refresh": time.monotonic_ns()} | told
        except Exception as error:
            yield failed(error)

    def _map(self, key: str, wanted: MapRequest) -> Generator[Value, None, list[str]]:
        """Bring the maps of one method, yielding how far they are; return a sentence on what went
        wrong, none if all did."""
        label = OFFERED[wanted.method].label
        yield _endable(texts.BUSY_MAP.format(method=label))
        maps = ""
        try:
            for item in self._handlers.add_in_steps(key, partial(MapsJob, requests=(wanted,))):
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
