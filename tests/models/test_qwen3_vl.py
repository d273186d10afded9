"""What is new in Qwen3-VL: DeepStack, and the times between the steps of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from explainer.recording.explainer import Explainer
from explainer.recording.load import load
from explainer.run import ANSWER, TEMPLATE, Video
from tests import tiny

PROMPT_TEXT = "what is it?"


@pytest.fixture(scope="module")
def stacked(tmp_path_factory) -> Explainer:
    """A Qwen3-VL of the published proportions: three features, in fewer layers than all."""
    folder = tiny.qwen3_vl(tmp_path_factory.mktemp("models") / "stacked")
    config = Qwen3VLConfig.from_pretrained(folder)
    config.vision_config.depth, config.text_config.num_hidden_layers = 4, 5
    config.vision_config.deepstack_visual_indexes = [0, 1, 2]
    torch.manual_seed(1)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    return load(folder, device="cpu", dtype="float32")


def test_states_of_a_layer_hold_the_feature_added_after_it(stacked):
    """Against layers run one by one: their output, plus the feature of the same number."""
    family = stacked.family
    run = stacked.record(
        tiny.image(), PROMPT_TEXT, scales=(1.0,), layers="all", max_new_tokens=1, answer="a cat"
    )
    inputs = family.compose(run.images, run.prompt)
    ids = [*inputs.ids, *run.tokens.ids[run.indices(ANSWER)].tolist()]
    kinds = torch.zeros(1, len(ids), dtype=torch.long)
    kinds[:, list(inputs.visual)] = 1
    with torch.inference_mode():
        out = family.model(
            input_ids=torch.tensor([ids]),
            mm_token_type_ids=kinds,
            **inputs.tensors,
            output_hidden_states=True,
        )
        pictures = family.model.get_image_features(**inputs.tensors)
        features = [torch.cat(part) for part in pictures.deepstack_features]
        assert len(features) == 3
        for number in run.layer_numbers[:-1]:
            states = out.hidden_states[number][0, list(inputs.visual)]
            if number <= 3:
                assert float(features[number - 1].abs().max()) > 0.1
                states = states + features[number - 1]
            want = family.decoder.norm(states).numpy()
            got = run.at_layer(number).scales[0].states.astype(np.float32)
            np.testing.assert_allclose(got, want, rtol=5e-3, atol=5e-3)


def test_visual_states_depend_on_every_feature(stacked):
    """A feature that did not arrive would leave the states as they are."""
    family = stacked.family
    inputs = family.compose_prefix([tiny.image()], 1.0)
    whole = stacked._engine.visual_states(inputs)[-1]
    for merger in family.base.visual.deepstack_merger_list:
        hook = merger.register_forward_hook(lambda _m, _a, output: torch.zeros_like(output))
        without = stacked._engine.visual_states(inputs)[-1]
        hook.remove()
        assert float((whole - without).abs().max()) > 0.01


def test_each_step_of_a_video_follows_its_time(stacked):
    """Means of the first and last frame's times, with one digit, as the processor rounds them."""
    times = np.array([0.0, 0.5, 1.0, 1.7, 62.0, 62.5])
    frames = np.random.default_rng(0).integers(0, 256, (6, 32, 48, 3), dtype=np.uint8)
    run = stacked.record(
        None, "what?", video=Video(frames, times, 12.5, tuple(range(6))), max_new_tokens=1
    )
    said = "".join(run.tokens.texts[i] for i in run.indices(TEMPLATE))
    each = "<|vision_start|><|vision_end|>"
    assert said.startswith(
        "<|im_start|>user\n<|vision_start|>"
        f"<0.2 seconds>{each}<1.4 seconds>{each}<62.2 seconds>{each}<|vision_end|>"
    )
    assert [view.image for view in run.scales[0].views] == [0, 1, 2]


def test_states_of_a_step_do_not_depend_on_later_ones(stacked):
    """Under the causal mask the first step of a video is as it would be alone."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    engine, family = stacked._engine, stacked.family
    both, first = (
        engine.visual_states(
            family.compose_prefix(
                Video(frames[:n], np.arange(n, dtype=float), 1.0, tuple(range(n))), 1.0
            )
        )[-1]
        for n in (4, 2)
    )
    torch.testing.assert_close(both[: len(first)], first, atol=1e-4, rtol=1e-4)


def test_keys_of_the_published_config_are_read(tmp_path):
    folder: Path = tiny.qwen3_vl(tmp_path / "model")
    text = load(folder, device="cpu").family.model.config.text_config
    assert text.rope_parameters["mrope_section"] == [3, 3, 2]
    assert text.rope_parameters["rope_theta"] == 10000.0
    assert load(folder, device="cpu").family.cell == 16
