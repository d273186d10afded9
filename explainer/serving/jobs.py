"""Jobs: descriptions of all work that needs the model, run by a worker.

Whatever asks a model does so by a job. `Models.run_job` runs it, in this process; on ZeroGPU in a
forked one, which inherits the explainer. Jobs and their results are pickled there, so they hold
arrays and plain values only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.methods import Heatmap
from explainer.methods.subjects import Word
from explainer.probing.correction import MOST_ASKED, judge, trials
from explainer.probing.curves import CurvePlan, reading
from explainer.probing.eagle_search import count
from explainer.probing.region_plan import RegionPlan
from explainer.probing.regions import Region
from explainer.probing.tiling import Tiling
from explainer.run import NOTHING_SAID, Conversation, Run, Video
from explainer.run.thought import asks_for_thought
from explainer.serving.loaded import Loaded

PREVIEWS_PER_READING = 10  # masks of visual tokens in the time of one reading, about
Media = Sequence[npt.NDArray[np.uint8]] | Video


@dataclass(frozen=True, eq=False, kw_only=True)
class Job(ABC):
    """Work for one model.

    Attributes:
        model: id of the model.
        name: calls that wait for jobs of the same name share one execution; "" for none.
    """

    model: str = ""
    name: str = ""

    @property
    @abstractmethod
    def readings(self) -> int:
        """Return the approximate number of forward passes over the picture."""

    @abstractmethod
    def steps(self, explainer: Loaded) -> Iterator[Any]:
        """Yield the progress of the work and its results."""


@dataclass(frozen=True, eq=False)
class RecordJob(Job):
    """Record an answer: yields its steps, and the run as the last item.

    Attributes:
        options: further arguments of `Explainer.stream`.
    """

    media: Media
    prompt: str
    scales: tuple[float, ...]
    options: Mapping[str, Any]

    @property
    def pictures(self) -> int:
        """Return how many pictures the model reads at one scale; two video frames count as one."""
        return _count_pictures(self.media)

    @property
    def readings(self) -> int:
        return self.pictures * (1 + len(self.scales))

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        pictures, options = _stream_arguments(self.media)
        options |= {"scales": self.scales, **self.options}
        yield from explainer.stream(pictures, self.prompt, **options)


@dataclass(frozen=True, eq=False)
class LayerBytesJob(Job):
    """Estimate the bytes of the layers below the last in a recording; the model is not run.

    Attributes:
        options: further arguments of `Explainer.layer_bytes`.
    """

    media: Media
    prompt: str
    options: Mapping[str, Any]

    @property
    def readings(self) -> int:
        return 0

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        pictures, video = _stream_arguments(self.media)
        yield explainer.layer_bytes(pictures, self.prompt, **video, **self.options)


@dataclass(frozen=True, eq=False)
class RunJob(Job):
    """Work on a recorded run."""

    run: Run


@dataclass(frozen=True, eq=False)
class FollowUpJob(RunJob):
    """Record the answer to a further prompt: yields its steps, and its run as the last item.

    Attributes:
        options: arguments of `Explainer.stream`; layers and the choice to think are the run's own.
    """

    prompt: str
    options: Mapping[str, Any]

    @property
    def pictures(self) -> int:
        """Return how many pictures the model reads, as for `RecordJob`."""
        return _count_pictures(self.run.media)

    @property
    def readings(self) -> int:
        return self.pictures

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        own = ("layers", "thinking")
        options = {name: value for name, value in self.options.items() if name not in own}
        yield from explainer.stream_follow_up(self.run, self.prompt, **options)


@dataclass(frozen=True, eq=False)
class ScalesJob(RunJob):
    """Add scales to a run: yields the new run."""

    scales: tuple[float, ...]

    @property
    def readings(self) -> int:
        return len(self.scales)

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        run = self.run
        for alpha in self.scales:
            run = explainer.add_scale(run, alpha)
        yield run


@dataclass(frozen=True, eq=False)
class WordsJob(RunJob):
    """Add the unembedding rows of words to a run: yields the new run."""

    words: tuple[str, ...]

    @property
    def readings(self) -> int:
        return 1

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield explainer.add_words(self.run, self.words)


@dataclass(frozen=True, eq=False)
class AnswerJob(RunJob):
    """Read an answer in place of the model's own: yields the run of that answer."""

    answer: str

    @property
    def readings(self) -> int:
        return 2

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield explainer.teacher_force(self.run, self.answer)


