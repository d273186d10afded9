"""Architectures that are refused, and what the person who asked for one is told."""

from __future__ import annotations

import json

import pytest

from explainer.errors import ModelError
from explainer.models import family_class
from explainer.recording.load import load


@pytest.mark.parametrize("kind", ["qwen3_vl_moe", "qwen3_omni_moe", "qwen2_5_omni"])
def test_relatives_are_refused_with_the_models_that_work(kind):
    with pytest.raises(ModelError, match="Qwen3-VL"):
        family_class(kind)


@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("gemma4_unified", "vision tower"),
        ("gemma3n", "Gemma 4"),
        ("llava_next_video", "OneVision"),
        ("vipllava", "OneVision"),
    ],
)
def test_other_relatives_are_refused_with_what_works(kind, instead):
    with pytest.raises(ModelError, match=instead):
        family_class(kind)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("mllama", "cross-attention"),
        ("idefics", "cross-attention"),
        ("florence2", "encoder-decoder"),
        ("paligemma", "another prompt gives its visual tokens other states"),
        ("blip-2", "Q-Former"),
        ("idefics2", "resampler"),
        ("instructblip", "Q-Former"),
    ],
)
def test_architectures_without_visual_tokens_are_refused_with_the_reason(kind, why, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "vision_config": {}}))
    with pytest.raises(ModelError, match=f"'{kind}' are not supported; .*{why}"):
        load(tmp_path)
