from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from explainer.evaluation.synthetic import synthetic_run
from explainer.run import Run
from explainer.run.memory import estimate_memory
from explainer.run.store import RunStore


@pytest.fixture
def run() -> Run:
    return synthetic_run(np.random.default_rng(0), grids={1.0: (4, 4)}, image_size=(32, 32))


def _named(run: Run, prompt: str) -> Run:
    return replace(run, prompt=prompt)


def test_a_run_comes_back_and_its_bytes_are_counted(run):
    store = RunStore()
    key = store.key(run.image, "a", "m", {})
    assert store.get(key) is None
    store.put(key, run)
    assert store.get(key) is run
    assert len(store) == 1
    assert store.nbytes == estimate_memory(run)


def test_the_least_recently_used_goes_first(run):
    store = RunStore(max_bytes=2 * estimate_memory(run) + 10)
    store.put("a", run)
    store.put("b", run)
    store.get("a")
    store.put("c", run)
    assert [store.get(k) is not None for k in "abc"] == [True, False, True]
    assert store.nbytes <= store.max_bytes


def test_the_same_name_replaces_and_is_counted_once(run):
    store = RunStore()
    store.put("a", run)
    grown = run.with_scale(replace(run.scales[0], alpha=0.5))
    store.put("a", grown)
    assert store.get("a") is grown
    assert len(store) == 1
    assert store.nbytes == estimate_memory(grown) > estimate_memory(run)


def test_a_run_above_the_bound_is_kept_alone(run):
    store = RunStore(max_bytes=10)
    store.put("a", run)
    store.put("b", run)
    assert store.get("a") is None
    assert store.get("b") is run
    assert len(store) == 1


def test_the_footprint_counts_what_a_run_keeps_after_the_first_look(run):
    run.visual_logits(1.0), run.text_logits
    kept = run._rows.nbytes + run.text_logits.nbytes + run.visual_logits(1.0).nbytes
    assert estimate_memory(run) == run.nbytes + kept


def test_names_repeat_within_a_store_and_nowhere_else(run):
    store, other = RunStore(), RunStore()
    request = (run.image, "what?", "m", {"seed": 0, "scales": [0.5, 1.0]})
    key = store.key(*request)
    assert key == store.key(run.image.copy(), "what?", "m", {"scales": [0.5, 1.0], "seed": 0})
    assert key != other.key(*request)
    assert len(key) == 32


def test_every_part_of_a_request_counts(run):
    store = RunStore()
    turned = np.ascontiguousarray(run.image.reshape(16, 64, 3))
    requests = [
        (run.image, "a", "m", {}),
        (turned, "a", "m", {}),
        (run.image, "b", "m", {}),
        (run.image, "a", "n", {}),
        (run.image, "am", "", {}),
        (run.image, "a", "m", {"seed": 1}),
        (b"bytes", "a", "m", {}),
    ]
    assert len({store.key(*r) for r in requests}) == len(requests)


def test_a_bound_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        RunStore(0)


def test_many_threads_keep_the_books_right(run):
    store = RunStore(max_bytes=5 * estimate_memory(run))

    def work(seed: int) -> None:
        for i in np.random.default_rng(seed).integers(0, 12, 200):
            store.put(str(i), run) if i % 3 else store.get(str(i))

    threads = [threading.Thread(target=work, args=(s,)) for s in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.nbytes == len(store) * estimate_memory(run) <= store.max_bytes
