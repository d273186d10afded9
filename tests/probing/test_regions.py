"""Hiding a part of a picture: which pixels go, what a control is, what the model makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from explainer.errors import ImageError, RunError
from explainer.media.fills import FILLS
from explainer.methods import METHODS
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.otsu import levels, otsu, stands_out
from explainer.probing.hiding import Change, change, verdict_of_hiding, verdict_of_keeping
from explainer.probing.regions import HOW, Region, hidden, shown_by, within_box
from explainer.run import ANSWER, Video
from explainer.run.geometry import Placement
from tests import tiny
from tests.evaluation.saying import saying


def picture_of(run, seed: int = 0):
    shape = run.image.shape
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def heat(values, extent, signed: bool = False) -> Heatmap:
    return Heatmap((MapPart(np.array(values, np.float32), Placement.even(extent)),), signed, "")


def test_the_pixels_of_a_region_are_those_whose_centres_lie_in_its_cells():
    """Slowly, pixel by pixel, on a grid that leaves a rim and does not divide the picture."""
    rng = np.random.default_rng(0)
    region = Region(0, rng.random((3, 4)) > 0.5, Placement.even((2.5, 1.0, 29.0, 20.5)))
    got = region.mask(23, 31)
    for y in range(23):
        for x in range(31):
            row, column = (y + 0.5 - 1) / 19.5 * 3, (x + 0.5 - 2.5) / 26.5 * 4
            seen = 0 <= row < 3 and 0 <= column < 4
            assert got[y, x] == bool(seen and region.cells[int(row), int(column)])
    both = got | region.around().mask(23, 31)
    assert both[1:20, 3:29].all()
    assert not both[21:].any(), "what the model did not see belongs to neither"


def test_a_map_points_at_what_its_outline_is_drawn_around():
    run = saying(" a", " cat")
    values = METHODS["tam"](run, int(run.indices(ANSWER)[1])).values
    levels = np.round(values * 255).astype(np.uint8)
    np.testing.assert_array_equal(stands_out(values), levels > otsu(levels))
    below = heat(-values, (0.0, 0.0, 70.0, 60.0), True)
    with pytest.raises(RunError, match="nothing stands out"):
        shown_by(below)
    np.testing.assert_array_equal(
        shown_by(heat(values, (0.0, 0.0, 70.0, 60.0))).cells, stands_out(values)
    )


def test_a_faint_map_points_at_nothing():
    """Otsu's threshold parts any map in two, however dark."""
    values = np.random.default_rng(0).random((6, 7), np.float32) * np.float32(0.0999)
    assert (levels(values) > otsu(levels(values))).mean() > 0.3
    assert not stands_out(values).any()
    with pytest.raises(RunError, match=r"its peak is below 0\.1 of full strength"):
        shown_by(heat(values, (0.0, 0.0, 70.0, 60.0)))
    values[2, 3] = 0.1
    assert stands_out(values)[2, 3]
    assert shown_by(heat(values, (0.0, 0.0, 70.0, 60.0))).cells.any()


def test_the_control_of_a_region_beside_slivers_is_as_large_as_it():
    """The first row and column are a tenth as large: counted by cells a control would be small."""
    place = Placement((0.0, 0.0, 61.0, 51.0), (-9.0, -9.0, 61.0, 51.0))
    cells = np.zeros((6, 7), bool)
    cells[2:4, 3:6] = True
    region = Region(0, cells, place)
    assert region.share == pytest.approx(6 * 100 / (61 * 51))
    assert region.mask(51, 61).mean() == pytest.approx(region.share)
    for seed in range(20):
        other = region.elsewhere(seed)
        assert abs(other.share - region.share) <= 50 / (61 * 51) + 1e-9
        assert not (other.cells & cells).any()


def test_the_control_is_as_much_and_elsewhere_and_always_the_same():
    cells = np.zeros((5, 6), bool)
    cells[1:3, 2:5] = True
    place = Region(0, cells, Placement.even((0.0, 0.0, 60.0, 50.0)))
    other = place.elsewhere()
    assert other.cells.sum() == cells.sum()
    assert not (other.cells & cells).any()
    np.testing.assert_array_equal(other.cells, place.elsewhere().cells)
    assert (other.cells != place.elsewhere(seed=1).cells).any()
    assert place.around().elsewhere() is None, "there is not so much"
    assert place.share + place.around().share == pytest.approx(1)
    gone, control = HOW["hide"](place)
    assert (gone, control.share) == (place, place.share)
    gone, control = HOW["keep"](place)
    np.testing.assert_array_equal(gone.cells, ~cells)
    np.testing.assert_array_equal(control.cells, ~other.cells)
    assert len(HOW["hide"](place.around())) == 1


@pytest.mark.parametrize("fill", FILLS)
def test_only_the_region_is_filled(fill):
    run = saying(" a", " cat")
    run = replace(run, images=(picture_of(run),))
    cells = np.zeros((6, 7), bool)
    cells[1, 2:4] = True
    (shown,) = hidden(run, Region(0, cells, Placement.even((0.0, 0.0, 70.0, 60.0))), fill)
    want = run.image.copy()
    want[10:20, 20:40] = FILLS[fill](run.image)[10:20, 20:40]
    np.testing.assert_array_equal(shown, want)
    assert (shown[10:20, 20:40] != run.image[10:20, 20:40]).any()


