"""Scenes: what is drawn is what the masks and the list of things say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from explainer.emoji_world.atlas import sprites
from explainer.emoji_world.objects import GROUNDS, THINGS
from explainer.emoji_world.scenes import (
    FIRST_TRAINING_SEED,
    LARGEST,
    SMALLEST,
    Limits,
    compose,
    make_scene,
    paint_ground,
)

SEEDS = range(40)


def test_the_world_is_as_large_as_promised():
    assert len(THINGS) >= 40
    assert len(GROUNDS) >= 8
    assert len({thing.name for thing in THINGS}) == len(THINGS)
    assert len(sprites()) == len(THINGS)


@pytest.mark.parametrize("seed", SEEDS)
def test_masks_and_things_agree(seed):
    scene = make_scene(seed)
    height, width = scene.labels.shape
    assert scene.image.shape == (height, width, 3)
    assert SMALLEST <= min(height, width) <= max(height, width) <= LARGEST
    assert 1 <= len(scene.things) <= 4
    assert set(np.unique(scene.labels)) <= set(range(len(scene.things) + 1))
    for i, placed in enumerate(scene.things, 1):
        y, x = np.nonzero(scene.labels == i)
        assert len(x), f"{placed.name} is wholly hidden"
        left, top = (c - s / 2 for c, s in zip(placed.centre, placed.size, strict=True))
        assert left <= x.min()
        assert x.max() < left + placed.size[0]
        assert top <= y.min()
        assert y.max() < top + placed.size[1]


def test_a_scene_is_a_function_of_its_seed():
    first, again, other = make_scene(3), make_scene(3), make_scene(4)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


def test_the_mask_covers_exactly_the_pixels_that_a_thing_changed():
    """Outside the masks (and the soft edge of a sprite) the picture is the bare ground."""
    rng, bare_rng = np.random.default_rng(5), np.random.default_rng(5)
    scene = compose(rng, (200, 240), 5, [0], Limits(share=(0.4, 0.5)))
    bare = paint_ground(GROUNDS[5], 200, 240, bare_rng)
    changed = (scene.image != bare).any(-1)
    placed = scene.things[0]
    mask = scene.mask(placed.name)
    assert changed[mask].mean() > 0.98
    assert not changed[~binary_dilation(mask, iterations=3)].any()  # but for the soft edge


def test_occlusion_is_light():
    """No thing loses more than a good third of itself to those in front of it."""
    for seed in SEEDS:
        scene = make_scene(seed)
        for i, placed in enumerate(scene.things, 1):
            shown = (scene.labels == i).sum()
            assert shown > 0.1 * placed.size[0] * placed.size[1], (seed, placed.name)


def test_sizes_differ_widely():
    sides = [max(p.size) for seed in range(200) for p in make_scene(seed).things]
    assert min(sides) < 50
    assert max(sides) > 200


def test_a_fixed_size_is_kept():
    assert make_scene(1, size=(112, 448)).image.shape == (112, 448, 3)


def test_held_out_seeds_lie_below_training_seeds():
    assert FIRST_TRAINING_SEED > 100_000
