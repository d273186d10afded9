"""Sequences against those of transformers' own processors, which need torchvision.

The file was made by `python -m tests.models.make_processor_ids` where torchvision is installed.
"""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from explainer.recording.load import load
from explainer.run import Video
from tests import tiny
from tests.models.make_processor_ids import (
    FILE,
    FRAME_NUMBERS,
    FRAMES_A_SECOND,
    MADE,
    PROMPT_TEXT,
    SIZES,
    VIDEO_SIZES,
    frames,
    run_lengths,
)


@pytest.fixture(scope="module", params=MADE)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def family(kind, tmp_path_factory):
    make, _ = MADE[kind]
    return load(make(tmp_path_factory.mktemp("models") / kind), device="cpu").family


@pytest.fixture
def gemma4(family_folders):
    return load(family_folders["gemma4"], device="cpu").family


def said(family, inputs) -> list[list]:
    return run_lengths(family.codec.tokenizer.convert_ids_to_tokens(list(inputs.ids)))


def test_the_sequence_is_that_of_transformers_own_processor(kind, family):
    theirs = json.loads(FILE.read_text())[kind]
    for height, width in SIZES:
        inputs = family.compose([tiny.image(height, width)], PROMPT_TEXT)
        assert said(family, inputs) == theirs[f"{height} x {width}"]


def test_videos_and_the_request_for_a_thought_are_those_of_its_processor(gemma4):
    """The time of each frame stands before it."""
    theirs = json.loads(FILE.read_text())["gemma4"]
    times = np.array(FRAME_NUMBERS) / FRAMES_A_SECOND
    for height, width in VIDEO_SIZES:
        video = Video(frames(height, width), times, 1 / FRAMES_A_SECOND, FRAME_NUMBERS)
        inputs = gemma4.compose(video, PROMPT_TEXT)
        assert said(gemma4, inputs) == theirs[f"video of {height} x {width}"]
    inputs = gemma4.compose([tiny.image(*SIZES[0])], PROMPT_TEXT, thinking=True)
    assert said(gemma4, inputs) == theirs["with a thought"]


def test_the_file_holds_every_family_and_size():
    found = json.loads(FILE.read_text())
    held = {(kind, size) for kind in MADE for size in found[kind]}
    pictures = {(kind, f"{h} x {w}") for kind, (h, w) in product(MADE, SIZES)}
    videos = {("gemma4", f"video of {h} x {w}") for h, w in VIDEO_SIZES}
    assert held == pictures | videos | {("gemma4", "with a thought")}
