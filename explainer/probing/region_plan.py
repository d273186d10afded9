"""How EAGLE's search over parts of a picture goes, and what it found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.methods.base import Heatmap
from explainer.methods.subjects import Span
from explainer.probing.eagle_search import Found, SearchSettings, count
from explainer.probing.tiling import PARTS, Tiling
from explainer.run import ANSWER, Run

HIDING = ("pixels", "tokens")
ENOUGH = 0.02  # of F, by which the first parts may do less than the whole picture


@dataclass(frozen=True)
class RegionPlan:
    """How parts are cut, hidden and searched.

    Attributes:
        regions: about how many parts, at least 1.
        parts: "superpixels" or "cells", see `tiling.PARTS`.
        fill: what is put in the place of hidden pixels, a name in `fills.FILLS`.
        hiding: "pixels" reads the changed picture, as the paper does; "tokens" is a preview, for
            which the picture is read once and the text may not attend to hidden visual tokens.
        greedy: look at all parts in every round, n (n + 1) masks, in place of the efficient search.
        settings: of the efficient search, and the weights of insight and necessity. By default the
            search ends once the first parts do all that the picture does.
    """

    regions: int = 36
    parts: str = "superpixels"
    fill: str = "black"
    hiding: str = "pixels"
    greedy: bool = False
    settings: SearchSettings = field(default_factory=lambda: SearchSettings(stop=ENOUGH))

    def __post_init__(self) -> None:
        if self.regions < 1:
            raise RunError(f"regions must be at least 1, got {self.regions}")
        if self.parts not in PARTS:
            raise RunError(f"parts are one of {', '.join(PARTS)}, got {self.parts!r}")
        if self.hiding not in HIDING:
            raise RunError(f"hiding is one of {', '.join(HIDING)}, got {self.hiding!r}")

    def search_settings(self, regions: int) -> SearchSettings:
        """Return the settings of the search over so many parts."""
        if not self.greedy:
            return self.settings
        return replace(self.settings, search_scope=regions, pending_samples=regions, update_step=1)

    def count(self, regions: int) -> int:
        """Return how many masks a search over so many parts looks at, at most."""
        return count(regions, self.search_settings(regions))


PLAN = RegionPlan()


@dataclass(frozen=True, eq=False)
class RegionAttribution:
    """What a search found.

    Attributes:
        tiling: the parts.
        found: their order, and the curves of the mean probability.
        hiding: how parts were hidden.
    """

    tiling: Tiling
    found: Found
    hiding: str

    @property
    def heatmap(self) -> Heatmap:
        """Return the map over the visual tokens: see `Found.values`."""
        return self.tiling.heatmap(self.found.values())

    @property
    def insight(self) -> npt.NDArray[np.float64]:
        """Return (n + 1,): the mean probability with only the first parts shown."""
        return self.found.insertion

    @property
    def necessity(self) -> npt.NDArray[np.float64]:
        """Return (n + 1,): 1 less the mean probability with the first parts hidden."""
        return 1 - self.found.deletion


def whole_answer(run: Run) -> Span:
    """Return all tokens of the answer."""
    return Span(tuple(run.indices(ANSWER).tolist()))
