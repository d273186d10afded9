"""A run file near what is let in takes at most 300 MB above idle, from upload to evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainer.evaluation.synthetic import synthetic_run
from explainer.run import Run, Unembedding
from explainer.run.memory import estimate_memory
from explainer.run.store import RunStore
from explainer.ui.evidence import message_of
from explainer.ui.sections.recorded.opening import MOST_BYTES, MOST_IN_USE, Opening
from explainer.web.controls import panel_value
from tests.apart import memory, run_apart

BAR = 300_000_000  # bytes above idle
SIDE = 4960  # pixels of a picture: 10 bytes of each while it is read
SMALL = {1.0: (4, 5), 0.5: (2, 3)}


def show(path: Path) -> None:
    """Open a run file as the page does, and show the maps of its first word."""
    store = RunStore()
    page = Opening(store).upload(str(path), panel_value())
    assert page.bar, page.notice
    assert len(message_of(store.get(page.bar["run"]), page.bar["subject"])) > 1000


def peak_of_showing(small: Path, large: Path) -> int:
    """Return the bytes that showing a run file takes at most above those before."""
    show(small)  # what is imported for it is no part of the figure
    before = memory()
    Path("/proc/self/clear_refs").write_text("5")
    show(large)
    return memory("VmHWM") - before


def wide() -> Run:
    """Return a run of which the lens products take most of what is let in."""
    grids, count, rng = (
        {1.0: (40, 40), 0.75: (30, 30), 0.5: (20, 20)},
        19_000,
        np.random.default_rng(0),
    )
    run = synthetic_run(rng, grids=grids, d=64, vocab=300)
    rows = rng.normal(size=(count, 64)).astype(np.float16)
    own = run.unembedding
    rows[own.ids] = own.rows
    bias = np.zeros(count, own.bias.dtype) if len(own.bias) else own.bias
    known = Unembedding(np.arange(count, dtype=np.int32), rows, bias)
    run = replace(run, unembedding=known, pieces={i: f" w{i}" for i in range(count)})
    assert estimate_memory(run) > 0.85 * MOST_IN_USE
    return run


def with_pictures() -> Run:
    """Return a run whose picture takes most of what is let in."""
    cells = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    large = cells.repeat(SIDE // 8, axis=0).repeat(SIDE // 8, axis=1)
    run = synthetic_run(np.random.default_rng(0), grids=SMALL, image_size=large.shape[:2])
    return replace(run, images=(large,))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells peaks")
@pytest.mark.parametrize("make", [wide, with_pictures])
def test_a_run_near_the_limits_takes_at_most_300_mb(tmp_path, make):
    large = make()
    synthetic_run(np.random.default_rng(0), grids=SMALL).save(tmp_path / "small.npz")
    large.save(tmp_path / "large.npz")
    assert (tmp_path / "large.npz").stat().st_size <= MOST_BYTES
    assert run_apart(peak_of_showing, tmp_path / "small.npz", tmp_path / "large.npz") <= BAR
