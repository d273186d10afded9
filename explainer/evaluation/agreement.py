"""Do maps show what a model goes by? Their agreement with EAGLE's search, over scenes.

`explainer.probing.agreement` tells what the figures are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from explainer.emoji_world.language import DESCRIBE
from explainer.emoji_world.scenes import Scene, make_scene
from explainer.errors import ModelError
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.emoji import MAX_NEW_TOKENS, first_of_each, mentions, word_tokens
from explainer.evaluation.intervals import Bootstrap, Ratio
from explainer.evaluation.report import method_table
from explainer.methods.subjects import Span
from explainer.probing.agreement import FIGURES, agree, part_means
from explainer.probing.region_plan import ENOUGH, RegionPlan
from explainer.run import Run

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

CHANCE = "random order"
PREVIEW = "EAGLE's preview"
EARLY = "EAGLE, ended early"

Figures = Mapping[str, Mapping[str, float]]  # of each method, by their names


def name_things(
    explainer: Explainer, seed: int, alphas: Sequence[float]
) -> Iterator[tuple[Scene, Run, str, Span]]:
    """Yield each thing that the model names rightly in a scene: scene, run, name and tokens."""
    scene = make_scene(seed)
    run = explainer.record(
        scene.image, DESCRIBE[0], scales=tuple(alphas), max_new_tokens=MAX_NEW_TOKENS
    )
    present = {placed.name for placed in scene.things}
    for named in first_of_each(mentions(run.answer)):
        if named.name in present:
            yield scene, run, named.name, Span(tuple(word_tokens(run, named.start, named.end)))


def judge(
    explainer: Explainer,
    seed: int,
    candidates: Sequence[ConfiguredMethod],
    plan: RegionPlan,
    alphas: Sequence[float],
    early: bool = False,
) -> Iterator[Figures]:
    """Yield the figures of each method for each rightly named thing of a scene.

    Beside a search by pixels stands its preview, where the model's layers allow one; with `early`
    also the order of a search that ends early.
    """
    rng = np.random.default_rng(seed)
    for _, run, _, word in name_things(explainer, seed, alphas):
        found = explainer.search_regions(run, word, plan)
        figures = {}
        for one in candidates:
            heat = one.map_of(explainer, run, word)
            figures[one.name] = agree(found, part_means(found.tiling, heat))
        if plan.hiding == "pixels":
            with suppress(ModelError):
                quick = explainer.search_regions(run, word, replace(plan, hiding="tokens"))
                figures[PREVIEW] = agree(found, quick.found.values())
        if early:
            order = explainer.search_regions(run, word, ended_early(plan)).found.order
            figures[EARLY] = agree(found, -np.argsort(order).astype(float))
        figures[CHANCE] = agree(found, rng.permutation(len(found.tiling)).astype(float))
        yield figures


def ended_early(plan: RegionPlan) -> RegionPlan:
    """Return the plan of a search that ends early, as on the page."""
    return replace(plan, settings=replace(plan.settings, stop=ENOUGH))


def summarise(
    samples: Sequence[Sequence[Figures]], names: Sequence[str] = FIGURES
) -> dict[str, dict[str, Ratio]]:
    """Return the mean of each figure of each method with its interval; whole scenes are resampled.

    Args:
        samples: for each scene the figures of each of its words.
        names: of the figures.
    """
    draws = Bootstrap(len(samples))
    methods = next((list(words[0]) for words in samples if words), [])
    totals = [len(words) for words in samples]
    return {
        method: {
            name: draws.ratio([sum(w[method][name] for w in words) for words in samples], totals)
            for name in names
        }
        for method in methods
    }


def markdown(figures: Mapping[str, Mapping[str, Ratio]], words: int, scenes: int) -> str:
    """Return the table: a row for each method, the figures with their intervals."""
    columns = ("method", "rank correlation", "IoU at a fifth of the picture", "first part equal")
    return method_table(columns, figures, count_words(words, scenes))


def count_words(words: int, scenes: int) -> str:
    """Return the sentence below a table of words."""
    return f"{words} words of {scenes} scenes; 95% intervals over scenes."
