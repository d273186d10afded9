"""Test whether a word follows a map: its curves in the map's order against random orders.

A map that finds what the model goes by brings the word back sooner than chance, when its strongest
places are shown first, and costs it sooner when they are taken away first (`curves`). Chance
differs from one draw to the next, so there are several random orders; all words of a run share
them, and so their readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explainer.errors import TokenError
from explainer.methods.base import Heatmap
from explainer.methods.controls import noise
from explainer.probing.curves import PLAN, CurvePlan, Curves, Readings, read
from explainer.probing.reader import AnswerReader
from explainer.probing.reliance import SENSITIVE
from explainer.run import ANSWER, Run

RANDOM = 4  # random orders: one that knows nothing beats them all in one case of five
# How far an area has to be from chance, as a part of what the picture adds to the word. Two random
# orders are as far apart for half the words that the bundled model says of the examples.
CLEAR = 0.1
ANY = 0.1  # of the picture, drawn at random: a word that is back by then needs no certain place
ENOUGH = 0.8  # of its probability with the whole picture, from where on a word counts as back


@dataclass(frozen=True, eq=False)
class MapTest:
    """The curves of one word.

    Attributes:
        curves: for the order of each map, by its name.
        random: for each of the random orders.
    """

    curves: Mapping[str, Curves]
    random: tuple[Curves, ...]

    @property
    def chance(self) -> Curves:
        """Return the mean of the random orders."""
        shown = np.mean([curves.insertion for curves in self.random], axis=0)
        taken = np.mean([curves.deletion for curves in self.random], axis=0)
        return Curves(self.random[0].share, shown, taken)

    @property
    def added(self) -> float:
        """Return what the picture adds to the probability of the word, -1 to 1."""
        return self.random[0].whole - self.random[0].empty

    def verdict_of_word(self) -> str:
        """Return what the ends of the curves say, a key of `words.WORD`.

        "unlikely": the word was hardly expected even with the picture; "free": it does not need
        the picture; "any": it needs some of it, but next to any will do; "rests": it does need it,
        so the maps can be put to the test.
        """
        if self.random[0].whole < SENSITIVE:
            return "unlikely"
        if self.added < SENSITIVE:
            return "free"
        return "any" if self.chance.reaches(ENOUGH) <= ANY else "rests"

    def verdict_of_map(self, name: str) -> str:
        """Return what the order of a map does to a word that rests on the picture.

        The result is a key of `words.MAPS`.

        "follows": sooner than chance the word comes back, and goes; "back" and "gone": only the one
        or the other; "chance": neither.
        """
        back, gone = self._sooner(name, "insertion", 1), self._sooner(name, "deletion", -1)
        if back and gone:
            return "follows"
        return "back" if back else "gone" if gone else "chance"

    def _sooner(self, name: str, figure: str, sign: int) -> bool:
        """Return whether an area is better than each random one, and clearly than their mean."""
        mine = sign * self.curves[name].figures()[figure]
        theirs = [sign * curves.figures()[figure] for curves in self.random]
        return mine > max(theirs) and mine - float(np.mean(theirs)) >= CLEAR * self.added


def random_maps(run: Run) -> list[Heatmap]:
    """Return the maps of the random orders, the same ones whenever the same run is asked."""
    count = len(run.tokens)
    return noise(run, range(count, count + RANDOM))


def check_word(run: Run, tokens: Sequence[int]) -> list[int]:
    """Check tokens; raise `TokenError` if there is none, or one that is not of the answer."""
    tokens = [run.check_token(token) for token in tokens]
    if not tokens or not np.isin(tokens, run.indices(ANSWER)).all():
        raise TokenError("only words of the answer have a probability that can be measured again")
    return tokens


def make_map_test(
    tokens: Sequence[int], maps: Mapping[str, Readings], random: Sequence[Readings]
) -> MapTest:
    """Build the test of one word from the readings of its answer tokens."""
    curves = {name: readings.of_word(tokens) for name, readings in maps.items()}
    return MapTest(curves, tuple(readings.of_word(tokens) for readings in random))


def prove(
    reader: AnswerReader,
    run: Run,
    tokens: Sequence[int],
    maps: Mapping[str, Heatmap],
    plan: CurvePlan = PLAN,
) -> MapTest:
    """Measure the curves of a word for each map and for `RANDOM` random orders.

    The model reads `2 * plan.steps` pictures for each.

    Args:
        tokens: of the answer, one word together.
        maps: heatmaps of the word, by name.

    Raises:
        TokenError: a token is not of the answer.
        RunError: the run is about a video, or was recorded with another model.
        ModelError: the memory is not enough.
    """
    tokens = check_word(run, tokens)
    found = {name: read(reader, run, heatmap, plan) for name, heatmap in maps.items()}
    random = [read(reader, run, heatmap, plan) for heatmap in random_maps(run)]
    return make_map_test(tokens, found, random)
