"""Insertion and deletion, by hand and with real models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explainer.errors import Cancelled, RunError, SightlineError
from explainer.evaluation import faithfulness
from explainer.evaluation.faithfulness import CurveSettings
from explainer.evaluation.tally import make_tally
from explainer.media.fills import FILLS
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.controls import CONTROLS
from explainer.probing.curves import CurvePlan, Curves, Readings, read, reading
from explainer.run import ANSWER
from explainer.run.geometry import Placement
from tests.evaluation.saying import saying

BLACK = CurvePlan("black", 64, 16)


def curves(model, run, tokens, heat, plan=BLACK, **named) -> Curves:
    return read(model, run, heat, plan, **named).of(tokens)


def test_the_recorded_picture_gives_the_recorded_probabilities(any_family):
    picture = np.random.default_rng(0).integers(0, 256, (60, 84, 3), dtype=np.uint8)
    run = any_family.record(picture, "What?", scales=(1.0,), max_new_tokens=5)
    black = (np.zeros_like(picture),)
    probs = any_family.token_probabilities(run, [run.media, black, run.media])
    assert probs.shape == (3, len(run.indices(ANSWER)))
    np.testing.assert_allclose(probs[0], run.probs[run.indices(ANSWER)], atol=2e-5)
    np.testing.assert_allclose(probs[2], probs[0], atol=1e-6)
    assert np.abs(probs[1] - probs[0]).max() > 1e-6
    alone = any_family.token_probabilities(run, [black])
    np.testing.assert_allclose(alone[0], probs[1], atol=2e-5)


def test_pictures_of_several_images_are_read_together(qwen):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (56, 56 + 28 * i, 3), dtype=np.uint8) for i in range(2)]
    run = qwen.record(pictures, "What?", scales=(1.0,), max_new_tokens=3)
    probs = qwen.token_probabilities(run, [run.media])
    np.testing.assert_allclose(probs[0], run.probs[run.indices(ANSWER)], atol=2e-5)
    found = curves(
        qwen, run, run.indices(ANSWER)[:1], CONTROLS["centre"](run, 0), CurvePlan("mean", 3)
    )
    assert found.insertion[-1] == pytest.approx(float(probs[0, 0]), abs=1e-5)


def test_what_does_not_belong_to_the_run_is_refused(qwen):
    picture = np.zeros((60, 84, 3), np.uint8)
    run = qwen.record(picture, "What?", scales=(1.0,), max_new_tokens=2)
    with pytest.raises(RunError):
        qwen.token_probabilities(run, [(np.zeros((200, 84, 3), np.uint8),)])
    with pytest.raises(RunError, match="is loaded; load another"):
        qwen.token_probabilities(replace(run, model_id="another"), [run.media])
    assert qwen.token_probabilities(run, []).shape[0] == 0


class Pixels:
    """Stands for a model whose words are as probable as this share of white pixels it sees."""

    def __init__(self, run) -> None:
        self.run, self.seen = run, []

    def token_probabilities(self, run, variants):
        assert all(len(pictures) == len(run.images) for pictures in variants)
        self.seen.append(len(variants))
        white = [np.mean([np.mean(p[..., 0] == 255) for p in pictures]) for pictures in variants]
        answered = len(run.indices(ANSWER))
        return np.tile(np.array(white)[:, None], (1, answered)).astype(np.float32)


def quarter():
    """Return a run whose picture is white in its upper left quarter, and a map of that quarter."""
    run = saying(" a", " cat", image_size=(40, 40), grids={1.0: (2, 2)})
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:20, :20] = 255
    run = replace(run, images=(picture,))
    values = np.array([[1, 0], [0, 0]], np.float32)
    return run, Heatmap((MapPart(values, Placement.even((0.0, 0.0, 40.0, 40.0))),), False, "")


def flipped(heat: Heatmap) -> Heatmap:
    return replace(heat, parts=(replace(heat.parts[0], values=1 - heat.parts[0].values),))


def test_the_right_map_is_best_by_hand():
    """White is a quarter: shown first, the word is as probable as can be from a quarter on."""
    run, heat = quarter()
    token = run.indices(ANSWER)[:1]
    model, plan = Pixels(run), CurvePlan("black", 8, 3)
    good = curves(model, run, token, heat, plan)
    bad = curves(model, run, token, flipped(heat), plan)
    assert good.share.tolist() == [i / 8 for i in range(9)]
    assert good.insertion[[0, 8]].tolist() == [0, 0.25]
    assert good.deletion[[0, 8]].tolist() == [0.25, 0]
    np.testing.assert_allclose(good.insertion + good.deletion, 0.25, atol=1e-6)
    assert good.insertion[3] > 0.24
    assert bad.insertion[5] < 0.01
    figures = good.figures()
    assert figures["confidence"] == 0.25
    assert figures["insertion"] > 0.2
    assert figures["deletion"] < 0.05
    area = np.sum((good.insertion[1:] + good.insertion[:-1]) / 2) / 8
    assert figures["insertion"] == pytest.approx(area)
    assert set(model.seen) <= {1, 3}
    assert sum(model.seen) == 2 * (9 + 7)


def test_a_flat_map_favours_no_corner():
    run, heat = quarter()
    flat = replace(heat, parts=(replace(heat.parts[0], values=np.zeros((2, 2), np.float32)),))
    found = curves(Pixels(run), run, run.indices(ANSWER), flat, CurvePlan("black", 4))
    np.testing.assert_allclose(found.insertion, [0, 0.0625, 0.125, 0.1875, 0.25], atol=0.02)


def test_what_the_model_did_not_see_comes_last():
    run, heat = quarter()
    low = replace(
        heat, parts=(MapPart(np.zeros((1, 1), np.float32), Placement.even((0.0, 0.0, 20.0, 20.0))),)
    )
    found = curves(Pixels(run), run, run.indices(ANSWER), low, CurvePlan("black", 4))
    assert found.insertion[1] == 0.25


@pytest.mark.parametrize("fill", FILLS)
def test_fills_keep_the_size_and_take_the_thing_away(fill):
    run, heat = quarter()
    blank = FILLS[fill](run.image)
    assert blank.shape == run.image.shape
    assert blank.dtype == np.uint8
    assert not np.array_equal(blank, run.image)
    curves(Pixels(run), run, run.indices(ANSWER), heat, CurvePlan(fill, 2))


def test_blurring_spreads_the_picture():
    image = np.asarray(Image.new("RGB", (64, 64)).copy()).copy()
    image[32:] = 255
    assert 0 < FILLS["blur"](image)[28, 30, 0] < 255


def test_curves_can_be_stopped():
    run, heat = quarter()
    model = Pixels(run)
    with pytest.raises(Cancelled):
        curves(model, run, run.indices(ANSWER), heat, cancel=lambda: len(model.seen) == 2)
    assert len(model.seen) == 2


def test_the_figures_of_a_curve_by_hand():
    share = np.array([0, 0.5, 1])
    found = Curves(share, np.array([0.3, 0.1, 0.8]), np.array([0.8, 0.2, 0.3]))
    assert found.figures() == pytest.approx(
        {"insertion": 0.325, "deletion": 0.375, "confidence": 0.8}
    )
    assert (found.empty, found.whole) == (0.3, 0.8)
    assert found.reliance == pytest.approx(0.225)
    assert [found.reaches(part) for part in (0.1, 0.9)] == [0, 1]


def test_a_word_of_two_tokens_is_averaged_or_counts_as_a_whole():
    shown = np.array([[0.2, 0.5], [1, 0.5]], np.float32)
    readings = Readings(7, np.array([0, 1.0]), shown, shown[::-1])
    np.testing.assert_allclose(readings.of([7, 8]).insertion, [0.35, 0.75])
    np.testing.assert_allclose(readings.of_word([7, 8]).insertion, [0.1, 0.5])
    np.testing.assert_allclose(readings.of_word([8]).deletion, [0.5, 0.5])


def test_progress_is_told_after_each_batch():
    run, heat = quarter()
    *read, last = reading(Pixels(run), run, heat, CurvePlan("black", 4, 3))
    assert read == [3, 6, 8]
    assert isinstance(last, Readings)


def test_wrong_settings_are_named():
    with pytest.raises(SightlineError, match="black, mean, blur"):
        CurveSettings(fills=("white",))
    with pytest.raises(SightlineError, match="at least 1"):
        CurveSettings(steps=0)
    with pytest.raises(SightlineError, match="got none"):
        CurveSettings(fills=())
    assert make_tally(faithfulness.FIGURES) == {n: [0.0, 0] for n in faithfulness.FIGURES}
