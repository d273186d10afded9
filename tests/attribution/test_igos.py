"""IGOS++: masks reach the picture in every family, and follow the gradient down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explainer.attribution import igos
from explainer.attribution.reading import Reading
from explainer.errors import MethodError
from explainer.media.fills import FILLS
from explainer.methods import LONG
from explainer.recording.explainer import Explainer
from explainer.run import ANSWER, Run
from tests import tiny
from tests.attribution.conftest import PROMPT_TEXT
from tests.media.test_video import clip


def read(explainer: Explainer, image: np.ndarray) -> tuple[Run, Reading, int]:
    run = explainer.record(image, PROMPT_TEXT, scales=(1.0,), max_new_tokens=3)
    return run, Reading(explainer._engine, run), int(run.indices(ANSWER)[1])


def test_a_mask_mixes_what_the_tower_reads_as_it_mixes_pixels(any_family, monkeypatch):
    """The left half is shown, the right half blurred: in pixels, and in the tower's values.

    A gradient of what the model makes of it reaches the mask.
    """
    monkeypatch.setattr(igos, "COLOURS", 1e-9)  # no noise
    run, reading, token = read(any_family, tiny.image(112, 112))
    search, image = igos._Search(reading, token, 1), run.images[0]
    masks = torch.ones(2, 1, igos.SIDE, igos.SIDE)
    masks[0, :, :, igos.SIDE // 2 :] = 0
    masks.requires_grad_()
    enlarged = {n: igos._sample(masks, at).prod(0) for n, at in search._places.items()}
    right = np.arange(112)[None, :, None] >= 56
    wanted = reading.values(np.where(right, FILLS["blur"](image), image))
    mixed = search._mix(search._picture, search._blurred, enlarged, 1.0)
    for name in enlarged:
        far = (mixed[name] - wanted[name]).abs() > 0.05 * search._span[name].abs().max()
        assert far.float().mean() < 0.1, "only at the border between both halves"
    with reading.patched():
        probs = reading.probability([search._picture, wanted, mixed], token)
        probs[2].backward()
        probs = probs.detach()
    assert masks.grad.abs().max() > 0
    assert float(probs[0]) == pytest.approx(float(run.probs[token]), abs=1e-4)
    pixels = reading.probabilities([(np.where(right, FILLS["blur"](image), image),)], [token])
    assert float(probs[1]) == pytest.approx(float(pixels[0, 0]), abs=1e-4)


def test_a_step_lowers_the_loss_and_its_map_lies_on_the_tokens(qwen, monkeypatch):
    monkeypatch.setattr(igos, "COLOURS", 1e-9)  # no noise, so that losses can be compared
    run, reading, token = read(qwen, tiny.image(64, 64))
    search, masks = igos._Search(reading, token, 2), torch.ones(2, 1, igos.SIDE, igos.SIDE)
    with reading.patched():
        moved = search.step(masks)
        with torch.no_grad():
            before, after = float(search._loss(masks)), float(search._loss(moved))
    assert after <= before
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    done = qwen.attribute(run, token, "igos_pp", iterations=1, steps=2)
    (values,) = done.attributions.values()
    assert values.shape == (len(run.scales[0].states),)
    assert 0 <= values.min() <= values.max() <= 1
    assert LONG["igos_pp"](done, token, iterations=1, steps=2).values.max() in (0, 1)


def test_the_gradient_is_that_of_the_loss(qwen, monkeypatch):
    """Against differences of the loss itself, where both masks move together."""
    monkeypatch.setattr(igos, "COLOURS", 1e-9)
    _, reading, token = read(qwen, tiny.image(64, 64))
    search = igos._Search(reading, token, 2)
    rng = torch.Generator().manual_seed(1)
    masks = torch.rand(2, 1, igos.SIDE, igos.SIDE, generator=rng) * 0.5 + 0.25
    way = torch.rand(masks.shape, generator=rng)
    leaf = masks.clone().requires_grad_()
    with reading.patched():
        sum(search._scores(leaf)).backward()
        search._regularise(leaf).backward()
        with torch.no_grad():
            ahead, behind = (float(search._loss(masks + step * way)) for step in (0.004, -0.004))
    slope = float((leaf.grad * way).sum())
    assert slope == pytest.approx((ahead - behind) / 0.008, abs=0.005)


def test_what_it_cannot_explain_is_said(qwen, monkeypatch):
    run, _, token = read(qwen, tiny.image(64, 64))
    film = qwen.record(None, PROMPT_TEXT, video=clip(), scales=(1.0,), max_new_tokens=3)
    with pytest.raises(MethodError, match="one picture"):
        qwen.attribute(film, int(film.indices(ANSWER)[0]), "igos_pp")
    monkeypatch.setattr(Reading, "probability", lambda self, batch, token: torch.zeros(len(batch)))
    with pytest.raises(MethodError, match="no gradient"):
        qwen.attribute(run, token, "igos_pp")