@dataclass(frozen=True, eq=False)
class EvidenceJob(RunJob):
    """Measure how much each word relies on the picture: yields the run with it."""

    @property
    def readings(self) -> int:
        return 2

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield explainer.add_evidence(self.run)


@dataclass(frozen=True, eq=False)
class SourcesJob(RunJob):
    """Measure what each word rests on: yields the run with it."""

    @property
    def readings(self) -> int:
        return 2

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield explainer.add_sources(self.run)


@dataclass(frozen=True, eq=False)
class MapRequest:
    """Request for maps of a comparison method with these knobs, for these tokens."""

    method: str
    tokens: tuple[int, ...]
    knobs: Mapping[str, Any]

    @property
    def readings(self) -> int:
        """Return the passes of EAGLE's search, or one forward and one backward, for each token."""
        each = count(int(self.knobs["regions"])) if "regions" in self.knobs else 2
        return len(self.tokens) * each


@dataclass(frozen=True, eq=False)
class MapsJob(RunJob):
    """Add maps of comparison methods to a run: yields the steps, and the new run as the last."""

    requests: tuple[MapRequest, ...]

    @property
    def readings(self) -> int:
        return sum(request.readings for request in self.requests)

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        run = self.run
        for request in self.requests:
            steps = explainer.stream_attribution(
                run, request.tokens, request.method, **request.knobs
            )
            for item in steps:
                if isinstance(item, Run):
                    run = item
                else:
                    yield item
        yield run


@dataclass(frozen=True, eq=False)
class HidingJob(RunJob):
    """Read the answer with each region hidden in turn: yields its probabilities (regions, R)."""

    regions: tuple[Region, ...]
    fill: str

    @property
    def readings(self) -> int:
        return len(self.regions)

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield explainer.probabilities_without(self.run, self.regions, self.fill)


@dataclass(frozen=True, eq=False)
class RegionsJob(RunJob):
    """Search for the parts that a word needs, or with None the whole answer (EAGLE).

    Yields the progress, and what was found as the last item.
    """

    word: Word | None
    plan: RegionPlan
    tiling: Tiling

    @property
    def readings(self) -> int:
        masks = self.plan.count(len(self.tiling))
        return masks if self.plan.hiding == "pixels" else 1 + masks // PREVIEWS_PER_READING

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        yield from explainer.stream_regions(self.run, self.word, self.plan, self.tiling)


@dataclass(frozen=True, eq=False)
class CorrectionJob(RunJob):
    """Hide more and more parts, and ask again until a word is gone.

    Yields the steps of the answers, and after each what it means for the word.
    """

    tiling: Tiling
    order: npt.NDArray[np.intp]
    word: str
    most: int = MOST_ASKED

    @property
    def readings(self) -> int:
        return 2 * self.most

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        settings = self.run.settings
        options = {
            "scales": (),
            "max_new_tokens": settings.get("max_new_tokens", 64),
            "thinking": asks_for_thought(self.run),
            **said_before(self.run.conversation),
        }
        for trial in trials(self.tiling, self.order, self.most):
            for item in explainer.stream(list(trial.pictures), self.run.prompt, **options):
                if not isinstance(item, Run):
                    yield item
                    continue
                found = judge(self.run, trial, self.word, item.answer)
                yield found
                if found.is_corrected:
                    return


@dataclass(frozen=True, eq=False)
class CurvesJob(RunJob):
    """Measure insertion and deletion curves of maps: yields the items of `reading` for each."""

    maps: tuple[Heatmap, ...]
    plan: CurvePlan

    @property
    def readings(self) -> int:
        return self.plan.readings * len(self.maps)

    def steps(self, explainer: Loaded) -> Iterator[Any]:
        for heatmap in self.maps:
            yield from reading(explainer, self.run, heatmap, self.plan)


Worker = Callable[[Job], Iterator[Any]]  # such as `Models.run_job`


def said_before(conversation: Conversation) -> dict[str, Any]:
    """Return the arguments of `Explainer.stream` for what was said before, if anything was."""
    if conversation == NOTHING_SAID:
        return {}
    return {"system": conversation.system, "history": conversation.turns}


def _count_pictures(media: Media) -> int:
    return max(1, len(media.frames) // 2 if isinstance(media, Video) else len(media))


def _stream_arguments(media: Media) -> tuple[Any, dict[str, Any]]:
    """Return the pictures, None for a video, and the keyword argument for the video if it is one.

    `Explainer.stream` and `Explainer.layer_bytes` take them.
    """
    return (None, {"video": media}) if isinstance(media, Video) else (media, {})
