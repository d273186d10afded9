"""The interface that probing needs: probabilities of an answer under changed pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from explainer.run import Run


class AnswerReader(Protocol):
    """Reads a recorded answer again with other pictures; `Explainer` is one."""

    def token_probabilities(
        self, run: Run, variants: Sequence[Sequence[npt.NDArray[np.uint8]]]
    ) -> npt.NDArray[np.float32]:
        """Return (V, R): the probability of each of the R answer tokens under each of V variants.

        A variant is one picture in place of each picture of the run.
        """
        ...
