"""Tell what each word of an answer rests on: the picture, the prompt, or the words before it.

The answer was read again with each source out of reach of the text's attention, see
`attribution.sources`. What a source is worth to a word is the probability that the word loses:

    d_s = max(0, P(word) - P(word | s out of reach)),    share_s = d_s / sum of all d

A row of text always attends to itself. So the word just before, whose state predicts the next one,
is never out of reach: "words" are those before it. Two sources that say the same can stand in for
each other, and then neither costs anything; `held` says how much was lost at all.

This follows the question of EAGLE (arXiv 2509.22496, "what they rely on"), which answers it by the
area under the insertion curve, a search for each word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explainer.run import ANSWER, SOURCES, Run

LEAST = 0.05  # of probability; a word that loses less to all sources together rests on none alone


@dataclass(frozen=True)
class WordSources:
    """What a word of an answer rests on.

    Attributes:
        shown: its probability with everything in reach.
        without: the same with each of `SOURCES` out of reach, by name.
    """

    shown: float
    without: Mapping[str, float]

    @property
    def lost(self) -> dict[str, float]:
        """Return the probability that it loses without each source, 0 to 1."""
        return {name: max(0.0, self.shown - p) for name, p in self.without.items()}

    @property
    def held(self) -> float:
        """Return the losses to all three sources, added up, 0 to 3."""
        return sum(self.lost.values())

    @property
    def shares(self) -> dict[str, float] | None:
        """Return the share of each source, which add up to 1; None below `LEAST`."""
        held = self.held
        return None if held < LEAST else {name: p / held for name, p in self.lost.items()}

    @property
    def as_json(self) -> dict[str, Any]:
        """Return {shown, without, shares}."""
        return {"shown": self.shown, "without": dict(self.without), "shares": self.shares}


def word_sources(run: Run, tokens: Sequence[int]) -> WordSources | None:
    """Return what a word of these tokens rests on.

    A word of several tokens counts as a whole: its probability is the product of theirs. None if
    one of them is not of the answer, or if the run was recorded without sources. Raises
    `TokenError` for an index that is none.
    """
    tokens = [run.check_token(token) for token in tokens]
    answer = run.indices(ANSWER)
    if run.sources is None or not tokens or not np.isin(tokens, answer).all():
        return None
    shown = float(np.prod(run.probs[tokens], dtype=np.float64))
    without = np.prod(run.sources[:, np.searchsorted(answer, tokens)], axis=1, dtype=np.float64)
    return WordSources(shown, dict(zip(SOURCES, map(float, without), strict=True)))


def answer_shares(run: Run) -> dict[str, float] | None:
    """Return the share of each source in what all tokens of the answer lose together.

    None if they lose less than `LEAST`, or if the run was recorded without sources.
    """
    found = [word_sources(run, [int(token)]) for token in run.indices(ANSWER)]
    lost = {name: sum(word.lost[name] for word in found if word) for name in SOURCES}
    held = sum(lost.values())
    return None if held < LEAST else {name: p / held for name, p in lost.items()}


def describe_sources(run: Run) -> str:
    """Return what the whole answer rests on, in one sentence; "" without sources."""
    if run.sources is None:
        return ""
    shares = answer_shares(run)
    if shares is None:
        return "No single source can be missed: the answer rests on none of them alone."
    names = ("the picture", "the prompt", "its own earlier words")
    parts = [f"{shares[source]:.0%} on {name}" for source, name in zip(SOURCES, names, strict=True)]
    return f"The answer rests {', '.join(parts[:-1])} and {parts[-1]}."
