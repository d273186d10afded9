"""Choose how many readings go into one batch, by the time that the first batches took."""

from __future__ import annotations

from collections.abc import Mapping

GAIN = 0.9  # a larger batch pays if a reading takes at most this share of its time before
SECONDS = 2.0  # that a larger batch may take, so that progress and an end of the search come soon


def choose_batch(times: Mapping[int, float], first: int, most: int) -> int:
    """Return how many readings the next batch should have, 1 to `most`.

    Batches begin with `first` readings and double as long as a reading gets faster by a tenth, and
    the doubled batch would not take longer than `SECONDS`. Then the size with the fastest readings
    stays.

    Args:
        times: for each size that was tried, the least seconds that one reading took.
        first: the size to begin with.
        most: how many readings memory allows at once, at least 1.
    """
    size = first
    if times:
        largest = max(times)
        before = times.get(largest // 2)
        pays = before is None or times[largest] <= GAIN * before
        if pays and 2 * largest * times[largest] <= SECONDS:
            size = 2 * largest
        else:
            size = min(times, key=lambda tried: times[tried])
    return max(1, min(size, most))
