"""Gemma 4: pixels and text as its own processor makes them, capped logits, both directions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainer.errors import ModelError
from explainer.models.engine import Engine
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, Run, Video
from tests import tiny, tiny_gemma

SIZES = [(96, 128), (64, 64), (33, 47), (400, 300), (40, 160), (10, 400)]


@pytest.fixture(scope="module")
def gemma(family_folders) -> Explainer:
    return load(family_folders["gemma4"], device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Explainer:
    """One whose visual tokens see each other."""
    folder: Path = tmp_path_factory.mktemp("models") / "tiny-gemma4"
    return load(tiny_gemma.gemma4(folder, both_ways=True), device="cpu", dtype="float32")


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_the_image_processor(gemma, size):
    image = tiny.image(*size)
    picture = gemma.family.picture(image, 1.0)
    theirs = gemma.family.processor(images=Image.fromarray(image), return_tensors="pt")
    assert torch.equal(picture.tensors["image_position_ids"], theirs["image_position_ids"])
    torch.testing.assert_close(picture.tensors["pixel_values"], theirs["pixel_values"])
    assert len(picture) == int(theirs["num_soft_tokens_per_image"][0]) <= 70


def test_the_sequence_is_what_the_processor_makes(gemma):
    """What `Gemma4Processor` puts for the template's marks, written out here."""
    family, images = gemma.family, [tiny.image(), tiny.image(50, 50)]
    inputs = family.compose(images, "  a cat\n\non it? ")
    marks = "".join(
        f"<|image>{'<|image|>' * len(family.picture(image, 1.0))}<image|>" for image in images
    )
    text = f"<bos><|turn>user\n{marks}a cat\n\non it?<turn|>\n<|turn>model\n"
    words = family.codec.tokenizer
    assert list(inputs.ids) == words(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5, 2.0])
def test_pictures_of_any_shape_are_read_at_any_scale(gemma, alpha):
    pictures = [tiny.image(30, 90), tiny.image(64, 64, seed=1)]
    inputs = gemma.family.compose_prefix(pictures, alpha)
    states = Engine(gemma.family).visual_states(inputs)[-1]
    assert len(states) == sum(len(gemma.family.picture(p, alpha)) for p in pictures)
    assert torch.isfinite(states).all()


def test_logits_are_capped_as_the_model_caps_them(gemma, monkeypatch, tmp_path):
    """Also those of a run from a file; the weights are scaled so that the cap bites."""
    weight = gemma.family.unembedding.weight
    with torch.no_grad():
        weight.mul_(20)
    try:
        run = gemma.record(tiny.image(), "a cat?", answer="a red dog", scales=(0.5,))
        inputs = gemma.family.compose(run.images, run.prompt)
        ids = [*inputs.ids, *run.tokens.ids[-(len(run.tokens) - len(inputs.text_positions)) :]]
        with torch.inference_mode():
            logits = gemma.family.model(torch.tensor([ids]), **inputs.tensors).logits[0].numpy()
    finally:
        with torch.no_grad():
            weight.div_(20)
    assert 25 < np.abs(logits).max() <= 30
    run.save(tmp_path / "run.npz")
    run = Run.load(tmp_path / "run.npz")
    known = run.unembedding.ids
    at = run.tokens.positions[1:] - 1
    np.testing.assert_allclose(run.text_logits[1:-1], logits[at][:, known], atol=0.1)
    np.testing.assert_allclose(
        run.visual_logits(1.0).T, logits[list(inputs.visual)][:, known], atol=0.1
    )


@pytest.mark.parametrize("both_ways", [True, False])
def test_only_larger_models_read_pictures_in_both_directions(gemma, large, both_ways):
    """Told which tokens are visual, they change the states of the first."""
    family = (large if both_ways else gemma).family
    inputs = family.compose_prefix([tiny.image(60, 60)], 1.0)
    told = Engine(family).visual_states(inputs)[-1, 0]
    tensors = family.forward_inputs(inputs)
    del tensors["mm_token_type_ids"]
    with torch.inference_mode():
        causal = family.base(**tensors).last_hidden_state[0, inputs.visual[0]]
    assert torch.allclose(told, causal, atol=1e-4) == (not both_ways)


def test_a_video_is_read_frame_by_frame_with_its_times(gemma):
    """Laid out as `Gemma4Processor.replace_video_token` does it, and answered as by `generate`."""
    family, frames = gemma.family, np.stack([tiny.image(40, 60, seed=i) for i in range(3)])
    video = Video(frames, np.array([0.0, 1.5, 63.0]), 1.5, (0, 1, 2))
    inputs = family.compose(video, "what?")
    marks = f"<|image>{'<|video|>' * len(inputs.views[0])}<image|>"
    said = " ".join(f"{time} {marks}" for time in ("00:00", "00:01", "01:03"))
    text = f"<bos><|turn>user\n{said}what?<turn|>\n<|turn>model\n"
    words = family.codec.tokenizer
    assert list(inputs.ids) == words(text, add_special_tokens=False)["input_ids"]
    run = gemma.record(None, "what?", video=video, scales=(0.5,), max_new_tokens=4)
    kinds = torch.zeros(1, len(inputs.ids), dtype=torch.long)
    kinds[:, list(inputs.visual)] = 2
    theirs = family.model.generate(
        torch.tensor([inputs.ids]), **inputs.tensors, mm_token_type_ids=kinds, max_new_tokens=4
    )
    answer = run.tokens.ids[run.indices(ANSWER)].tolist()
    assert theirs[0, len(inputs.ids) :][: len(answer)].tolist() == answer


def test_a_mixture_of_experts_is_refused(gemma, monkeypatch):
    monkeypatch.setattr(gemma.family.model.config.text_config, "enable_moe_block", True)
    with pytest.raises(ModelError, match="mixture of experts"):
        gemma.family.check()
