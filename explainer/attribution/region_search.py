"""EAGLE for any set of words: which parts of the picture do they need, taken together?

The mean probability of all words counts, as in the paper: one search for a phrase or for a whole
answer, not one for each word. The parts and how they are hidden are a `RegionPlan`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
import numpy.typing as npt

from explainer.attribution.knockout import TextRows
from explainer.attribution.reading import Reading, read_halves, readings_at_once
from explainer.errors import Cancelled, TokenError
from explainer.methods.subjects import Unsaid, Word
from explainer.models.engine import Engine
from explainer.probing.eagle_search import RegionReadings, SearchProgress, search
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.probing.tiling import Tiling
from explainer.run import ANSWER, Run

Masks = npt.NDArray[np.bool_]


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
    readings = RegionReadings(score, len(tiling), most=readings_at_once(engine.family, run))
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

    def read(masks: Masks) -> npt.NDArray[np.float32]:
        shown = np.ones((len(masks), 1, length), bool)
        seen = np.append(np.ones((len(masks), 1), bool), masks, axis=1)  # 0 belongs to no region
        shown[:, 0, rows.visual] = seen[:, tiling.owners + 1]
        return rows.probabilities(shown, at, ids)

    return lambda masks: read_halves(engine, read, masks)
