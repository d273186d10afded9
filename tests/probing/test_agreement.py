"""Agreement of maps with the order of parts that a search found, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.evaluation.synthetic import synthetic_run
from explainer.methods.base import Heatmap, MapPart
from explainer.probing import agreement
from explainer.probing.eagle_search import Found
from explainer.probing.region_plan import RegionAttribution
from explainer.probing.tiling import Tiling
from explainer.run.geometry import Layout


@pytest.fixture
def found():
    """An order of the four quarters of a white picture, which are numbered row by row."""
    run = synthetic_run(np.random.default_rng(0), image_size=(40, 40), grids={1.0: (4, 4)})
    white = np.full((40, 40, 3), 255, np.uint8)
    tiling = Tiling.of(replace(run, images=(white,)), 4, parts="cells")
    return RegionAttribution(tiling, Found(np.array([2, 0, 1, 3]), np.zeros(5), np.zeros(5)), "")


def test_a_map_is_read_at_the_parts_of_the_search(found):
    values = np.zeros((4, 4), np.float32)
    values[:2, 2:] = [[1, 1], [0, 0]]
    placement = Layout.of(found.tiling.run).grids[0].placement
    heat = Heatmap((MapPart(values, placement),), False, "")
    np.testing.assert_allclose(agreement.part_means(found.tiling, heat), [0, 0.5, 0, 0])


def test_agreement_by_hand(found):
    same = agreement.agree(found, np.array([3.0, 2, 4, 1]))
    assert same == pytest.approx({"rank": 1, "iou": 1, "first": 1})
    other = agreement.agree(found, np.array([1.0, 2, 3, 4]))
    # ranks of the parts 0 to 3: 3, 2, 4, 1 against 1, 2, 3, 4; 1 - 6 (4 + 0 + 1 + 9) / 60
    assert other == pytest.approx({"rank": -0.4, "iou": 0, "first": 0})
    assert agreement.agree(found, np.ones(4))["rank"] == 0


def test_parts_that_the_search_did_not_reach_share_the_last_place(found):
    early = replace(found, found=replace(found.found, searched=1))
    same = agreement.agree(early, np.array([0.0, 0, 1, 0]))
    assert same == pytest.approx({"rank": 1, "iou": 1, "first": 1})
    assert agreement.agree(early, np.array([3.0, 2, 4, 1])) == agreement.agree(
        early, np.array([1.0, 2, 4, 3])
    ), "the order of the others says nothing"


def test_drawn_orders_agree_by_chance_alone(found):
    drawn = agreement.agree_by_chance(found)
    assert drawn == pytest.approx({"rank": 0, "iou": 0.25, "first": 0.25}, abs=0.13)
    assert drawn == agreement.agree_by_chance(found)
