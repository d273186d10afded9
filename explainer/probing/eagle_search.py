"""EAGLE's search: in which order should regions of a picture appear, so that a word does soonest?

Source: Chen et al., arXiv 2509.22496, and the code of RuoyuChen10/EAGLE. With p(S) how
probable the word is while only the regions S are shown, and \\S all regions but these:

    insight     p(S)          what is shown suffices for the word
    necessity   1 - p(\\S)     without it the word is lost
    objective   F(S) = lambda_1 p(S) + lambda_2 (1 - p(\\S))

Regions are taken greedily by F. The plain search asks for all of them each time, n (n + 1) masks.
This one is the efficient version of that code: between rounds that look at all regions, only the
first of the last ranking are looked at, and a second order grows from its end, worst first.

A search may end early: once the first regions do all that the picture does, or the last few added
nothing, the order of the others says little. They keep their places in the last ranking. As that is
soon so for most words, regions are taken from the end only after the second ranking then. Between
rankings such a search looks at regions two at a time, by what each added when it was last looked
at, and takes the best once it adds at least what the next one added then: a lazy greedy search,
as gains mostly fall while more is shown (Minoux 1978).

Nothing here knows a model: whoever searches brings a function from masks to probabilities.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from explainer.probing.batches import choose_batch
from explainer.probing.curves import Curves

Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Score = Callable[[Masks], npt.NDArray[np.floating]]  # (B, n), True for what is shown -> (B, R)

BATCH = 4  # so that progress and an end of the search come soon
PATIENCE = 5  # regions that may add less than `stop` together before a search ends early
NOISE = 1e-5  # of probabilities in float32: what changes by less does not change


@dataclass(frozen=True)
class SearchSettings:
    """How the search goes; names are those of EAGLE's code, values those of its experiments.

    Attributes:
        search_scope: how many regions of the last ranking are looked at.
        pending_samples: how many from its end may be the worst.
        update_step: every so many rounds all regions are looked at and ranked again.
        insight, necessity: lambda_1 and lambda_2.
        stop: end once F is at most this below F of the whole picture, or the last `PATIENCE`
            regions added less than this, and look at regions lazily; None searches all regions as
            EAGLE's code does.
    """

    search_scope: int = 8
    pending_samples: int = 4
    update_step: int = 10
    insight: float = 1.0
    necessity: float = 1.0
    stop: float | None = None

    def takes_worst(self, turn: int) -> bool:
        """Return whether a round, counted from 0, also takes a region from the end."""
        return self.stop is None or turn >= self.update_step


class SearchProgress(NamedTuple):
    """How far a search is.

    Attributes:
        done, total: masks looked at, and of how many at most.
        order: of all regions as far as it is known, best first.
        found: how many of the first have been searched for; while 0, the order is none yet.
        alone: while there is no order, by number of region, by how much it alone makes the word
            more probable than no region does; 0 for those that were not read yet.
    """

    done: int
    total: int
    order: tuple[int, ...]
    found: int = 0
    alone: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """The order in which n regions should appear, and what becomes of the word meanwhile.

    Attributes:
        order: (n,) numbers of regions, best first.
        insertion: (n + 1,) p with the first i regions shown, from none to all.
        deletion: (n + 1,) p with the first i regions hidden, from none to all.
        searched: how many of the first regions were searched for before the search ended early;
            None if it did not. The curves are straight lines over those in no known place.
    """

    order: npt.NDArray[np.intp]
    insertion: Floats
    deletion: Floats
    searched: int | None = None

    @property
    def empty(self) -> float:
        """Return p with every region hidden."""
        return float(self.insertion[0])

    @property
    def objective(self) -> Floats:
        """Return (n + 1,) F with both weights 1, as EAGLE reports it whatever it searched by."""
        return self.insertion + 1 - self.deletion

    @property
    def strength(self) -> float:
        """Return how much the word owes to the picture, 0 to 1.

        It is 1.5 (max p - p with nothing shown), at most 1. EAGLE's figures of words are dimmed by
        it.
        """
        return float(min(1.0, 1.5 * (self.insertion.max() - self.empty)))

    def values(self) -> Floats:
        """Return (n,) in [0, 1], by number of region: how early F was still to change after it.

        Region i of the order gets - sum_{j <= i} |F_j - F_{j-1}|, brought to 0 for the last and 1
        for the first ("add_value" of EAGLE's code), times `strength`. Zeros where nothing changes.
        Where nothing changes after the first region, it alone has a value. Regions that a search
        did not reach have none: F changes at once by what they do together.
        """
        known = len(self.order) if self.searched is None else self.searched
        points = np.append(self.objective[: known + 1], self.objective[-1])
        spent = np.cumsum(np.abs(np.diff(points)))
        span = spent[-1] - spent[0]
        values = np.zeros(len(self.order))
        if spent[-1] < NOISE or self.strength < NOISE:
            return values
        if span < NOISE:
            values[self.order[0]] = self.strength
        else:
            values[self.order[:known]] = (spent[-1] - spent[:known]) / span * self.strength
        return values

    def curves(self, sizes: Floats) -> Curves:
        """Return the curves over the share of the picture, with `sizes` (n,) of the regions."""
        share = np.append(0.0, np.cumsum(sizes[self.order])) / sizes.sum()
        return Curves(share, self.insertion, self.deletion)


class RegionReadings:
    """The probabilities under masks of n regions, asked for in batches and each once.

    Searches for several words may share one.
    """

    def __init__(
        self, score: Score, regions: int, batch: int = BATCH, most: int | None = None
    ) -> None:
        """Begin with batches of a size; with `most`, measure which size up to this one is best."""
        self.regions = regions
        self._score, self._batch, self._most = score, batch, most
        self._times: dict[int, float] = {}  # the least seconds of a reading in full batches
        self._known: dict[bytes, npt.NDArray[np.floating]] = {}

    def ask(self, masks: Masks) -> Iterator[int]:
        """Read the probabilities under masks (M, n); yield how many are known after each batch."""
        new = {mask.tobytes(): mask for mask in masks if mask.tobytes() not in self._known}
        names = [*new]
        if not names:
            yield len(masks)
        while names:
            batch = names[: self._size]
            probs = self._read(np.stack([new[name] for name in batch]))
            self._known.update(zip(batch, probs, strict=True))
            names = names[len(batch) :]
            yield len(masks) - len(names)

    @property
    def _size(self) -> int:
        """Return how many masks are read in the next batch."""
        if self._most is None:
            return self._batch
        return choose_batch(self._times, self._batch, self._most)

    def _read(self, masks: Masks) -> npt.NDArray[np.floating]:
        """Return the probabilities (B, R) under masks, and note how long it took."""
        start, size = time.perf_counter(), len(masks)
        probs = self._score(masks)
        if size == self._size:
            seconds = (time.perf_counter() - start) / size
            self._times[size] = min(seconds, self._times.get(size, seconds))
        return probs

    def knows(self, mask: npt.NDArray[np.bool_]) -> bool:
        """Return whether the probabilities under a mask (n,) were read."""
        return mask.tobytes() in self._known

    def of(self, masks: Masks) -> npt.NDArray[np.floating]:
        """Return the probabilities (M, R) under masks that were read."""
        return np.stack([self._known[mask.tobytes()] for mask in masks])


def count(regions: int, settings: SearchSettings = SearchSettings()) -> int:
    """Return how many different masks a search looks at if it does not end early.

    Of few regions none is taken from the end, so that the last two are what the rest hides: their
    masks are known from the first round, or, of two regions, are each other's.
    """
    total, left, turn, taken = 2, regions, 0, 0
    while left > 1:
        scope = left if turn % settings.update_step == 0 else min(settings.search_scope, left)
        known = not taken and left == 2
        total += (2 if turn == 0 else 0) if known else 2 * scope
        left -= 1
        if left > settings.pending_samples and settings.takes_worst(turn):
            total += 2 * settings.pending_samples if taken else 0  # known from the first round
            left, taken = left - 1, taken + 1
        turn += 1
    return total


def search(
    readings: RegionReadings, targets: Sequence[int], settings: SearchSettings = SearchSettings()
) -> Generator[SearchProgress, None, Found]:
    """Yield after each batch how far the search is, and return what it found.

    Closing the generator ends it; what was read stays known to `readings`.

    Args:
        targets: columns of the probabilities; of several their mean counts.
    """
    return (yield from _Search(readings, targets, settings).run())


class _Point(NamedTuple):
    """p with only some regions shown, and with these hidden."""

    only: float
    without: float


class _Search:
    """The regions taken from both ends of the ranking, and those left between them."""

    def __init__(
        self, readings: RegionReadings, targets: Sequence[int], settings: SearchSettings
    ) -> None:
        self._readings, self._targets, self._to = readings, list(targets), settings
        self._total, self._done = count(readings.regions, settings), 0
        self._best: list[int] = []
        self._left = list(range(readings.regions))
        self._worst: list[int] = []  # the very worst first
        self._gains: dict[int, float] = {}  # what regions added to F when last looked at
        self._seen: set[bytes] = set()  # masks that this search has looked at
        self._rising: list[_Point] = []  # of the first 1, 2, ... of the best
        self._falling: list[_Point] = []  # of all but the first 1, 2, ... of the worst
        self._empty = 0.0  # p with no region shown

    def run(self) -> Generator[SearchProgress, None, Found]:
        ((shown, empty),) = yield from self._look([range(self._readings.regions)])
        self._empty = empty
        turn, whole = 0, self._objective(_Point(shown, empty))
        self._now = self._objective(_Point(empty, shown))  # F of the best so far
        while len(self._left) > 1 and not self._is_enough(whole):
            lowest = yield from self._take_best(turn % self._to.update_step == 0)
            if len(self._left) > self._to.pending_samples and self._to.takes_worst(turn):
                yield from self._take_worst(lowest if turn == 0 else None)
            turn += 1
        first = [_Point(empty, shown), *self._rising]
        last = [*self._falling[::-1], _Point(shown, empty)]
        between = np.linspace(first[-1], last[0], len(self._left) + 1)[1:-1]
        only, without = np.concatenate([first, between, last]).T
        searched = len(self._best) if len(self._left) > 1 else None
        return Found(np.array(self._order, np.intp), only, without, searched)

    def _is_enough(self, whole: float) -> bool:
        """Return whether F is as high as that of the `whole` picture, or has ceased to grow."""
        if self._to.stop is None or not self._rising:
            return False
        if self._now >= whole - self._to.stop:
            return True
        if len(self._rising) <= PATIENCE:
            return False
        return self._now - self._objective(self._rising[-1 - PATIENCE]) < self._to.stop

    def _take_best(self, anew: bool) -> Generator[SearchProgress, None, _Point]:
        """Take the best of those in scope, or rank all anew; return the point of the last."""
        scope = self._left if anew else self._left[: self._to.search_scope]
        lazy = self._to.stop is not None and not anew
        points = yield from self._look_lazily(scope) if lazy else self._look_at(scope)
        scope = scope[: len(points)]
        values = [self._objective(point) for point in points]
        ranking = sorted(range(len(scope)), key=lambda i: -values[i])
        if anew:
            self._left = [scope[i] for i in ranking]
        best = scope[ranking[0]]
        self._left.remove(best)
        self._gains.update((region, v - self._now) for region, v in zip(scope, values, strict=True))
        if lazy:
            self._left.sort(key=lambda region: -self._gains[region])
        self._best.append(best)
        self._rising.append(points[ranking[0]])
        self._now = values[ranking[0]]
        return points[ranking[-1]]

    def _look_lazily(self, scope: list[int]) -> Generator[SearchProgress, None, list[_Point]]:
        """Return the points of the first of the scope, as far as one of them may be the best."""
        points: list[_Point] = []
        while len(points) < len(scope):
            points += yield from self._look_at(scope[len(points) : len(points) + 2])
            most = max(self._objective(point) for point in points) - self._now
            if len(points) < len(scope) and most >= self._gains[scope[len(points)]]:
                break
        return points

    def _look_at(self, scope: list[int]) -> Generator[SearchProgress, None, list[_Point]]:
        """Return the points of the best regions with one more each."""
        return (yield from self._look([[*self._best, region] for region in scope]))

    def _take_worst(self, single: _Point | None) -> Generator[SearchProgress, None, None]:
        """Take from the end the region without which F of all the rest is highest.

        At first it is the worst of the ranking, whose own point says what the rest is worth.
        """
        if single is not None:
            self._worst.append(self._left.pop())
            self._falling.append(_Point(single.without, single.only))
            return
        ends = self._left[-self._to.pending_samples :]
        kept = [{*range(self._readings.regions)} - {*self._worst, region} for region in ends]
        points = yield from self._look([sorted(rest) for rest in kept])
        at = max(range(len(ends)), key=lambda i: self._objective(points[i]))
        self._left.remove(ends[at])
        self._worst.append(ends[at])
        self._falling.append(points[at])

    def _look(self, sets: Sequence[Sequence[int]]) -> Generator[SearchProgress, None, list[_Point]]:
        """Return the points of sets of regions."""
        only = np.zeros((len(sets), self._readings.regions), bool)
        for mask, regions in zip(only, sets, strict=True):
            mask[list(regions)] = True
        masks = np.concatenate([only, ~only])
        new = self._unseen(masks)
        for known in self._readings.ask(new):
            done, alone = self._done + known, self._alone(new)
            yield SearchProgress(done, self._total, self._order, len(self._best), alone)
        self._done += len(new)
        return [_Point(*pair) for pair in zip(*np.split(self._read(masks), 2), strict=True)]

    def _read(self, masks: Masks) -> Floats:
        """Return (M,) p under masks that were read."""
        return self._readings.of(masks)[:, self._targets].mean(axis=1, dtype=np.float64)

    def _alone(self, masks: Masks) -> tuple[float, ...]:
        """Return what single regions add, as far as these masks (M, n) were read; () later on."""
        if self._best:
            return ()
        gains = np.zeros(self._readings.regions)
        single = [mask for mask in masks if mask.sum() == 1 and self._readings.knows(mask)]
        if single:
            gains[np.argmax(single, axis=1)] = self._read(np.stack(single)) - self._empty
        return tuple(gains.tolist())

    def _unseen(self, masks: Masks) -> Masks:
        """Return the masks (M, n) that this search has not looked at yet, each once."""
        names = [mask.tobytes() for mask in masks]
        fresh = [
            i for i, name in enumerate(names) if name not in self._seen and name not in names[:i]
        ]
        self._seen.update(names)
        return masks[fresh]

    def _objective(self, point: _Point) -> float:
        return self._to.insight * point.only + self._to.necessity * (1 - point.without)

    @property
    def _order(self) -> tuple[int, ...]:
        return (*self._best, *self._left, *self._worst[::-1])
