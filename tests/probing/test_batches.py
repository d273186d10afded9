"""The size of batches: chosen from seconds and memory, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.models.loading.memory import MOST_READINGS, most_readings
from explainer.probing import batches, eagle_search
from explainer.probing.batches import choose_batch
from explainer.probing.eagle_search import RegionReadings


@pytest.mark.parametrize(
    ("times", "most", "size"),
    [
        ({}, 64, 4),  # nothing measured yet
        ({}, 3, 3),  # memory for three
        ({4: 0.1}, 64, 8),  # one size says nothing about the next
        ({4: 0.1}, 6, 6),
        ({4: 0.1, 8: 0.09}, 64, 16),  # a tenth faster
        ({4: 0.1, 8: 0.095}, 64, 8),  # not a tenth, but the fastest
        ({4: 0.1, 8: 0.12}, 64, 4),  # slower
        ({4: 0.1, 8: 0.08, 16: 0.08}, 64, 8),
        ({4: 0.1, 8: 0.08, 16: 0.06}, 64, 32),
        ({4: 0.3}, 64, 4),  # 8 would take 2.4 s
        ({4: 9.0}, 64, 4),  # never smaller than the first
        ({4: 0.3, 8: 0.25}, 64, 8),  # 16 would take 4 s
        ({4: 0.1}, 0, 1),
    ],
)
def test_a_size_is_chosen(times, most, size):
    assert choose_batch(times, 4, most) == size


def test_memory_bounds_the_size():
    assert most_readings(1000, None) == 4
    assert most_readings(1000, 3_000_000_000) == 10  # 150 MB each, of half the free memory
    assert most_readings(1000, 1) == 1
    assert most_readings(10, 1 << 40) == MOST_READINGS


def test_batches_grow_while_readings_get_faster(monkeypatch):
    """Batches of up to 16 take a second by the clock, larger ones four."""
    clock = [0.0]
    monkeypatch.setattr(batches, "SECONDS", 60.0)
    monkeypatch.setattr(eagle_search.time, "perf_counter", lambda: clock[0])
    sizes: list[int] = []

    def score(masks: np.ndarray) -> np.ndarray:
        clock[0] += 1.0 if len(masks) <= 16 else 4.0
        sizes.append(len(masks))
        return np.zeros((len(masks), 1))

    masks = np.unpackbits(np.arange(120, dtype=np.uint8)[:, None], axis=1).astype(bool)
    known = [*RegionReadings(score, 8, most=64).ask(masks)]
    assert sizes == [4, 8, 16, 32, 16, 16, 16, 12]
    assert known == np.cumsum(sizes).tolist()
    sizes.clear()
    assert [*RegionReadings(score, 8).ask(masks)][-1] == 120
    assert set(sizes) == {4}, "without `most` the size stays"
