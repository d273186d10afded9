"""EAGLE for any set of words: which parts of the picture do they need, taken together?

The mean probability of all words counts, as in the paper: one search for a phrase or for a whole
answer, not one for each word. The parts and how they are hidden are a `RegionPlan`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from explainer.attribution.knockout import TextRows
from explainer.attribution.reading import Reading
from explainer.errors import Cancelled, RunError, TokenError
from explainer.methods.base import Heatmap
from explainer.methods.subjects import Span, Unsaid, Word
from explainer.models.engine import Engine
from explainer.probing.eagle_search import (
    Found,
    RegionReadings,
    SearchProgress,
    SearchSettings,
    search,
)
from explainer.probing.tiling import PARTS, Tiling
from explainer.run import ANSWER, Run

HIDING = ("pixels", "tokens")
_BATCH = {"pixels": 4, "tokens": 32}

Masks = npt.NDArray[np.bool_]


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
        settings: of the efficient search, and the weights of insight and necessity.
    """

    regions: int = 36
    parts: str = "superpixels"
    fill: str = "black"
    hiding: str = "pixels"
    greedy: bool = False
    settings: SearchSettings = field(default_factory=SearchSettings)

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


def searching(
    engine: Engine, run: Run, word: Word, plan: RegionPlan, tiling: Tiling | None = None
) -> Generator[SearchProgress, None, RegionAttribution]:
    """Yield after each batch of readings how far the search is, and return what it found.

    Args:
        word: tokens of the answer, of which the mean probability counts; or another word in the
            place of one, of which the first piece counts.
        tiling: parts to use in place of those of the plan, such as parts drawn by hand.

    Raises:
        TokenError: a token is not of the answer, or there is none.
        RunError: the run is about a video, or was recorded with another model.
    """
    tokens, ids = _targets(run, word)
    if tiling is None:
        tiling = Tiling.of(run, plan.regions, plan.fill, plan.parts)
    score = (_with_pixels if plan.hiding == "pixels" else _with_tokens)(engine, tiling, tokens, ids)
    readings = RegionReadings(score, len(tiling), _BATCH[plan.hiding])
    found = yield from search(readings, range(len(tokens)), plan.search_settings(len(tiling)))
    return RegionAttribution(tiling, found, plan.hiding)


def search_regions(
    engine: Engine,
    run: Run,
    word: Word,
    plan: RegionPlan,
    *,
    tiling: Tiling | None = None,
    on_progress: Callable[[SearchProgress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> RegionAttribution:
    """Return what a search found, see `searching`.

    `cancel` is asked before each batch; True raises `Cancelled`.
    """
    steps = searching(engine, run, word, plan, tiling)
    while not (cancel and cancel()):
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value
        if on_progress:
            on_progress(step)
    raise Cancelled("the search was stopped")


def _targets(run: Run, word: Word) -> tuple[list[int], list[int]]:
    """Return the tokens at whose places ids count, and these ids."""
    tokens = [word.at] if isinstance(word, Unsaid) else list(word.tokens)
    tokens = [run.check_token(token) for token in tokens]
    if not tokens or not np.isin(tokens, run.indices(ANSWER)).all():
        raise TokenError("only words of the answer have a probability that can be measured again")
    if isinstance(word, Unsaid):
        if not word.ids:
            raise TokenError("a word needs at least one piece")
        return tokens, [int(word.ids[0])]
    return tokens, run.tokens.ids[tokens].tolist()


def _with_pixels(
    engine: Engine, tiling: Tiling, tokens: Sequence[int], ids: Sequence[int]
) -> Callable[[Masks], npt.NDArray[np.float32]]:
    reading = Reading(engine, tiling.run)
    return lambda masks: reading.probabilities([tiling.pictures(m) for m in masks], tokens, ids)


def _with_tokens(
    engine: Engine, tiling: Tiling, tokens: Sequence[int], ids: Sequence[int]
) -> Callable[[Masks], npt.NDArray[np.float32]]:
    rows = TextRows(engine, tiling.run)
    at = [int(tiling.run.tokens.positions[token]) - 1 for token in tokens]
    length = int(rows.positions[-1]) + 1

    def score(masks: Masks) -> npt.NDArray[np.float32]:
        shown = np.ones((len(masks), 1, length), bool)
        seen = np.append(np.ones((len(masks), 1), bool), masks, axis=1)  # 0 belongs to no region
        shown[:, 0, rows.visual] = seen[:, tiling.owners + 1]
        return rows.probabilities(shown, at, ids)

    return score
