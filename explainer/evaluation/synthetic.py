"""Random runs with exactly the shapes of recorded ones.

The sequence is: template tokens, the image, one template token, the prompt, template tokens, the
answer. So the first token has no state that predicts it, and the own state of the token before the
image is missing, as in a recorded run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from explainer.run import ANSWER, PROMPT, TEMPLATE, Run, Scale, Tokens, Unembedding, View

Box = tuple[float, float, float, float]
Grid = tuple[int, int]

GRIDS: Mapping[float, tuple[int, int]] = {1.0: (21, 21), 0.75: (16, 16), 0.5: (11, 11)}
N_CANDIDATES = 10  # of each answer token, whose rows travel with a run
N_WORDS = 5  # listed at each visual token
N_TEMPLATE_IDS = 8  # ids 0..7 stand for special tokens, as in a real vocabulary


def grid_rects(
    grid: tuple[int, int], box: Box, seen: tuple[int, int, int, int] | None = None
) -> npt.NDArray[np.float32]:
    """Return (N, 4) float32 rectangles of a row-major grid, NaN where the token sees nothing.

    The tokens in rows `seen[0]` to `seen[1]` and columns `seen[2]` to `seen[3]` (ends excluded; by
    default all) divide the pixel box (x0, y0, x1, y1) evenly.
    """
    row0, row1, column0, column1 = seen or (0, grid[0], 0, grid[1])
    x = np.linspace(box[0], box[2], column1 - column0 + 1)
    y = np.linspace(box[1], box[3], row1 - row0 + 1)
    rects = np.full((*grid, 4), np.nan, np.float32)
    inner = rects[row0:row1, column0:column1]
    inner[..., 0], inner[..., 2] = x[None, :-1], x[None, 1:]
    inner[..., 1], inner[..., 3] = y[:-1, None], y[1:, None]
    return rects.reshape(-1, 4)


def synthetic_run(
    rng: np.random.Generator,
    *,
    n_template: int = 6,
    n_prompt: int = 5,
    n_answer: int = 8,
    grids: Mapping[float, Grid | Sequence[tuple[int, Grid]]] = GRIDS,
    d: int = 32,
    vocab: int = 300,
    k_top: int = 200,
    image_size: tuple[int, int] = (336, 336),
    answer_ids: Sequence[int] | None = None,
    planted: Mapping[int, Box] | None = None,
    seen: Mapping[float, tuple[int, int, int, int]] | None = None,
) -> Run:
    """Return a random run of T = n_template + n_prompt + n_answer text tokens.

    `grids` holds for each scale the grid of the only view, or (image, grid) for each of several.
    `image_size` is (height, width), of every image. `answer_ids` fixes the answer (and its length).
    `planted` maps a vocabulary id to a pixel box (x0, y0, x1, y1): visual tokens whose centre lies
    in it carry a strong logit of that id at every scale, in every image. `seen` limits a scale to
    a part of its grids, as a padded canvas does: rows and columns (row0, row1, column0, column1)
    hold the whole picture, the rest sees nothing. Every top-K list, of text and visual tokens, is
    the true one for its state, over the whole small vocabulary.
    """
    height, width = image_size
    rows = rng.normal(size=(vocab, d)).astype(np.float16)
    layouts = {alpha: _layout(grid) for alpha, grid in grids.items()}
    n_visual = sum(rows * columns for _, (rows, columns) in layouts[1.0])
    tokens = _tokens(rng, n_template, n_prompt, n_answer, vocab, n_visual, answer_ids)
    states = rng.normal(size=(len(tokens) + 1, d)).astype(np.float16)
    if tokens.positions[0] == 0:
        states[0] = 0
    topk, probs, logsum = _top(states, rows, min(k_top, vocab))
    if tokens.positions[0] == 0:
        topk[0] = -1
    scales = []
    for alpha in sorted(grids, key=lambda a: (a != 1.0, a)):
        part, box = (seen or {}).get(alpha), (0.0, 0.0, width, height)
        views = tuple(View(i, grid, grid_rects(grid, box, part)) for i, grid in layouts[alpha])
        rects = np.concatenate([view.rects for view in views])
        visual = _plant(rng.normal(size=(len(rects), d)), rects, rows, planted or {})
        scales.append(_scale(alpha, views, visual, rows))
    logits = np.einsum("td,td->t", states[:-1].astype(np.float32), rows[tokens.ids].astype("f4"))
    return Run(
        images=tuple(
            rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            for _ in {image for image, _ in layouts[1.0]}
        ),
        prompt="".join(tokens.texts[i] for i in np.flatnonzero(tokens.roles == PROMPT)),
        model_id="synthetic",
        tokens=tokens,
        states=states,
        topk=topk,
        candidate_probs=probs,
        probs=np.exp(logits - logsum[:-1]).astype(np.float32),
        scales=tuple(scales),
        unembedding=_unembedding(rng, rows, tokens, topk, scales),
        pieces={i: _text(i) for i in range(vocab)},
        settings={"scales": sorted(grids), "seconds": 0.0},
        visual_topk=_top(scales[0].states, rows, N_WORDS)[0],
    )


def _layout(grids: Grid | Sequence[tuple[int, Grid]]) -> list[tuple[int, Grid]]:
    """Return (image, grid) for each view."""
    rows, columns = grids[0], grids[-1]
    if isinstance(rows, int) and isinstance(columns, int):
        return [(0, (rows, columns))]
    return [layout for layout in grids if not isinstance(layout, int)]


def _text(token_id: int) -> str:
    return f"<{token_id}>" if token_id < N_TEMPLATE_IDS else f" w{token_id}"


def _tokens(
    rng: np.random.Generator,
    n_template: int,
    n_prompt: int,
    n_answer: int,
    vocab: int,
    n_visual: int,
    answer_ids: Sequence[int] | None,
) -> Tokens:
    """Draw ids (from half the vocabulary, so that some repeat) and lay the sequence out."""
    ordinary = slice(N_TEMPLATE_IDS, max(N_TEMPLATE_IDS + 2, vocab // 2))
    prompt = rng.integers(ordinary.start, ordinary.stop, n_prompt)
    answer = np.asarray(
        rng.integers(ordinary.start, ordinary.stop, n_answer) if answer_ids is None else answer_ids,
        dtype=int,
    )
    head = n_template // 2
    template = np.arange(n_template) % N_TEMPLATE_IDS
    ids = np.concatenate([template[:head], prompt, template[head:], answer]).astype(np.int32)
    counts = [(TEMPLATE, head), (PROMPT, n_prompt), (TEMPLATE, n_template - head)]
    roles = np.repeat([r for r, _ in counts] + [ANSWER], [n for _, n in counts] + [len(answer)])
    positions = np.arange(len(ids))
    positions[max(0, head - 1) :] += n_visual  # the image stands before the head's last token
    texts = tuple(_text(int(i)) for i in ids)
    return Tokens(ids, texts, roles.astype(np.uint8), positions.astype(np.int32))


def _top(
    states: np.ndarray, rows: np.ndarray, k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the top-k ids of every state, the softmax of the first 20, and the log-sum-exp."""
    logits = states.astype(np.float32) @ rows.astype(np.float32).T
    found = np.sort(np.argpartition(logits, -k, axis=1)[:, -k:], axis=1)
    order = np.argsort(-np.take_along_axis(logits, found, axis=1), axis=1, kind="stable")
    topk = np.take_along_axis(found, order, axis=1).astype(np.int32)
    peak = logits.max(axis=1)
    logsum = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))
    best = np.take_along_axis(logits, topk[:, :20], axis=1)
    return topk, np.exp(best - logsum[:, None]).astype(np.float32), logsum


