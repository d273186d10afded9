"""Read an answer again with the picture, the prompt, or its own earlier words out of reach.

One batch, in which the text may not attend to one source each time (`knockout`).
`probing.sources` tells what the numbers mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explainer.attribution.knockout import TextRows
from explainer.models.engine import Engine
from explainer.run import ANSWER, SOURCES, TEMPLATE, Run


def read_without_sources(engine: Engine, run: Run) -> npt.NDArray[np.float32]:
    """Return the probabilities (3, R) of the answer tokens without each of `SOURCES`.

    Raises:
        RunError: the answer cannot be read again with this model.
        ModelError: the memory is not enough, or not all layers attend to all of the text before.
    """
    answer, places = run.indices(ANSWER), np.asarray(run.tokens.positions)
    if not len(answer):
        return np.zeros((len(SOURCES), 0), np.float32)
    rows = TextRows(engine, run)
    length = int(rows.positions[-1]) + 1
    shown = np.ones((len(SOURCES), 1, length), bool)
    asked = ~np.isin(run.tokens.roles, (TEMPLATE, ANSWER))  # the prompt, and what was said before
    hidden = (rows.visual, places[asked], places[answer])
    for mask, source in zip(shown, hidden, strict=True):
        mask[:, source] = False
    at, ids = places[answer] - 1, run.tokens.ids[answer]
    return rows.probabilities(shown, at.tolist(), ids.tolist())
