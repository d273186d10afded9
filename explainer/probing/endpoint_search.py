"""EAGLE for a model behind an endpoint: which parts of a picture does a word of its answer need?

The same search as for a model in this process; only where the probabilities come from differs, see
`explainer.probing.endpoint`. Parts are superpixels of the whole picture, because nobody tells which
cells such a model has.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainer.errors import ModelError, TokenError
from explainer.media.fills import FILLS, Pixels, covered
from explainer.methods.base import Heatmap, MapPart
from explainer.probing.eagle_search import (
    Found,
    Masks,
    RegionReadings,
    SearchProgress,
    SearchSettings,
    count,
    search,
)
from explainer.probing.endpoint import AnswerToken, ChatEndpoint, spelled
from explainer.probing.superpixels import superpixels
from explainer.run.geometry import Placement

_NEAR = 0.1  # by which a probability may differ when the answer is continued


@dataclass(frozen=True, eq=False)
class PictureParts:
    """n superpixels of a picture.

    Attributes:
        labels: (H, W), the number of the part that each pixel belongs to.
        fill: what is put in the place of hidden parts, a name in `FILLS`.
    """

    image: Pixels
    labels: npt.NDArray[np.intp]
    fill: str

    @classmethod
    def of(cls, image: Pixels, regions: int, fill: str = "black") -> PictureParts:
        """Return about so many parts."""
        return cls(image, superpixels(image, regions), fill)

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """Return (n,): how many pixels each part holds."""
        return np.bincount(self.labels.ravel()).astype(float)

    def picture(self, shown: npt.NDArray[np.bool_]) -> Pixels:
        """Return the picture with only some parts shown: (n,) bool."""
        return covered(self.image, ~shown[self.labels], FILLS[self.fill](self.image))

    def heatmap(self, values: npt.NDArray[np.float64]) -> Heatmap:
        """Return the map of values (n,) in [0, 1], a cell for each pixel."""
        height, width = self.labels.shape
        placement = Placement.even((0.0, 0.0, float(width), float(height)))
        part = MapPart(values[self.labels].astype(np.float32), placement)
        return Heatmap((part,), False, "1.0 = a word that the picture makes 0.67 likelier")


@dataclass(frozen=True, eq=False)
class EndpointSearch:
    """A search for the parts that some tokens of an endpoint's answer need, taken together.

    Attributes:
        answer: the tokens of the answer, as the endpoint gave them.
        targets: places in the answer, of which the mean probability counts.
        parallel: how many calls are made at a time.
    """

    endpoint: ChatEndpoint
    prompt: str
    parts: PictureParts
    answer: Sequence[AnswerToken]
    targets: Sequence[int]
    settings: SearchSettings = field(default_factory=SearchSettings)
    parallel: int = 4
    unlisted: list[bytes] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Return how many calls the search makes, if none has to be repeated."""
        return count(len(self.parts), self.settings) * len(self.targets)

    def steps(self) -> Generator[SearchProgress, None, Found]:
        """Yield after each batch of calls how far the search is, and return what it found.

        Raises `ModelError` if the endpoint fails, if the budget does not suffice, or if the
        endpoint begins a new answer where it should continue one.
        """
        left = self.endpoint.budget.most - self.endpoint.budget.spent
        if self.calls > left:
            raise ModelError(
                f"the search takes {self.calls:,} calls and {left:,} are left; raise the budget, "
                "or cut the picture into fewer parts"
            )
        readings = RegionReadings(self._score, len(self.parts), self.parallel)
        whole = np.ones((1, len(self.parts)), bool)
        list(readings.ask(whole))
        self._check_continued(readings.of(whole)[0])
        return (yield from search(readings, range(len(self.targets)), self.settings))

    def _score(self, masks: Masks) -> npt.NDArray[np.float32]:
        """Return the probabilities (B, R) of the targets with the parts in masks (B, n) shown."""
        asked = [(mask, target) for mask in masks for target in self.targets]
        with ThreadPoolExecutor(self.parallel) as pool:
            probs = list(pool.map(lambda one: self._probability(*one), asked))
        return np.array(probs, np.float32).reshape(len(masks), len(self.targets))

    def _probability(self, shown: npt.NDArray[np.bool_], target: int) -> float:
        before = spelled(self.answer[:target])
        picture, token = self.parts.picture(shown), self.answer[target].text
        found = self.endpoint.probability(picture, self.prompt, before, token)
        if found is None:
            self.unlisted.append(shown.tobytes())
        return found or 0.0

    def _check_continued(self, probs: npt.NDArray[np.floating]) -> None:
        """Raise `ModelError` if the endpoint has not continued the answer.

        Then a target has another probability with the whole picture than in the answer.
        """
        for target, found in zip(self.targets, probs, strict=True):
            token = self.answer[target]
            if abs(found - token.probability) > _NEAR:
                raise ModelError(
                    f"{token.text.strip()!r} had {token.probability:.0%} in the answer and has "
                    f"{found:.0%} when it is asked for alone: this endpoint does not continue a "
                    "begun answer. Choose the first word, with a question for one word"
                    if target
                    else f"the first word had {token.probability:.0%} and now has {found:.0%}: "
                    "this endpoint does not answer the same twice"
                )


def find_targets(answer: Sequence[AnswerToken], word: str | None) -> list[int]:
    """Return the tokens of the only place where an answer says `word`; all of them for None.

    Raises `TokenError` if the answer is empty, or says it not at all or more than once.
    """
    text = spelled(answer)
    if word is None and answer:
        return list(range(len(answer)))
    wanted = (word or "").strip()
    found = [*re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", text, re.I)] if wanted else []
    if len(found) != 1:
        times = f"{len(found)} times" if found else "not at all"
        raise TokenError(f"the answer says {wanted!r} {times}; it says: {text.strip()!r}")
    ends = np.cumsum([len(token.text) for token in answer])
    first = int(np.searchsorted(ends, found[0].start(), side="right"))
    last = int(np.searchsorted(ends, found[0].end(), side="left"))
    return list(range(first, last + 1))
