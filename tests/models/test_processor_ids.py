"""Sequences against those of transformers' own processors, which need torchvision.

The file was made by `python -m tests.models.make_processor_ids` where torchvision is installed.
"""

from __future__ import annotations

import json
from itertools import product

import pytest

from explainer.recording.load import load
from tests import tiny
from tests.models.make_processor_ids import FILE, MADE, PROMPT_TEXT, SIZES, run_lengths


@pytest.fixture(scope="module", params=MADE)
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def family(kind, tmp_path_factory):
    make, _ = MADE[kind]
    return load(make(tmp_path_factory.mktemp("models") / kind), device="cpu").family


def test_the_sequence_is_that_of_transformers_own_processor(kind, family):
    theirs = json.loads(FILE.read_text())[kind]
    assert len(theirs) == len(SIZES)
    for height, width in SIZES:
        inputs = family.compose([tiny.image(height, width)], PROMPT_TEXT)
        tokens = family.codec.tokenizer.convert_ids_to_tokens(list(inputs.ids))
        assert run_lengths(tokens) == theirs[f"{height} x {width}"]


def test_the_file_holds_every_family_and_size():
    found = json.loads(FILE.read_text())
    held = {(kind, size) for kind in MADE for size in found[kind]}
    assert held == {(kind, f"{h} x {w}") for kind, (h, w) in product(MADE, SIZES)}
