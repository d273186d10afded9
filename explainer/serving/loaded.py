"""The interface of a loaded model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from explainer.methods.subjects import Word
from explainer.probing.region_plan import RegionPlan
from explainer.probing.regions import Region
from explainer.probing.tiling import Tiling
from explainer.run import Run


class Loaded(Protocol):
    """The methods of `Explainer` that a server calls; fakes in tests implement them, too."""

    @property
    def model_id(self) -> str: ...

    @property
    def stream(self) -> Callable[..., Iterator[Any]]: ...

    @property
    def stream_follow_up(self) -> Callable[..., Iterator[Any]]: ...

    @property
    def layer_bytes(self) -> Callable[..., int]: ...

    def add_scale(self, run: Run, alpha: float) -> Run: ...

    def add_words(self, run: Run, words: Sequence[str]) -> Run: ...

    def teacher_force(self, run: Run, answer: str) -> Run: ...

    def stream_attribution(
        self, run: Run, tokens: Sequence[int], method: str, **knobs: Any
    ) -> Iterator[Any]: ...

    def add_evidence(self, run: Run) -> Run: ...

    def add_sources(self, run: Run) -> Run: ...

    def stream_regions(
        self, run: Run, word: Word | None, plan: RegionPlan, tiling: Tiling | None
    ) -> Iterator[Any]: ...

    def token_probabilities(self, run: Run, variants: Sequence[Any]) -> Any: ...

    def probabilities_without(self, run: Run, regions: Sequence[Region], fill: str) -> Any: ...
