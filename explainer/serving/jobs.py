"""The only step of the page that needs the model, as one generator that can run on a borrowed GPU.

On ZeroGPU the decorated function runs in a forked process: arguments and items are pickled, so a
job and its results hold arrays and plain values, and the explainer comes along by the fork.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.methods import Heatmap
from explainer.probing.curves import PLAN, CurvePlan, reading
from explainer.probing.regions import Region
from explainer.run import Run, Video
from explainer.serving.model_pool import Loaded

Media = Sequence[npt.NDArray[np.uint8]] | Video


@dataclass(frozen=True, eq=False)
class Wanted:
    """Maps to compute: of a comparison method with these knobs, for these tokens."""

    method: str
    tokens: tuple[int, ...]
    knobs: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Job:
    """What the model of this id is to do: a recording, or, with `run`, something more on that: an
    `answer` to read in place of its own, `words`, `scales`, `attributions` and `evidence` to add,
    `regions` to hide, each in turn, under a `fill`, or `maps` whose curves to read by a `plan`.

    Jobs of the same `name` are done once for all who ask for them meanwhile; "" for none."""

    scales: tuple[float, ...] = ()
    media: Media = ()
    prompt: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    run: Run | None = None
    model: str = ""
    words: tuple[str, ...] = ()
    answer: str | None = None
    attributions: tuple[Wanted, ...] = ()
    evidence: bool = False
    regions: tuple[Region, ...] = ()
    fill: str = ""
    maps: tuple[Heatmap, ...] = ()
    plan: CurvePlan = PLAN
    name: str = ""


Worker = Callable[[Job], Iterator[Any]]


def make_worker(find: Callable[[str], Loaded]) -> Worker:
    """Return the generator function that does a job: steps, and the run as the last item; or, with
    regions, the probabilities of its answer without them, and with maps what `reading` yields for
    each of them.

    `find` returns the loaded explainer of a model id; the caller sees to it that it stays loaded.
    """

    def work(job: Job) -> Iterator[Any]:
        explainer = find(job.model)
        if job.run is None:
            options = {"scales": job.scales, **job.options}
            pictures, video = told_apart(job.media)
            yield from explainer.stream(pictures, job.prompt, **video, **options)
            return
        if job.regions:
            yield explainer.probabilities_without(job.run, job.regions, job.fill)
            return
        if job.maps:
            for heatmap in job.maps:
                yield from reading(explainer, job.run, heatmap, job.plan)
            return
        run = job.run if job.answer is None else explainer.teacher_force(job.run, job.answer)
        if job.words:
            run = explainer.add_words(run, job.words)
        for alpha in job.scales:
            run = explainer.add_scale(run, alpha)
        for wanted in job.attributions:
            run = yield from _steps(
                explainer.attributing(run, wanted.tokens, wanted.method, **wanted.knobs)
            )
        yield explainer.add_evidence(run) if job.evidence else run

    return work


def _steps(items: Iterator[Any]) -> Generator[Any, None, Run]:
    """Pass on the steps; return the run that they end with."""
    for item in items:
        if isinstance(item, Run):
            return item
        yield item
    raise RuntimeError("the steps end with a run")


def told_apart(media: Media) -> tuple[Any, dict[str, Any]]:
    """Return the pictures, None if it is a video, and the keyword argument for the video if it is
    one, as `Explainer.stream` and `Explainer.layer_bytes` take them."""
    return (None, {"video": media}) if isinstance(media, Video) else (media, {})
