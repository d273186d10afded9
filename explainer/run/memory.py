"""How much memory a run takes."""

from __future__ import annotations

from explainer.run.record import RunRecord


def estimate_memory(run: RunRecord) -> int:
    """Return the bytes that a run takes in use: its arrays, and the logits that it caches.

    A run caches the logits of the lens on first use: (U, N) float32 for each scale and (T + 1, U)
    for the text, each at every layer, and the rows of W in float32. They are larger than the
    record.
    """
    states = len(run.states) + sum(len(scale.states) for scale in run.scales)
    return run.nbytes + count_cached_bytes(run.unembedding.rows.shape, states, len(run.layers))


def count_cached_bytes(rows: tuple[int, ...], states: int, layers: int) -> int:
    """Return the bytes of the logits that a run caches.

    Args:
        rows: (U, d), the shape of its unembedding rows.
        states: number of text and visual states of all scales, at one layer.
        layers: number of layers besides the last.
    """
    return 4 * rows[0] * ((1 + layers) * states + rows[1])