def _plant(
    visual: np.ndarray, rects: np.ndarray, rows: np.ndarray, planted: Mapping[int, Box]
) -> npt.NDArray[np.float16]:
    x, y = (rects[:, 0] + rects[:, 2]) / 2, (rects[:, 1] + rects[:, 3]) / 2
    for token_id, (x0, y0, x1, y1) in planted.items():
        inside = (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)  # NaN centres are never inside
        visual[inside] += 2.0 * rows[token_id].astype(float)
    return visual.astype(np.float16)


def _scale(alpha: float, views: tuple[View, ...], visual: np.ndarray, rows: np.ndarray) -> Scale:
    sums = rows.astype(np.float32) @ visual.astype(np.float32).sum(axis=0)
    ordinary = int(sums[N_TEMPLATE_IDS:].argmin()) + N_TEMPLATE_IDS
    return Scale(alpha, views, visual, ordinary, int(sums.argmin()))


def _unembedding(
    rng: np.random.Generator,
    rows: np.ndarray,
    tokens: Tokens,
    topk: np.ndarray,
    scales: Sequence[Scale],
) -> Unembedding:
    """Keep the rows of all ids that a recorded run would hold, and some others."""
    strangers = rng.integers(0, len(rows), 10)
    rivals = topk[-1 - int((tokens.roles == ANSWER).sum()) :, :N_CANDIDATES].ravel()
    first = topk[topk[:, 0] >= 0, 0]
    in_play = [
        tokens.ids,
        first,
        rivals[rivals >= 0],
        [i for s in scales for i in (s.base_id, s.least_id)],
        strangers,
    ]
    ids = np.unique(np.concatenate(in_play)).astype(np.int32)
    return Unembedding(ids, rows[ids], np.zeros(len(ids), np.float32))
