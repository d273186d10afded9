"""Every method on recordings of every family, in each dtype: sound maps, in the right place."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.methods import METHODS
from explainer.methods.base import Method
from explainer.run import ANSWER, PROMPT, Run
from explainer.run.geometry import Layout
from tests import tiny
from tests.methods.test_registry import check_sound

SIZE = (60, 160)


@pytest.fixture(scope="module")
def run(any_model) -> Run:
    options = {"scales": (0.5, 0.6, 0.75), "max_new_tokens": 6}
    return any_model.record(tiny.image(*SIZE), "what is in the picture?", **options)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_tokens_have_sound_maps_over_the_seen_part(run: Run, method: Method):
    (grid,) = Layout.of(run).grids
    tokens = [*run.indices(PROMPT), *run.indices(ANSWER)]
    knobs = (
        {"scales": [0.5, 0.6, 0.75, 1.0]} if any(k.name == "scales" for k in method.knobs) else {}
    )
    for preset in [None, *method.presets]:
        settings = {**({"preset": preset} if preset else {}), **knobs}
        for heat in method.explain_many(run, tokens, **settings):
            check_sound(heat)
            assert heat.extent == grid.extent
            if preset == "paper":
                x0, y0, x1, y1 = grid.extent
                assert heat.values.shape == (round(y1 - y0), round(x1 - x0))
            else:
                rows, columns = heat.values.shape
                assert rows / grid.shape[0] == columns / grid.shape[1]


def test_maps_differ_from_token_to_token_and_from_place_to_place(run: Run):
    heats = METHODS["msea_arc"].explain_many(run, run.indices(ANSWER), normalisation="token")
    values = np.stack([heat.values for heat in heats])
    assert np.ptp(values, axis=(1, 2)).max() > 0.5
    assert len({heat.values.tobytes() for heat in heats}) > 1


def test_a_crop_leaves_bands_out_of_the_map(run: Run, any_model):
    (grid,) = Layout.of(run).grids
    if any_model.family.label == "LLaVA":
        assert grid.extent[0] > 40
        assert grid.extent[2] < 120
        assert grid.extent[1::2] == (0, 60)
    elif any_model.family.label == "LLaVA-NeXT":  # leaves out a column of tokens on both sides
        cut = 3 / 86 * 160  # of the 86 px that the picture is resized to
        assert grid.extent == pytest.approx((cut, 0, 160 - cut, 60), abs=1e-3)
    else:
        assert grid.extent == (0, 0, 160, 60)