def test_what_cannot_be_hidden_is_said():
    run = saying(" a", " cat")
    place = Region(0, np.ones((6, 7), bool), Placement.even((0.0, 0.0, 70.0, 60.0)))
    with pytest.raises(ImageError, match="black"):
        hidden(run, place, "sand")
    with pytest.raises(RunError, match="picture 3"):
        hidden(run, replace(place, image=3))
    clip = Video(np.stack([run.image] * 2), np.arange(2.0), 1.0, (0, 1))
    with pytest.raises(RunError, match="video"):
        hidden(replace(run, video=clip), place)


def test_a_box_takes_the_cells_whose_centres_it_holds():
    run = saying(" a", " cat")  # 6 x 7 cells of 10 pixels
    found = within_box(run, (14.0, 4.0, 36.0, 26.0))
    want = np.zeros((6, 7), bool)
    want[:3, 1:4] = True
    np.testing.assert_array_equal(found.cells, want)
    with pytest.raises(RunError, match="larger"):
        within_box(run, (1.0, 1.0, 3.0, 3.0))


# With models -------------------------------------------------------------------------------------


def test_the_model_sees_the_picture_without_the_region(any_family):
    """The same as a picture that was changed by hand; what it did not see stays as it was."""
    run = any_family.record(tiny.image(60, 84), "What?", scales=(1.0,), max_new_tokens=4)
    token = int(run.indices(ANSWER)[0])
    place = shown_by(METHODS["logit_lens"](run, token, show="signed"))
    regions = HOW["hide"](place)
    probs = any_family.probabilities_without(run, regions, "black")
    assert probs.shape == (len(regions), len(run.indices(ANSWER)))
    for row, region in zip(probs, regions, strict=True):
        byhand = run.image.copy()
        byhand[region.mask(*run.image.shape[:2])] = 0
        alone = any_family.token_probabilities(run, [(byhand,)])
        np.testing.assert_allclose(row, alone[0], rtol=1e-3, atol=2e-5)
    assert np.abs(probs[0] - run.probs[run.indices(ANSWER)]).max() > 1e-6


def test_one_of_several_pictures_is_changed(qwen):
    pictures = [tiny.image(64, 96), tiny.image(96, 64, seed=3)]
    run = qwen.record(pictures, "What?", scales=(), max_new_tokens=3)
    heatmap = METHODS["logit_lens"](run, int(run.indices(ANSWER)[0]))
    shown = hidden(run, shown_by(heatmap, 1), "black")
    np.testing.assert_array_equal(shown[0], run.images[0])
    assert (shown[1] != run.images[1]).any()
    assert qwen.probabilities_without(run, [shown_by(heatmap, 1)]).shape[0] == 1


def test_regions_are_read_one_by_one_where_memory_is_short(qwen, monkeypatch):
    run = qwen.record(tiny.image(60, 84), "What?", scales=(), max_new_tokens=3)
    place = within_box(run, (0.0, 0.0, 40.0, 40.0))
    want = qwen.probabilities_without(run, [place, place.around()])
    real = qwen._engine.reread

    def small(batch, *args):
        if len(batch) > 1:
            raise torch.OutOfMemoryError
        return real(batch, *args)

    monkeypatch.setattr(qwen._engine, "reread", small)
    got = qwen.probabilities_without(run, [place, place.around()])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-7)
    with pytest.raises(RunError, match="is loaded; load another"):
        qwen.probabilities_without(replace(run, model_id="another"), [place])


# What it means -----------------------------------------------------------------------------------


def test_a_word_of_several_tokens_counts_as_a_whole():
    run = saying(" a", " dog", "gy")
    answer = run.indices(ANSWER)
    probs = np.array([[0.5, 0.4, 0.5], [1.0, 0.9, 1.0]], np.float32)
    found = change(run, answer[1:], probs)
    assert found.shown == pytest.approx(float(np.prod(run.probs[answer[1:]])))
    assert (found.hidden, found.control) == (pytest.approx(0.2), pytest.approx(0.9))
    assert change(run, answer[1:], probs[:1]).control is None
    assert change(run, [0], probs) is None
    assert change(run, [], probs) is None


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ((0.97, 0.12, 0.95), "rests"),
        ((0.97, 0.60, 0.70), "part"),
        ((0.97, 0.12, 0.10), "any"),
        ((0.97, 0.12, None), "less"),
        ((0.97, 0.95, 0.20), "same"),
        ((0.50, 0.90, 0.50), "more"),
        ((0.01, 0.00, 0.01), "same"),
    ],
)
def test_verdicts_of_hiding(told, want):
    assert verdict_of_hiding(Change(*told)) == want


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ((0.97, 0.95, 0.10), "enough"),
        ((0.97, 0.95, 0.94), "either"),
        ((0.97, 0.40, 0.10), "helps"),
        ((0.97, 0.10, 0.12), "little"),
        ((0.97, 0.95, None), "alone"),
        ((0.97, 0.10, None), "not alone"),
    ],
)
def test_verdicts_of_keeping(told, want):
    assert verdict_of_keeping(Change(*told)) == want
