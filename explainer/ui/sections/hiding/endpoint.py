"""What programs can ask of the section: /hide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from explainer.errors import SightlineError
from explainer.media.fills import FILLS
from explainer.probing.hiding import change
from explainer.probing.regions import HOW, shown_by
from explainer.run import Run
from explainer.serving.jobs import HidingJob
from explainer.ui.api_common import (
    NO_KNOBS,
    ChipRecord,
    RunReader,
    choose_method,
    describe_chip,
    read_whole,
    shown_chips,
)
from explainer.ui.handlers import Handlers


class WordWithout(ChipRecord):
    """A chip of the answer, and its probabilities with a region hidden, and with the control.

    The control is null where too little of the picture is left for it.
    """

    hidden: float
    elsewhere: float | None


class Trial(TypedDict):
    """How much of the picture was hidden, 0 to 1, and what became of the words of the answer."""

    share: float
    words: list[WordWithout]


class HideEndpoint:
    """The endpoint /hide."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers, self._reader = handlers, RunReader(handlers)

    def hide(
        self,
        run: str,
        subject: int | dict[str, Any],
        method: str = "msea_arc",
        preset: str = "",
        knobs: dict[str, Any] = NO_KNOBS,
        image: int = 0,
        how: str = "hide",
        fill: str = "mean",
    ) -> Trial:
        """Return how probable each word of an answer is with a region of the picture hidden.

        The region is what the map of a word shows, or all but that. The model reads the answer
        again, and once more with as much hidden elsewhere, at random, as a control.

        Args:
            run: as /record returned it
            subject: as for /explain
            method: as for /explain
            preset: as for /explain
            knobs: as for /explain
            image: in which of several images, counted from 0
            how: hide the region, or keep only that
            fill: what covers it: mean (the mean colour), black or blur
        """
        if how not in (*HOW,) or fill not in (*FILLS,):
            raise SightlineError(f"how is {' or '.join(HOW)}, and fill one of {', '.join(FILLS)}")
        found, heat = self._reader.explained(run, subject, choose_method(method, preset, knobs))
        regions = HOW[how](shown_by(heat, read_whole(image, "image", 0, len(heat.parts) - 1)))
        probs = self._handlers.run_job(HidingJob(found, regions, fill))
        return {"share": regions[0].share, "words": [*_words(found, probs)]}


def _words(run: Run, probs: npt.NDArray[np.float32]) -> Iterator[WordWithout]:
    """Yield the chips of the answer with what became of them."""
    for index in shown_chips(run):
        found = change(run, run.chips[index].tokens, probs)
        if found is not None:
            chip = describe_chip(run, index)
            yield {**chip, "hidden": found.hidden, "elsewhere": found.control}
