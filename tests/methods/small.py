"""A run small enough for the slow equations, with repeated words in it, and ways to vary it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explainer.evaluation.synthetic import synthetic_run
from explainer.run import Run, Tokens

GRIDS = {1.0: (6, 7), 0.75: (5, 5), 0.5: (3, 4)}


def small_run(seed: int = 0, **changes) -> Run:
    """Return a run of 6 template, 4 prompt and 7 answer tokens in which some answer ids repeat."""
    settings = {
        "n_prompt": 4,
        "grids": GRIDS,
        "d": 12,
        "vocab": 120,
        "k_top": 60,
        "image_size": (60, 70),
        "answer_ids": [20, 21, 20, 33, 21, 47, 20],
    }
    run = synthetic_run(np.random.default_rng(seed), **settings | changes)
    return replace(run, visual_topk=None)  # no method reads these words


def with_texts(run: Run, texts: dict[int, str]) -> Run:
    """Return the run with other texts for some tokens."""
    t = run.tokens
    new = tuple(texts.get(i, text) for i, text in enumerate(t.texts))
    return replace(run, tokens=Tokens(t.ids, new, t.roles, t.positions))


def cut(run: Run, n: int) -> Run:
    """Return the run as it was when only its first n text tokens existed."""
    t = run.tokens
    return replace(
        run,
        tokens=Tokens(t.ids[:n], t.texts[:n], t.roles[:n], t.positions[:n]),
        states=run.states[: n + 1],
        topk=run.topk[: n + 1],
        candidate_probs=run.candidate_probs[: n + 1],
        probs=run.probs[:n],
    )
