"""Synthetic runs that say what a test wants them to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from explainer.evaluation.synthetic import synthetic_run
from explainer.run import ANSWER, Run
from tests.methods.small import with_texts


def saying(*texts: str, seed: int = 0, **changes) -> Run:
    """Return a run whose answer tokens have these texts; equal texts share an id."""
    ids = [20 + list(dict.fromkeys(texts)).index(text) for text in texts]
    settings = {"grids": {1.0: (6, 7)}, "image_size": (60, 70), "answer_ids": ids}
    run = synthetic_run(np.random.default_rng(seed), **settings | changes)
    return with_texts(run, dict(zip(run.indices(ANSWER).tolist(), texts, strict=True)))


def local(run: Run, tokens: Sequence[int]) -> list[int]:
    """Return tokens counted from the first one of the answer."""
    return [token - int(run.indices(ANSWER)[0]) for token in tokens]
