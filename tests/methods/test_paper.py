"""The preset `paper` against Eq. 2 to 9 of arXiv 2509.22415, written down pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.errors import KnobError, RunError
from explainer.methods import METHODS
from explainer.run import ANSWER, Run
from explainer.run.geometry import MOST_PIXELS, Layout
from tests.methods import slow
from tests.methods.small import small_run

METHOD = METHODS["msea_arc"]
SCALES = (0.5, 0.75, 1.0)


def tiny(seed: int = 0, **changes) -> Run:
    """Return a run about a picture of 28 x 24 pixels, with repeated words."""
    grids = {1.0: (5, 6), 0.75: (4, 4), 0.5: (2, 3)}
    return small_run(seed, image_size=(24, 28), grids=grids, **changes)


def resized(run: Run, token_id: int, alpha: float) -> np.ndarray:
    """Return Resize(A^(s), 1 / alpha), at the size of the picture (Eq. 2, 4 and 5)."""
    return slow.enlarge(slow.lens(run, token_id, alpha), run.images[0].shape[:2])


def attribution(run: Run, token_id: int) -> np.ndarray:
    """Return A of Eq. 5."""
    return sum(resized(run, token_id, alpha) for alpha in SCALES) / len(SCALES)


def letter(run: Run, t: int) -> tuple[np.ndarray, float]:
    """Return max(0, A_t - beta Ahat_t) and beta (Eq. 6 to 9)."""
    ids = [int(i) for i in run.tokens.ids]
    total, weighted = 1.0, resized(run, run.scales[0].least_id, 1.0)  # A_0: Eq. 4, with r_0 = 0
    for j in range(t):
        if run.topk[j, 0] < 0:
            continue  # nothing came before the first token, so nothing predicts it
        lists = [[int(i) for i in run.topk[x, :50]] for x in (j, t)]
        weight = 1 - slow.overlap(*lists, p=0.9, variant="normalised")
        total, weighted = total + weight, weighted + weight * attribution(run, ids[j])
    own, interference = attribution(run, ids[t]), weighted / total
    beta = float((own * interference).sum() / (interference * interference).sum())
    return np.maximum(0, own - beta * interference), beta


@pytest.mark.parametrize("seed", [0, 1])
def test_paper_is_the_equations(seed):
    run = tiny(seed)
    for t in [*run.indices(ANSWER)[:4], run.indices(ANSWER)[-1]]:
        clean, beta = letter(run, int(t))
        heat = METHOD(run, int(t), preset="paper")
        assert heat.notes["beta"] == pytest.approx(beta, abs=1e-4)
        scores = [slow.score(run, int(run.tokens.ids[t]), j) for j in slow.before(run, int(t))]
        want = slow.rank_gaussian(slow.joint(clean, scores))
        np.testing.assert_allclose(heat.values, want, atol=2e-5)
        assert heat.values.shape == (24, 28)


def test_a_0_is_the_least_of_the_whole_vocabulary():
    run = tiny()
    sums = {int(i): slow.lens(run, int(i)).sum() for i in run.unembedding.ids}
    assert run.scales[0].least_id == min(sums, key=sums.__getitem__)


def test_a_run_without_that_id_says_so():
    scales = [s.__class__(s.alpha, s.views, s.states, s.base_id) for s in tiny().scales]
    run = tiny().__class__(**{**vars_of(tiny()), "scales": tuple(scales)})
    with pytest.raises(RunError, match="record it again"):
        METHOD(run, 12, preset="paper")
    assert METHOD(run, 12, preset="paper", base="scale1").values.shape == (24, 28)


def vars_of(run: Run) -> dict:
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


def test_large_pictures_are_fused_in_cells_of_whole_pixels():
    run = small_run(image_size=(1000, 700))
    (grid,) = Layout.of(run).at_pixels().grids
    assert grid.shape[0] * grid.shape[1] <= MOST_PIXELS
    assert grid.shape == (333, 233)  # of 3 x 3 pixels
    assert grid.extent == (0, 0, 700, 1000)


def test_pixels_are_not_divided_further():
    with pytest.raises(KnobError, match="factor"):
        METHOD(tiny(), 12, fuse_at="pixels", factor=2)
