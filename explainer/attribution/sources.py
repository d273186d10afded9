"""Measure what each word of an answer rests on: the picture, the prompt, or the words before it.

The answer is read again in one batch, each time with one source out of reach of the text's
attention (`knockout`). What a source is worth to a word is the probability that the word loses:

    d_s = max(0, P(word) - P(word | s out of reach)),    share_s = d_s / sum of all d

A row of text always attends to itself. So the word just before, whose state predicts the next one,
is never out of reach: "words" are those before it. Two sources that say the same can stand in for
each other, and then neither costs anything; `held` says how much was lost at all.

This follows the question of EAGLE (arXiv 2509.22496, "what they rely on"), which answers it by the
area under the insertion curve, a search for each word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.attribution.knockout import TextRows
from explainer.models.engine import Engine
from explainer.run import ANSWER, PROMPT, Run

SOURCES = ("picture", "prompt", "words")
LEAST = 0.05  # of probability; a word that loses less to all sources together rests on none alone

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WordSources:
    """What the R tokens of an answer rest on.

    Attributes:
        tokens: (R,) indices into `Run.tokens`.
        shown: (R,) their probabilities with everything in reach.
        without: (3, R) with the picture, the prompt, or the earlier words out of reach.
    """

    tokens: npt.NDArray[np.intp]
    shown: Floats
    without: Floats

    @property
    def lost(self) -> Floats:
        """Return (3, R): the probability that a token loses without each source, 0 to 1."""
        return np.maximum(0, self.shown - self.without)

    @property
    def held(self) -> Floats:
        """Return (R,): the losses to all three sources, added up, 0 to 3."""
        return self.lost.sum(axis=0)

    @property
    def shares(self) -> Floats:
        """Return the share (3, R) of each source; shares add up to 1.

        Zeros for a token that loses less than `LEAST` to all of them.
        """
        return np.where(self.held >= LEAST, self.lost / np.maximum(self.held, LEAST), 0)

    def as_json(self, run: Run) -> list[dict[str, Any]]:
        """Return for each token {token, text, shown, picture, prompt, words, without}."""
        return [
            {
                "token": int(token),
                "text": run.tokens.texts[token],
                "shown": float(self.shown[i]),
                **{name: float(self.shares[s, i]) for s, name in enumerate(SOURCES)},
                "without": {name: float(self.without[s, i]) for s, name in enumerate(SOURCES)},
            }
            for i, token in enumerate(self.tokens)
        ]

    def sentence(self) -> str:
        """Return what the whole answer rests on, in one sentence."""
        lost = self.lost.sum(axis=1)
        if lost.sum() < LEAST:
            return "No single source can be missed: the answer rests on none of them alone."
        parts = ", ".join(
            f"{share:.0%} on {name}"
            for name, share in zip(
                ("the picture", "the prompt", "its own earlier words"),
                lost / lost.sum(),
                strict=True,
            )
        )
        return f"The answer rests {parts}."


def word_sources(engine: Engine, run: Run) -> WordSources:
    """Return what each token of an answer rests on, from one batched reading of its text.

    Raises:
        RunError: the answer cannot be read again with this model.
        ModelError: the memory is not enough.
    """
    rows = TextRows(engine, run)
    answer, places = run.indices(ANSWER), np.asarray(run.tokens.positions)
    length = int(rows.positions[-1]) + 1
    shown = np.ones((1 + len(SOURCES), len(rows.positions), length), bool)
    shown[1][:, rows.visual] = False
    shown[2][:, places[run.indices(PROMPT)]] = False
    shown[3][:, places[answer]] = False
    at, ids = places[answer] - 1, run.tokens.ids[answer]
    probs = rows.probabilities(shown, at.tolist(), ids.tolist())
    return WordSources(answer, probs[0], probs[1:])
