"""How many threads a model runs on, and how they wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from explainer.models import threads
from explainer.waiting import VARIABLES, let_threads_sleep
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]
LARGE = 2_000_000_000


@pytest.mark.parametrize(
    ("parameters", "cores", "wanted"),
    [
        (3_600_000, 2, 1),
        (3_600_000, 64, 1),
        (LARGE, 1, 1),
        (LARGE, 2, 2),
        (LARGE, 3, 2),
        (LARGE, 8, 7),
        (LARGE, 64, 16),
    ],
)
def test_threads_follow_the_size_of_the_model(monkeypatch, parameters, cores, wanted):
    monkeypatch.setattr(threads, "_MOST", 16)
    assert threads.choose_threads(parameters, cores, {}) == wanted


@pytest.mark.parametrize(
    ("of_a_product", "cores", "wanted"), [(1, 1, 1), (1, 2, 2), (1, 8, 7), (2, 2, 1), (None, 8, 1)]
)
def test_only_a_small_model_shares_a_batch_among_cores(of_a_product, cores, wanted):
    assert threads.choose_sharers(of_a_product, cores) == wanted


def test_a_batch_reads_the_same_however_it_is_shared(qwen):
    run = qwen.record(tiny.image(56, 56), "what?", scales=(1.0,), max_new_tokens=3)
    rng, engine = np.random.default_rng(0), qwen._engine
    variants = [[rng.integers(0, 256, run.image.shape, dtype=np.uint8)] for _ in range(5)]
    before, found = (engine.sharers, torch.get_num_threads()), []
    try:
        for engine.sharers in (1, 2, 3, 8):
            found.append(qwen.token_probabilities(run, variants))
            assert torch.get_num_threads() == before[1]
    finally:
        engine.sharers = before[0]
    for probs in found[1:]:
        np.testing.assert_allclose(probs, found[0], rtol=1e-4, atol=1e-7)


def test_the_number_of_threads_that_a_user_sets_is_kept():
    assert threads.choose_threads(LARGE, 8, {"OMP_NUM_THREADS": "5"}) is None
    assert threads.choose_threads(10, 8, {"MKL_NUM_THREADS": "5"}) is None


def test_cores_are_those_of_the_container(tmp_path):
    every = threads.usable_cores(tmp_path / "none")
    assert every >= 1
    for text, cores in (("max 100000", every), ("50000 100000", 1), ("100000 100000", 1)):
        (tmp_path / "cpu.max").write_text(f"{text}\n")
        assert threads.usable_cores(tmp_path) == cores
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    assert threads.usable_cores(tmp_path) == min(every, 3)


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    with threads.running_on(before + 2):
        assert torch.get_num_threads() == before + 2
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), threads.running_on(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


def test_each_call_of_a_model_runs_on_its_threads(qwen, monkeypatch):
    seen = set()
    hook = qwen.family.decoder.norm.register_forward_hook(
        lambda *_: seen.add(torch.get_num_threads())
    )
    monkeypatch.setattr(qwen._engine, "threads", 3)
    try:
        qwen.record(_grey(), "What is it?", max_new_tokens=2)
    finally:
        hook.remove()
    assert seen == {3}
    assert torch.get_num_threads() != 3


def _grey():
    return np.full((64, 64, 3), 128, np.uint8)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_wait_policy_that_a_user_sets_is_kept(name):
    told = {name: "as it is"}
    let_threads_sleep(told)
    assert told == {name: "as it is"}


@pytest.mark.parametrize("start", ["import explainer", "import explainer.__main__", "import app"])
def test_threads_sleep_wherever_the_program_starts(start):
    code = (
        f"import os, sys\n{start}\nassert 'torch' not in sys.modules\n"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    env = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True)
    assert told.stdout.decode().strip() == "PASSIVE", told.stderr
