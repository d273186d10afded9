"""EAGLE's search against a literal transcription, and by hand; pictures cut into regions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explainer.errors import RunError
from explainer.evaluation.synthetic import synthetic_run
from explainer.export.overlay import outlined
from explainer.probing import eagle_search as eagle
from explainer.probing.eagle_search import Found, RegionReadings, SearchSettings, count, search
from explainer.probing.tiling import PARTS, Tiling
from explainer.run.schema import Video
from tests.probing import slow_eagle

EFFICIENT = SearchSettings()
NEVER = -9.0  # F is never so far above that of the whole picture


class World:
    """A model whose word is as probable as a random function of pairs of regions says."""

    def __init__(self, regions: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.one, self.two = rng.normal(size=regions), rng.normal(size=(regions, regions)) / 3
        self.regions, self.asked, self.batches = regions, [], []

    def p(self, shown: frozenset[int]) -> float:
        mask = np.zeros(self.regions, bool)
        mask[list(shown)] = True
        return float(self.score(mask[None], kept=False)[0, 0])

    def score(self, masks: np.ndarray, kept: bool = True) -> np.ndarray:
        if kept:
            self.asked += [mask.tobytes() for mask in masks]
            self.batches.append(len(masks))
        x = masks.astype(float)
        first = 1 / (1 + np.exp(-(x @ self.one + ((x @ self.two) * x).sum(1))))
        return np.stack([first, 1 - x.mean(1), np.full(len(x), 0.3)], axis=1)


def found(world: World, targets=(0,), settings: SearchSettings = EFFICIENT) -> Found:
    steps = search(RegionReadings(world.score, world.regions, 4), targets, settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


# The search --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regions", "masks"), [(1, 2), (25, 294), (36, 464), (48, 656), (64, 944), (125, 2264)]
)
def test_it_asks_as_often_as_the_reference_and_never_twice(regions, masks):
    world = World(regions)
    found(world)
    assert count(regions) == masks
    assert len(world.asked) == len(set(world.asked)) == masks
    assert max(world.batches) <= 4


@pytest.mark.parametrize("regions", range(1, 14))
@pytest.mark.parametrize(
    "settings",
    [
        EFFICIENT,
        SearchSettings(2, 6, 3),
        SearchSettings(1, 1, 100),
        SearchSettings(1, 4, 10, stop=NEVER),
        SearchSettings(1, 1, 3, stop=NEVER),
    ],
    ids=str,
)
def test_the_count_is_that_of_different_masks(regions, settings):
    world = World(regions)
    *_, last = search(RegionReadings(world.score, regions, 4), [0], settings)
    assert count(regions, settings) == last.total == last.done == len(set(world.asked))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("regions", [1, 2, 3, 5, 6, 7, 12, 25, 36])
def test_it_is_the_efficient_search_step_by_step(regions, seed):
    world = World(regions, seed)
    for scope, pending, step in ((8, 4, 10), (3, 2, 2), (10, 8, 5)):
        got = found(world, settings=SearchSettings(scope, pending, step))
        order, insertion, deletion = slow_eagle.efficient(world.p, regions, scope, pending, step)
        assert got.order.tolist() == order
        np.testing.assert_allclose(got.insertion, insertion, atol=1e-12)
        np.testing.assert_allclose(got.deletion, deletion, atol=1e-12)


@pytest.mark.parametrize("regions", [2, 6, 11])
def test_without_its_shortcuts_it_is_the_plain_greedy_search(regions):
    world = World(regions, seed=3)
    plainly = SearchSettings(search_scope=regions, pending_samples=regions, update_step=1)
    assert found(world, settings=plainly).order.tolist() == slow_eagle.plain(world.p, regions)


def test_weights_turn_insight_or_necessity_off():
    def score(masks: np.ndarray) -> np.ndarray:
        """Region 0 suffices; region 1 is needed unless 0 is there."""
        return np.where(masks[:, 0], 0.9, np.where(masks[:, 1], 0.5, 0.0))[:, None]

    world = World(6)
    world.score = score
    assert found(world, settings=SearchSettings(necessity=0)).order[0] == 0
    only = found(world, settings=SearchSettings(insight=0, update_step=1))
    assert only.order[0] == 0
    assert only.order[1] == 1


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
def test_it_ends_once_the_first_regions_do_all_that_the_picture_does(weights):
    """Regions 3 and 5 make the word; the others count for a thousandth each."""

    def score(masks: np.ndarray) -> np.ndarray:
        return (0.4 * masks[:, 3] + 0.3 * masks[:, 5] + 0.001 * masks.sum(1))[:, None]

    world = World(20)
    world.score = score
    settings = SearchSettings(8, 4, 10, *weights)
    whole, early = (found(world, settings=replace(settings, stop=s)) for s in (None, 0.05))
    assert whole.searched is None
    assert early.searched == 2
    assert early.order[:2].tolist() == whole.order[:2].tolist() == [3, 5]
    assert sorted(early.order) == list(range(20))
    np.testing.assert_allclose(early.insertion[:3], whole.insertion[:3])
    np.testing.assert_allclose(early.insertion[-3:], whole.insertion[-3:])
    np.testing.assert_allclose(np.diff(early.insertion[2:]), 0.001, atol=1e-9)
    np.testing.assert_allclose(np.diff(early.deletion[2:]), -0.001, atol=1e-9)


@pytest.mark.parametrize("regions", [1, 2, 3, 7, 12, 36])
def test_a_search_that_may_end_early_is_the_lazy_one_step_by_step(regions):
    for seed, stop in ((2, 0.0), (2, 0.3), (2, 9.0), (5, 0.02), (5, NEVER)):
        world, settings = World(regions, seed), SearchSettings(8, regions, 10, stop=stop)
        early = found(world, settings=settings)
        order = slow_eagle.lazy(world.p, regions, 8, 10, stop)
        assert early.order[: len(order)].tolist() == order
        assert (early.searched or len(order)) == len(order)
        shown = [world.p(frozenset(order[:i])) for i in range(len(order) + 1)]
        np.testing.assert_allclose(early.insertion[: len(shown)], shown, atol=1e-12)
        assert len(set(world.asked)) <= count(regions, settings)


def test_a_search_ends_once_more_parts_add_nothing():
    """The picture does more than any part: only the last one brings the rest of the word."""

    def score(masks: np.ndarray) -> np.ndarray:
        return (0.3 * masks[:, 3] + 0.3 * masks.all(axis=1))[:, None]

    world = World(30)
    world.score = score
    early = found(world, settings=SearchSettings(stop=0.02))
    assert early.order[0] == 3
    assert early.searched == 1 + eagle.PATIENCE


def test_several_targets_count_by_their_mean():
    world = World(9)
    both, one = found(world, targets=(0, 1)), found(world)
    world.p = lambda shown: (World(9).p(shown) + 1 - len(shown) / 9) / 2
    order, insertion, _ = slow_eagle.efficient(world.p, 9, 8, 4, 10)
    assert both.order.tolist() == order
    np.testing.assert_allclose(both.insertion, insertion)
    assert not np.array_equal(both.insertion, one.insertion)


def test_it_tells_after_each_batch_how_far_it_is_and_can_be_left():
    world = World(12)
    readings = RegionReadings(world.score, 12, batch=4)
    steps = search(readings, [0])
    told = [next(steps) for _ in range(12)]
    assert [t.total for t in told] == [count(12)] * 12
    assert [t.done for t in told] == sorted({t.done for t in told})
    assert all(sorted(t.order) == list(range(12)) for t in told)
    single = [world.p(frozenset([i])) - world.p(frozenset()) for i in range(12)]
    assert not any(told[0].alone)
    assert told[1].alone == pytest.approx([*single[:4], *[0.0] * 8])
    assert told[3].alone == pytest.approx(single)
    assert told[-1].found > 0
    assert told[-1].alone == ()
    steps.close()
    asked = len(world.asked)
    assert asked == told[-1].done
    again = World(12)
    whole = found(again)
    assert told[-1].order[0] == whole.order[0], "after the first round the best is known"
    for _ in search(readings, [0]):
        pass
    assert len(world.asked) == len(set(world.asked)) == count(12), "what was read stays known"


def test_another_word_takes_only_what_is_new():
    world = World(16)
    readings = RegionReadings(world.score, 16)
    for _ in search(readings, [0]):
        pass
    first = len(world.asked)
    for _ in search(readings, [1]):
        pass
    assert first == count(16)
    assert first < len(world.asked) <= 2 * first - 2 * 16 - 2
    assert len(set(world.asked)) == len(world.asked)


# What it found -----------------------------------------------------------------------------------


def test_values_curves_and_reliance_by_hand():
    """F = 0.2, 1.2, 1.6, 1.8: the first region is the brightest, the last is dark."""
    one = Found(np.array([2, 0, 1]), np.array([0.1, 0.6, 0.8, 0.9]), np.array([0.9, 0.4, 0.2, 0.1]))
    np.testing.assert_allclose(one.objective, [0.2, 1.2, 1.6, 1.8])
    np.testing.assert_allclose(one.values(), [0.2 / 0.6, 0, 1], atol=1e-12)
    assert one.strength == 1
    equal = one.curves(np.ones(3))
    assert (equal.whole, equal.empty) == (0.9, 0.1)
    area = (0.1 / 2 + 0.6 + 0.8 + 0.9 / 2) / 3
    assert equal.figures()["insertion"] == pytest.approx(area)
    assert equal.reliance == pytest.approx(area - 0.1)
    wide = one.curves(np.array([1.0, 1.0, 2.0]))  # region 2 is half of the picture
    assert wide.figures()["insertion"] == pytest.approx(0.35 / 2 + 0.7 / 4 + 0.85 / 4)


def test_a_word_that_owes_little_to_the_picture_is_dim_and_a_habit_dark():
    little = Found(np.arange(3), np.array([0.5, 0.55, 0.6, 0.6]), np.array([0.6, 0.6, 0.5, 0.5]))
    assert little.strength == pytest.approx(0.15)
    assert little.values().max() == pytest.approx(0.15)
    same = np.full(4, 0.7)
    habit = Found(np.arange(3), same, same)
    assert not habit.values().any()
    assert habit.curves(np.ones(3)).reliance == pytest.approx(0)
    noise = same + np.array([0, 1, -1, 1]) * eagle.NOISE / 4
    assert not Found(np.arange(3), noise, same).values().any()


def test_regions_that_a_search_did_not_reach_are_dark():
    """F = 0.2, 1.2, 1.6, 1.7, 1.8: the last two were not reached, and add 0.2 together."""
    shown, hidden = np.array([0.1, 0.6, 0.8, 0.85, 0.9]), np.array([0.9, 0.4, 0.2, 0.15, 0.1])
    early = Found(np.array([3, 0, 1, 2]), shown, hidden, searched=2)
    np.testing.assert_allclose(early.values(), [0.2 / 0.6, 0, 0, 1], atol=1e-12)
    over = Found(np.arange(4), shown[[0, 4, 3, 2, 1]], hidden[[0, 4, 3, 2, 1]], searched=1)
    np.testing.assert_array_equal(over.values(), [1, 0, 0, 0])


def test_a_region_that_does_all_alone_has_the_only_value():
    one = Found(np.array([1, 0, 2]), np.array([0.1, 0.9, 0.9, 0.9]), np.array([0.9, 0.1, 0.1, 0.1]))
    np.testing.assert_array_equal(one.values(), [0, one.strength, 0])
    assert one.strength == 1


# Regions -----------------------------------------------------------------------------------------


def tiled(regions: int, **options) -> Tiling:
    run = synthetic_run(np.random.default_rng(0), **options)
    return Tiling.of(run, regions, parts="cells")


@pytest.mark.parametrize(
    ("size", "grid", "regions", "shape"),
    [
        ((336, 336), (21, 21), 36, (6, 6)),
        ((336, 336), (21, 21), 12, (3, 4)),
        ((200, 600), (10, 30), 36, (3, 12)),
        ((600, 200), (30, 10), 36, (10, 4)),
        ((56, 56), (2, 2), 36, (2, 2)),
        ((40, 40), (1, 1), 12, (1, 1)),
    ],
)
def test_regions_are_whole_cells_as_square_as_can_be(size, grid, regions, shape):
    tiling = tiled(regions, image_size=size, grids={1.0: grid})
    held = tiling.shares.reshape(*grid, len(tiling))
    assert np.isin(held, (0, 1)).all()
    cells = held.argmax(axis=2)
    rows, columns = shape
    assert len(tiling) == rows * columns
    assert [len(np.unique(cells[:, 0])), len(np.unique(cells[0]))] == [rows, columns]
    assert np.array_equal(np.sort(np.unique(cells)), np.arange(rows * columns))
    assert tiling.sizes.sum() == size[0] * size[1]
    assert np.bincount(cells.ravel()).max() <= (grid[0] // rows + 1) * (grid[1] // columns + 1)


def test_hidden_regions_are_filled_and_the_rest_is_as_it_was():
    tiling = tiled(4, image_size=(40, 40), grids={1.0: (4, 4)})
    image = np.random.default_rng(1).integers(1, 256, (40, 40, 3), dtype=np.uint8)
    tiling = replace(tiling, run=replace(tiling.run, images=(image,)))
    (all_shown,) = tiling.pictures(np.ones(4, bool))
    np.testing.assert_array_equal(all_shown, image)
    (one,) = tiling.pictures(np.array([False, True, False, False]))
    np.testing.assert_array_equal(one[:20, 20:], image[:20, 20:])
    assert not one[20:].any()
    assert not one[:20, :20].any()
    (mean,) = replace(tiling, fill="mean").pictures(np.zeros(4, bool))
    assert len(np.unique(mean.reshape(-1, 3), axis=0)) == 1


def test_values_are_spread_over_the_tokens_of_their_regions():
    tiling = tiled(4, image_size=(40, 40), grids={1.0: (4, 4)})
    spread = tiling.spread(np.array([1.0, 2, 3, 4])).reshape(4, 4)
    assert spread.dtype == np.float32
    np.testing.assert_array_equal(spread, np.kron([[1, 2], [3, 4]], np.ones((2, 2))))


def test_several_pictures_share_the_regions():
    tiling = tiled(12, image_size=(40, 40), grids={1.0: [(0, (8, 8)), (1, (8, 8))]})
    first, second = tiling.labels
    assert first.max() + 1 == second.min()
    assert len(tiling) == second.max() + 1
    shown = np.ones(len(tiling), bool)
    shown[second.min() :] = False
    pictures = tiling.pictures(shown)
    np.testing.assert_array_equal(pictures[0], tiling.run.images[0])
    assert not pictures[1].any()


@pytest.mark.parametrize("parts", PARTS)
def test_what_the_model_did_not_see_is_in_no_region(parts):
    run = synthetic_run(np.random.default_rng(0), image_size=(40, 40), grids={1.0: (4, 4)})
    scale = run.scales[0]
    (view,) = scale.views
    rects = view.rects.reshape(4, 4, 4).copy()
    rects[:, 3] = np.nan
    seen = replace(view, rects=rects.reshape(-1, 4))
    run = replace(run, scales=(replace(scale, views=(seen,)),), images=(run.image + np.uint8(1),))
    tiling = Tiling.of(run, 6, parts=parts)
    assert (tiling.labels[0][:, 30:] == -1).all()
    assert (tiling.labels[0][:, :30] >= 0).all()
    (dark,) = tiling.pictures(np.zeros(len(tiling), bool))
    assert not dark[:, :30].any()
    np.testing.assert_array_equal(dark[:, 30:], run.image[:, 30:])
    spread = tiling.spread(np.arange(1.0, len(tiling) + 1)).reshape(4, 4)
    assert spread[:, :3].all()
    assert not spread[:, 3].any()


def test_superpixels_are_shown_and_hidden_and_spread_by_their_share_of_each_token():
    picture = np.full((40, 40, 3), 255, np.uint8)
    picture[:, :14] = 0  # cuts the second column of cells, pixels 10 to 19, in two
    run = synthetic_run(np.random.default_rng(0), image_size=(40, 40), grids={1.0: (4, 4)})
    tiling = Tiling.of(replace(run, images=(picture,)), 4, "mean")
    (labels,) = tiling.labels
    dark = np.unique(labels[:, :14])
    assert not np.isin(labels[:, 14:], dark).any(), "no part lies on both sides of the edge"
    spread = tiling.spread(np.isin(np.arange(len(tiling)), dark).astype(float)).reshape(4, 4)
    np.testing.assert_allclose(spread, np.tile([1, 0.4, 0, 0], (4, 1)), atol=1e-6)
    np.testing.assert_allclose(tiling.shares.sum(axis=1), 1)
    (hidden,) = tiling.pictures(~np.isin(np.arange(len(tiling)), dark))
    assert (hidden[:, 14:] == 255).all()
    assert (hidden[:, :14] == picture.mean().round()).all()


def test_cells_smaller_than_a_pixel_belong_to_the_region_at_their_centre():
    tiling = tiled(4, image_size=(2, 2), grids={1.0: (6, 6)})
    spread = tiling.spread(np.arange(1.0, len(tiling) + 1)).reshape(6, 6)
    assert (spread > 0).all()
    assert len(np.unique(spread)) == len(tiling)


def test_regions_drawn_by_hand():
    run = synthetic_run(np.random.default_rng(0), image_size=(40, 40), grids={1.0: (4, 4)})
    drawn = np.full((40, 40), -1)
    drawn[:10] = 7
    drawn[30:] = 3
    tiling = Tiling.from_labels(run, [drawn])
    assert tiling.sizes.tolist() == [400, 400]
    assert tiling.spread(np.array([1.0, 2])).reshape(4, 4)[:, 0].tolist() == [2, 0, 0, 1]
    for wrong in ([drawn[:5]], [drawn, drawn], [drawn * 0.5], [np.full((40, 40), -1)]):
        with pytest.raises(RunError, match="label"):
            Tiling.from_labels(run, wrong)
    with pytest.raises(RunError, match="superpixels, cells"):
        Tiling.of(run, 4, parts="drawn")


def test_the_borders_of_regions_are_drawn():
    labels = np.repeat([[0, 0, 0, 1, 1, 1, -1, -1, -1]], 4, axis=0)
    drawn = outlined(np.full((4, 9, 3), 90, np.uint8), labels)
    assert drawn[1, :, 0].tolist()[:6] == [90, 90, 30, 255, 30, 30]
    assert (drawn[:, 6] == 255).all()
    assert (drawn[:, 0] == 90).all()


def test_a_video_is_refused():
    run = synthetic_run(np.random.default_rng(0))
    frames = np.stack([run.image, run.image])
    video = Video(frames, np.array([0.0, 1.0]), 1.0, (0, 1))
    with pytest.raises(RunError, match="one of its frames as a picture"):
        Tiling.of(replace(run, video=video), 12)
