"""Append the end token of an answer to its tokens, as TAM's evaluation does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explainer.run import ANSWER, Run, Tokens


def with_end_token(run: Run, piece: str) -> Run:
    """Return the run with the token that ended its answer as its last token.

    Its map is computed like any other, from the last recorded state, which predicts it. There is no
    state at the token itself, since nothing follows it; that row is 0, and its top-k list is -1.

    Args:
        run: a run of one layer; its setting "end" is the id of the token.
        piece: its text, such as "<|im_end|>".
    """
    end, t = int(run.settings["end"]), run.tokens
    tokens = Tokens(
        np.append(t.ids, np.int32(end)),
        (*t.texts, piece),
        np.append(t.roles, np.uint8(ANSWER)),
        np.append(t.positions, t.positions[-1] + np.int32(1)),
    )
    chance = run.candidate_probs[-1][run.topk[-1, : run.candidate_probs.shape[1]] == end]
    return replace(
        run,
        tokens=tokens,
        states=_with_row(run.states, 0),
        topk=_with_row(run.topk, -1),
        candidate_probs=_with_row(run.candidate_probs, 0),
        probs=np.append(run.probs, np.float32(chance[0] if len(chance) else np.nan)),
        layers=(),
        evidence=None,
        sources=None,
    )


def _with_row(values: np.ndarray, fill: float) -> np.ndarray:
    return np.concatenate([values, np.full_like(values[:1], fill)])
