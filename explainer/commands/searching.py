"""Measure how long EAGLE's search takes here, and how well its preview agrees with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

from explainer.commands.figure import Figure
from explainer.emoji_world.scenes import Limits, make_scene
from explainer.errors import RunError
from explainer.methods.subjects import Span
from explainer.probing.region_plan import RegionAttribution, RegionPlan
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, SOURCES, Run
from explainer.web.token_text import is_content

REGIONS = 36
SIZE = (336, 336)  # of the picture, in pixels


def measure_search(explainer: Explainer, seed: int) -> Iterator[Figure]:
    """Yield the seconds of an efficient search over 36 superpixels, by preview and by pixels.

    It is measured for a word and for a whole answer, with the agreement of both. The word is the
    content word of the answer that the picture adds most to. Agreement is Spearman's correlation of
    the values of the parts, and whether the first part is the same, 1 or 0. Operations are those
    of matrix products, convolutions and attention, of both searches for the word.
    """
    image = make_scene(seed, Limits(count=(3, 3)), SIZE).image
    run = explainer.record(image, "Describe the image.", scales=(1.0,))
    word = _most_visual(explainer, run)
    preview, faithful = (RegionPlan(REGIONS, hiding=hiding) for hiding in ("tokens", "pixels"))
    explainer.search_regions(run, word, RegionPlan(4, hiding="tokens"))  # warm-up
    quick, seconds = _timed(explainer, run, word, preview)
    yield Figure("EAGLE's preview, 36 superpixels, one word", seconds, "s", 2)
    slow, one = _timed(explainer, run, word, faithful)
    yield Figure("EAGLE by pixels, 36 superpixels, one word", one, "s", 12)
    values = [found.found.values() for found in (quick, slow)]
    correlation = float(stats.spearmanr(*values).statistic)
    yield Figure("rank correlation of preview and pixels, one word", correlation, "", None)
    same = float(quick.found.order[0] == slow.found.order[0])
    yield Figure("first part of both the same, one word", same, "", None)
    spent = [_operations(explainer, run, word, plan) for plan in (preview, faithful)]
    yield Figure("operations of the preview / by pixels, one word", spent[0] / spent[1], "", 0.1)
    _, whole = _timed(explainer, run, None, faithful)
    yield Figure("EAGLE by pixels, whole answer / one word", whole / one, "x", 2)


def _most_visual(explainer: Explainer, run: Run) -> Span:
    """Return the token of a content word that loses most with the picture out of reach."""
    answer = run.indices(ANSWER)
    without = explainer.add_sources(run).sources
    if without is None:
        raise RunError("the model does not tell what its words rest on")
    lost = run.probs[answer] - without[SOURCES.index("picture")]
    content = [is_content(run.tokens.texts[token]) for token in answer]
    return Span((int(answer[int(np.argmax(np.where(content, lost, -1)))]),))


def _timed(
    explainer: Explainer, run: Run, word: Span | None, plan: RegionPlan
) -> tuple[RegionAttribution, float]:
    start = time.perf_counter()
    found = explainer.search_regions(run, word, plan)
    return found, time.perf_counter() - start


def _operations(explainer: Explainer, run: Run, word: Span, plan: RegionPlan) -> int:
    """Return the floating-point operations of a search, which are counted in this thread only."""
    engine = explainer._engine
    sharers, engine.sharers = engine.sharers, 1
    try:
        with FlopCounterMode(display=False) as counter:
            explainer.search_regions(run, word, plan)
    finally:
        engine.sharers = sharers
    return int(counter.get_total_flops())
