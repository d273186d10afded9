"""Take false answers away: AMCR and CSR@10% of EAGLE (arXiv 2509.22496), for orders of parts.

The model is asked about things that are not there. Each "yes" is a hallucination: parts are hidden
in the order of a search for that word, or of a map, one more each time, until the answer no longer
says it.

    AMCR      mean share of the picture that was hidden then, 1 where the word stayed
    CSR@10%   share of the false answers that went with at most a tenth of the picture hidden; those
              that never went count, which the authors' code leaves out
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from explainer.emoji_world.language import exists
from explainer.emoji_world.scenes import make_scene
from explainer.errors import SightlineError
from explainer.evaluation.agreement import CHANCE
from explainer.evaluation.candidates import ConfiguredMethod
from explainer.evaluation.intervals import Bootstrap, Ratio
from explainer.evaluation.report import method_table
from explainer.media.fills import Pixels
from explainer.media.images import open_image
from explainer.methods.subjects import Span, first_said
from explainer.probing.agreement import part_means
from explainer.probing.correction import correct, says
from explainer.probing.region_plan import RegionPlan
from explainer.run import Run

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

EAGLE = "EAGLE"
FEW = 0.1  # of the picture, for CSR@10%
MAX_NEW_TOKENS = 16


@dataclass(frozen=True, eq=False)
class Question:
    """A question whose true answer is no."""

    image: Pixels
    prompt: str


def emoji_questions(first: int, n: int) -> list[Callable[[], Question]]:
    """Return, for each of n held-out scenes, what makes a question about an absent thing."""

    def question(seed: int) -> Question:
        scene = make_scene(seed)
        return Question(scene.image, exists(scene, np.random.default_rng(seed), False).prompt)

    return [partial(question, seed) for seed in range(first, first + n)]


def repope_questions(file: Path, root: Path, n: int) -> list[Callable[[], Question]]:
    """Return what opens the first n questions of a file in POPE's form whose label is "no".

    Args:
        file: a JSON object {image, text, label} in each line, as POPE and RePOPE have them.
        root: the folder of the pictures.

    Raises:
        SightlineError: a line has another form, or a picture is missing.
    """

    def question(path: Path, text: str) -> Question:
        return Question(open_image(path).pixels, text)

    found: list[Callable[[], Question]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if len(found) == n:
            break
        try:
            record = json.loads(line)
            name, text, label = (str(record[key]) for key in ("image", "text", "label"))
        except (ValueError, KeyError, TypeError):
            raise SightlineError(f"{file.name}, line {number}: no image, text and label") from None
        if label.strip().lower() != "no":
            continue
        path = root / name
        if path.parent.resolve() != root.resolve() or not path.is_file():
            raise SightlineError(f"{file.name}, line {number}: there is no picture {name!r}")
        found.append(partial(question, path, text))
    return found


def judge(
    explainer: Explainer,
    question: Question,
    candidates: Sequence[ConfiguredMethod],
    plan: RegionPlan,
    alphas: Sequence[float],
) -> dict[str, float] | None:
    """Return the share that had to be hidden for each order; None if the model says no."""
    run = _ask(explainer, question.image, question.prompt, ())
    first = first_said(run)
    word = "" if first is None else run.tokens.texts[first]
    if first is None or not says(word, "yes"):
        return None
    run = _ask(explainer, question.image, question.prompt, alphas)  # with scales, for the maps
    target = Span((first,))
    found = explainer.search_regions(run, target, plan)
    orders: dict[str, npt.NDArray[np.intp]] = {EAGLE: found.found.order}
    for one in candidates:
        heat = one.map_of(explainer, run, target)
        orders[one.name] = np.argsort(-part_means(found.tiling, heat), kind="stable")
    orders[CHANCE] = np.random.default_rng(len(run.prompt)).permutation(len(found.tiling))
    return {
        name: correct(
            found.tiling,
            order,
            word,
            lambda pictures: _ask(explainer, pictures[0], question.prompt, ()).answer,
        ).amcr
        for name, order in orders.items()
    }


def _ask(explainer: Explainer, image: Pixels, prompt: str, alphas: Sequence[float]) -> Run:
    return explainer.record(image, prompt, scales=tuple(alphas), max_new_tokens=MAX_NEW_TOKENS)


def summarise(samples: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Ratio]]:
    """Return AMCR and CSR@10% of each order, with intervals over the false answers."""
    draws, ones = Bootstrap(len(samples)), [1] * len(samples)
    return {
        name: {
            "AMCR": draws.ratio([s[name] for s in samples], ones),
            "CSR@10%": draws.ratio([float(s[name] <= FEW) for s in samples], ones),
        }
        for name in (samples[0] if samples else {})
    }


def markdown(figures: Mapping[str, Mapping[str, Ratio]], false: int, asked: int) -> str:
    """Return the table: a row for each order of parts."""
    columns = ("order of parts", "AMCR (lower is better)", "CSR@10%")
    end = f"{false} false answers to {asked} questions about absent things."
    return method_table(columns, figures, end)
