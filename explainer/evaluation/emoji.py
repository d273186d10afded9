"""The held-out report of a model on the emoji world.

One sample is one scene: a caption, a yes and a no question, and where the scene allows them a
counting, a relation and a place question, all decoded greedily. The figures are

    recall          of the kinds of things in the scene, those that the caption names
    precision       of the kinds of things that the caption names, those in the scene
    yes_no_accuracy answers to "is there a ...?" that begin with the right word
    pointing        of the rightly named things, those on which the raw lens map of the word
                    (alpha = 1) has its maximum: the centre of the highest cell lies on the mask
    pointing_cell   the same, but any pixel of the highest cell may touch the mask
    count, relation, place   answers that are right word for word
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explainer.emoji_world.language import Dialogue, caption, count, exists, place, relation
from explainer.emoji_world.objects import THINGS
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Scene, make_scene
from explainer.errors import SightlineError
from explainer.evaluation.intervals import Ratio, ratio
from explainer.methods import METHODS
from explainer.methods.subjects import Span, explain_subject
from explainer.run import ANSWER, Run
from explainer.run.geometry import seen_grid

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

FIGURES = (
    "recall",
    "precision",
    "yes_no_accuracy",
    "pointing",
    "pointing_cell",
    "count",
    "relation",
    "place",
)
BARS: Mapping[str, float] = {
    "recall": 0.90,
    "precision": 0.90,
    "yes_no_accuracy": 0.95,
    "pointing": 0.85,
}
MAX_NEW_TOKENS = 48

_SINGULAR = {form: t.name for t in THINGS for form in (t.name, t.plural)}
_NAMES = re.compile(
    rf"\b({'|'.join(sorted(map(re.escape, _SINGULAR), key=len, reverse=True))})\b", re.IGNORECASE
)


@dataclass(frozen=True)
class NamedThing:
    """A thing named in a text: its singular name and the span of characters."""

    name: str
    start: int
    end: int


def mentions(text: str) -> list[NamedThing]:
    """Return the things that a text names; the longest name wins ("hot dog", not "dog")."""
    return [
        NamedThing(_SINGULAR[m.group(1).lower()], m.start(), m.end()) for m in _NAMES.finditer(text)
    ]


def word_tokens(run: Run, start: int, end: int) -> list[int]:
    """Return the answer tokens that spell characters [start, end) of `run.answer`."""
    at, found = 0, []
    for token in run.indices(ANSWER):
        stop = at + len(run.tokens.texts[token])
        if at < end and stop > start:
            found.append(int(token))
        at = stop
    return found


def judge_scene(explainer: Explainer, seed: int) -> dict[str, list[float]]:
    """Return [hits, total] of each figure for the held-out scene of this seed."""
    if not 0 <= seed < FIRST_TRAINING_SEED:
        raise SightlineError(f"seed {seed} is not held out; use 0..{FIRST_TRAINING_SEED - 1}")
    scene, rng = make_scene(seed), np.random.default_rng(seed)
    run = _ask(explainer, scene, caption(scene, rng))
    judged = _judge_caption(run, scene)
    yes, no = exists(scene, rng, True), exists(scene, rng, False)
    right = [
        _first_word(_ask(explainer, scene, d).answer) == _first_word(d.answer) for d in (yes, no)
    ]
    judged["yes_no_accuracy"] = [float(sum(right)), 2.0]
    for name, ask in (("count", count), ("relation", relation), ("place", place)):
        dialogue = ask(scene, rng)
        if dialogue:
            said = _ask(explainer, scene, dialogue).answer
            judged[name] = [float(said.strip() == dialogue.answer), 1.0]
    return judged


def _ask(explainer: Explainer, scene: Scene, dialogue: Dialogue) -> Run:
    return explainer.record(
        scene.image, dialogue.prompt, scales=(1.0,), max_new_tokens=MAX_NEW_TOKENS
    )


def _first_word(text: str) -> str:
    return text.split(",")[0].strip().lower()


def _judge_caption(run: Run, scene: Scene) -> dict[str, list[float]]:
    present = {placed.name for placed in scene.things}
    named = mentions(run.answer)
    right = {m.name for m in named} & present
    pointed = [points_at(run, scene, m) for m in first_of_each(named) if m.name in present]
    return {
        "recall": [len(right), len(present)],
        "precision": [len(right), len({m.name for m in named})],
        "pointing": [float(sum(centre for centre, _ in pointed)), len(pointed)],
        "pointing_cell": [float(sum(cell for _, cell in pointed)), len(pointed)],
    }


def first_of_each(named: Iterable[NamedThing]) -> list[NamedThing]:
    """Return the first mention of each thing, in order."""
    first: dict[str, NamedThing] = {}
    for mention in named:
        first.setdefault(mention.name, mention)
    return list(first.values())


def points_at(run: Run, scene: Scene, mention: NamedThing) -> tuple[bool, bool]:
    """Return whether the highest cell of the word's raw lens map lies on the thing.

    The first value is for its centre, the second for any of its pixels.
    """
    tokens = word_tokens(run, mention.start, mention.end)
    values = explain_subject(METHODS["logit_lens"], run, Span(tuple(tokens))).values
    grid = seen_grid(run.scale(1.0).views[0])  # a map leaves out tokens that saw nothing
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    (y0, y1), (x0, x1) = grid.y[row : row + 2], grid.x[column : column + 2]
    mask = scene.mask(mention.name)
    touched = mask[int(y0) : max(int(np.ceil(y1)), int(y0) + 1), int(x0) : int(np.ceil(x1))]
    return bool(mask[int((y0 + y1) / 2), int((x0 + x1) / 2)]), bool(touched.any())


def judge(explainer: Explainer, seeds: Iterable[int]) -> Iterator[dict]:
    """Yield one judged sample for each seed: {"seed": ..., figure: [hits, total], ...}."""
    for seed in seeds:
        yield {"seed": seed} | judge_scene(explainer, seed)


def summarise(samples: list[dict]) -> dict[str, Ratio]:
    """Return each figure over all samples with its interval."""
    return {
        name: ratio(
            [sample.get(name, (0, 0))[0] for sample in samples],
            [sample.get(name, (0, 0))[1] for sample in samples],
        )
        for name in FIGURES
    }
