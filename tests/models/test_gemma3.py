"""Gemma 3: pictures read in both directions, and text as its own processor writes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explainer.attribution.reading import Reading, recorded_inputs
from explainer.errors import ModelError
from explainer.models.engine import Engine
from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, PROMPT
from tests import tiny, tiny_gemma

SIZES = [(96, 128), (64, 64), (33, 47), (400, 300), (10, 10), (40, 160)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny_gemma.gemma3(tmp_path_factory.mktemp("models") / "tiny-gemma3")


@pytest.fixture(scope="module")
def gemma(folder) -> Explainer:
    return load(folder, device="cpu")


def _kinds(inputs) -> torch.Tensor:
    kinds = torch.zeros(1, len(inputs.ids), dtype=torch.long)
    kinds[:, list(inputs.visual)] = 1
    return kinds


def _states(gemma: Explainer, inputs, **kinds: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        out = gemma.family.base(torch.tensor([inputs.ids]), **inputs.tensors, **kinds)
    return out.last_hidden_state[0]


# Both directions ---------------------------------------------------------------------------------


def test_every_reading_tells_visual_tokens_from_text(gemma):
    """Left out, they change the states of all visual tokens but the last, and of the text."""
    run = gemma.record(
        [tiny.image(), tiny.image(50, 70, seed=1)], "a cat?", scales=(1.0,), max_new_tokens=4
    )
    inputs = recorded_inputs(gemma.family, run)
    want = _states(gemma, inputs, token_type_ids=_kinds(inputs))
    causal = _states(gemma, inputs)
    assert float((want - causal)[list(inputs.visual)].abs().max()) > 0.1
    assert float((want - causal)[inputs.text_positions[-4:]].abs().max()) > 0.01

    engine, visual = Engine(gemma.family), list(inputs.visual)
    bounds = {"atol": 2e-5, "rtol": 1e-4}
    torch.testing.assert_close(engine.read(inputs)[0][-1], want, **bounds)
    torch.testing.assert_close(engine.visual_states(inputs)[-1], want[visual], **bounds)
    batch = engine.reread([inputs, inputs], visual)[-1]
    torch.testing.assert_close(batch, want[visual].expand(2, -1, -1), **bounds)
    reading = Reading(engine, run)
    with reading.patched():
        torch.testing.assert_close(reading.states().detach(), want, **bounds)
    # The answer was read token by token, the states of the run with it.
    at = run.tokens.positions[run.indices(ANSWER)]
    logits = gemma.family.unembedding(want)[at - 1]
    ours = run.text_logits[run.indices(ANSWER)]
    np.testing.assert_allclose(ours, logits[:, run.unembedding.ids].numpy(), rtol=0.01, atol=0.02)


def test_pictures_see_themselves_and_not_each_other(gemma):
    """The states of the first picture do not depend on the second, nor its first token's on text.

    Its first token sees its last one: a change there reaches it.
    """
    family, image = gemma.family, tiny.image(64, 64)
    changed = image.copy()
    changed[48:, 48:] = 255 - changed[48:, 48:]
    engine = Engine(family)
    alone, other, two = (
        engine.visual_states(family.compose_prefix(pictures, 1.0))[-1]
        for pictures in ([image], [changed], [image, changed])
    )
    torch.testing.assert_close(two[:16], alone, atol=1e-4, rtol=1e-4)
    assert float((other[0] - alone[0]).abs().max()) > 1e-3


# Pixels and text ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_pixels_are_those_of_the_image_processor(gemma, size):
    image = tiny.image(*size)
    picture = gemma.family.picture(image, 1.0)
    theirs = gemma.family.processor(images=Image.fromarray(image), return_tensors="pt")
    assert torch.equal(picture.tensors["pixel_values"], theirs["pixel_values"])
    (view,) = picture.views
    assert view.grid == (4, 4)


@pytest.mark.parametrize("number", [1, 2])
def test_the_sequence_is_what_the_processor_makes(gemma, number):
    """What `Gemma3Processor` puts for the template's marks, written out here."""
    family, images = gemma.family, [tiny.image(), tiny.image(50, 50)][:number]
    inputs = family.compose(images, "  a cat\n\non it? ")
    marks = f"\n\n<start_of_image>{'<image_soft_token>' * 16}<end_of_image>\n\n" * number
    text = f"<bos><start_of_turn>user\n{marks}a cat\n\non it?<end_of_turn>\n<start_of_turn>model\n"
    words = family.codec.tokenizer
    assert list(inputs.ids) == words(text, add_special_tokens=False)["input_ids"]
    assert set(np.array(inputs.ids)[list(inputs.visual)]) == {family.image_token_id}


def test_line_breaks_are_words_and_other_added_tokens_are_not(gemma):
    codec = gemma.family.codec
    added = set(codec.added.values())
    assert "\n\n" not in added
    assert {"<table>", "[multimodal]", "<image_soft_token>"} <= added
    two = codec.tokenizer.convert_tokens_to_ids("\n\n")
    assert codec.ordinary()[two]
    run = gemma.record(tiny.image(), "one\n\ntwo <table>", scales=(1.0,), max_new_tokens=2)
    ids = run.tokens.ids[run.indices(PROMPT)].tolist()
    assert two in ids
    assert codec.special_id("<table>") not in ids


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"mm_tokens_per_image": 36}, "36 visual tokens do not divide"),
        ("config.json", {"image_token_index": 3}, "not a pair"),
        ("preprocessor_config.json", {"size": {"height": 32, "width": 32}}, "32 x 32.*64 x 64"),
    ],
)
def test_parts_that_do_not_fit_are_refused(folder, tmp_path, file, change, words):
    copy = shutil.copytree(folder, tmp_path / "model")
    settings = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**settings, **change}))
    with pytest.raises(ModelError, match=words):
        load(copy, device="cpu")
