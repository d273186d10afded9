"""What the model has to add to a run before its maps can be drawn.

These are scales, and the maps of methods that run the model again for each word.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from explainer.run import Run
from explainer.serving.jobs import MapRequest, MapsJob, ScalesJob
from explainer.web import controls, texts
from explainer.web.calls import SubjectCall, read_call
from explainer.web.controls import OFFERED
from explainer.web.lacking import missing_of, missing_scales
from explainer.web.messages import Value, busy, failed, said
from explainer.web.page_messages import EndableBusy, MapsMade

if TYPE_CHECKING:
    from explainer.ui.handlers import Handlers


class Missing:
    """Have the model add what the page lacks."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def bring(self, bar: Any, panel: Any, option: Any) -> Iterator[Value]:
        """Yield messages while the model adds scales and maps of the chosen word, then `MapsMade`.

        A method that fails does not hold up the others; `MapsMade` says why it failed. Closing the
        generator ends the work; maps of methods before it stay.
        """
        try:
            call = read_call(SubjectCall, bar)
            key = call.run
            run, settings = self._handlers.run(key), controls.read_settings(panel, option)
            scales = missing_scales(run, settings.needed)
            if scales:
                yield busy(texts.BUSY_ADDING.format(scales=texts.listed(scales)))
                run = self._handlers.add_to_run(key, partial(ScalesJob, scales=scales))
            failures: list[str] = []
            for wanted in missing_of(run, call.subject, settings):
                failures += yield from self._map(key, wanted)
            problems = said(" ".join(dict.fromkeys(failures))) if failures else {}
            yield MapsMade(refresh=time.monotonic_ns(), **problems).as_json()
        except Exception as error:
            yield failed(error)

    def _map(self, key: str, wanted: MapRequest) -> Generator[Value, None, list[str]]:
        """Add the maps of one method, yielding the progress; return what went wrong, or nothing."""
        label = OFFERED[wanted.method].label
        yield _endable(texts.BUSY_MAP.format(method=label))
        maps = ""
        try:
            for item in self._handlers.add_in_steps(key, partial(MapsJob, requests=(wanted,))):
                if isinstance(item, Run):
                    break
                counts = {"method": label, "done": item.done, "total": item.total}
                if item.kind == "reading":
                    yield _endable(texts.BUSY_READINGS.format(maps=maps, **counts))
                elif item.done < item.total:
                    maps = texts.BUSY_MAPS_DONE.format(**counts)
                    yield _endable(texts.BUSY_MAPS.format(**counts))
        except Exception as error:
            return [texts.in_words(error)]
        return []


def _endable(text: str) -> Value:
    """Return a message on work that a person can end."""
    return EndableBusy(busy=text, endable=True).as_json()
