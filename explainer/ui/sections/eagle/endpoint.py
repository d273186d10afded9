"""What programs can ask of the section: /regions."""

from __future__ import annotations

from typing import Any, TypedDict

from explainer.probing.correction import Correction
from explainer.probing.region_plan import RegionAttribution
from explainer.ui.api_common import subject_value
from explainer.ui.sections.eagle.handler import EagleHandler
from explainer.web import controls


class CorrectedAnswer(TypedDict):
    """Both answers, and which parts were hidden for the second.

    `share` is how much of the picture they hold, 0 to 1; `is_corrected` whether the word is gone.
    """

    before: str
    after: str
    regions: list[int]
    share: float
    is_corrected: bool


class RegionsFound(TypedDict):
    """The order of the parts, and what the words lose and keep along it.

    `searched` is how many of them were searched for before the search ended, because these do all
    that the picture does; null for all. `insight` is how probable the words are with only the first
    parts shown, `necessity` how much of that is lost with these hidden, at each `share` of the
    picture. `maps` are over the cells of each picture. `correction` is null if it was not asked
    for.
    """

    order: list[int]
    searched: int | None
    insight: list[float]
    necessity: list[float]
    share: list[float]
    reliance: float
    maps: list[list[list[float]]]
    correction: CorrectedAnswer | None


class RegionsEndpoint:
    """The endpoint /regions."""

    def __init__(self, handler: EagleHandler) -> None:
        self._handler = handler

    def regions(
        self,
        run: str,
        subject: int | dict[str, Any] | None = None,
        target: str = "word",
        regions: int = 36,
        parts: str = "superpixels",
        hiding: str = "pixels",
        correct: bool = False,
    ) -> RegionsFound:
        """Search for the parts of a picture that a word needs, or a whole answer (EAGLE).

        Args:
            run: as /record returned it
            subject: as for /explain
            target: word, answer (all of it), or counter (no in place of yes, or yes in place of no)
            regions: about how many parts, 4 to 128
            parts: superpixels, or cells for blocks of cells of the map
            hiding: pixels reads the changed picture each time; tokens is a quick preview
            correct: whether to hide parts in this order until the answer no longer says the word
        """
        asked = {
            "run": run,
            "subject": subject_value(subject),
            "target": target,
            "regions": regions,
            "parts": parts,
            "hiding": hiding,
        }
        wanted = controls.read_yes(correct)
        found, request = self._handler.find(asked)
        fixed = [*self._handler.corrections(request)][-1] if wanted else None
        return _describe(found, fixed)


def _describe(found: RegionAttribution, fixed: Correction | None) -> RegionsFound:
    curves = found.found.curves(found.tiling.sizes)
    return {
        "order": found.found.order.tolist(),
        "searched": found.found.searched,
        "insight": found.insight.tolist(),
        "necessity": found.necessity.tolist(),
        "share": curves.share.tolist(),
        "reliance": curves.reliance,
        "maps": [part.values.astype(float).round(4).tolist() for part in found.heatmap.parts],
        "correction": None
        if fixed is None
        else {
            "before": fixed.before,
            "after": fixed.after,
            "regions": fixed.regions.tolist(),
            "share": fixed.share,
            "is_corrected": fixed.is_corrected,
        },
    }
