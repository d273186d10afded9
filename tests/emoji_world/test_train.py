"""A model is trained from what there is, and a stopped run loses nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import explainer
from explainer.emoji_world import checkpoint
from explainer.emoji_world.architectures import ARCHITECTURES, qwen2_vl
from explainer.emoji_world.architectures.base import normalised
from explainer.emoji_world.architectures.qwen2_vl import TinyQwen2VL
from explainer.emoji_world.card import train_commands
from explainer.emoji_world.recipe import Recipe, learning_rate
from explainer.emoji_world.train import Trainer
from explainer.errors import ModelError


def arrays(rng, n, height, width):
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(n)]


def test_the_tokenizers_take_any_text_and_keep_markup_apart(each):
    tokenizer, end = each.tokenizer, each.architecture.end
    for text in ("A cat.", "Größe 漢字 🍎", end, "\x00\t\n"):
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.convert_tokens_to_ids(end) not in ids


def test_pixels_are_those_of_the_image_processor(each):
    """What the towers are trained on is what the saved processor will make of a picture."""
    processor = each.architecture.processor()
    rng = np.random.default_rng(0)
    if isinstance(each.architecture, TinyQwen2VL):
        images = arrays(rng, 2, 64, 80)
        expected = processor(
            images=[Image.fromarray(i) for i in images], do_resize=False, return_tensors="pt"
        )
        assert expected["image_grid_thw"].tolist() == [[1, 8, 10]] * 2
        ours = qwen2_vl.patches(images)
    else:
        kind = each.architecture
        images = arrays(rng, 1, 60, 200) + arrays(rng, 1, 120, 90)
        expected = processor(images=[Image.fromarray(i) for i in images], return_tensors="pt")
        side = kind.side * kind.token_px
        ours = normalised([kind.fit(image, side) for image in images], kind.mean, kind.std)
    torch.testing.assert_close(ours, expected["pixel_values"].float(), atol=0.02, rtol=0)


@pytest.mark.parametrize("family", ["llava", "internvl"])
def test_a_window_of_the_canvas_has_its_own_positions(new_trainer, family):
    """Half a canvas at a corner is seen with the position embeddings of that corner."""
    kind, model = ARCHITECTURES[family], new_trainer(family=family).model
    with torch.no_grad():  # InternVL's begin as zeros
        for name, parameter in model.named_parameters():
            if "position_embedding" in name:
                parameter.normal_()
    pixels = torch.randn(1, 3, 4 * kind.token_px, 4 * kind.token_px)
    at = [{"pixels": pixels, "corner": torch.tensor(c)} for c in ([0, 0], [2, 5])]
    first, second = (kind.see(model, tensors) for tensors in at)
    assert first.shape == (1, 16, 192)
    assert not torch.allclose(first, second)


def test_a_new_family_begins_with_what_fits_of_a_trained_model(new_trainer):
    trained = new_trainer("trained")
    trained.save()
    for family, fits in (("llava", 74), ("internvl", 154)):
        trainer = new_trainer(family, family=family, source=(trained.folder,))
        fresh = new_trainer(f"{family}-fresh", family=family)
        ours, theirs = trainer.model.state_dict(), fresh.model.state_dict()
        taken = [
            n for n, _ in trainer.model.named_parameters() if not torch.equal(ours[n], theirs[n])
        ]
        assert 0 < len(taken) <= fits
        weight = "model.language_model.layers.5.mlp.down_proj.weight"
        kept = trained.model.state_dict()[weight]
        torch.testing.assert_close(ours[weight], kept, atol=1e-3, rtol=0)
        words = lambda t: t.tokenizer("a cat", add_special_tokens=False)["input_ids"]  # noqa: E731
        assert words(trainer) == words(trained)
        trainer.save()
        assert trainer.source == "trained"


@pytest.fixture
def first_stage_only(monkeypatch):
    """Small pictures only: what is tested does not depend on their size."""
    monkeypatch.setattr(TinyQwen2VL, "curriculum", TinyQwen2VL.curriculum[:1])


@pytest.mark.usefixtures("first_stage_only")
def test_a_resumed_run_is_the_run_that_was_never_stopped(new_trainer):
    whole = new_trainer("whole", steps=2)
    whole.run()
    stopped = new_trainer("stopped", steps=2)
    stopped.train_step()
    stopped.save()
    resumed = Trainer.resume(stopped.folder, "cpu", stopped.architecture)
    assert resumed.step == 1
    assert resumed.recipe == stopped.recipe
    resumed.run()
    assert resumed.step == whole.step == 2
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_resumed_run_keeps_its_tokenizer(new_trainer, monkeypatch):
    """The corpus may have changed since; other ids would make noise of the weights."""
    started = new_trainer("run")
    started.save()
    monkeypatch.setattr(checkpoint, "corpus", lambda: ["quite other words"] * 99)
    resumed = Trainer.resume(started.folder, "cpu", started.architecture)
    assert resumed.tokenizer("a cat")["input_ids"] == started.tokenizer("a cat")["input_ids"]


def test_a_trained_model_is_trained_further_from_all_its_weights(new_trainer):
    trained = new_trainer("trained", steps=0)
    trained.save()
    again = new_trainer("again", Trainer.further, source=(trained.folder,), curriculum_from=1.0)
    for name, weight in trained.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], weight, atol=1e-3, rtol=0)
    assert again.maker.draw(0, 0.0).grid == again.maker.draw(0, 1.0).grid
    again.save()
    told = json.loads((again.folder / "training.json").read_text())
    assert [part["step"] for part in told["before"]] == [0]
    with pytest.raises(ModelError, match="not a model of the family llava"):
        new_trainer("other", Trainer.further, family="llava", source=(trained.folder,))


def test_what_cannot_be_started_or_resumed_says_why(new_trainer, tmp_path):
    started = new_trainer("run")
    started.save()
    with pytest.raises(ModelError, match="already holds a run"):
        new_trainer("run")
    with pytest.raises(ModelError, match="nothing to resume"):
        Trainer.resume(tmp_path, "cpu", started.architecture)


@pytest.mark.usefixtures("first_stage_only")
def test_training_lowers_answer_and_bag_loss(new_trainer):
    trainer = new_trainer(steps=30, visual_tokens=120, warmup=5)
    seen = np.array([trainer.train_step() for _ in range(7)])
    assert (seen[-3:].mean(0) < 0.8 * seen[:2].mean(0)).all()


def test_the_rate_rises_holds_and_falls():
    recipe = Recipe(peak_lr=1.0, warmup=10, decay_from=0.5)
    assert learning_rate(recipe, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(recipe, 99, 0.4) == 1.0
    assert learning_rate(recipe, 99, 0.75) == pytest.approx(0.505)
    assert learning_rate(recipe, 99, 1.0) == pytest.approx(0.01)


def test_a_saved_folder_has_the_hubs_layout_and_loads(each):
    each.save()
    files = {f.name for f in each.folder.iterdir()}
    assert files >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "chat_template.jinja",
        "generation_config.json",
        "training.json",
    }
    assert (each.folder / "model.safetensors").stat().st_size < 10_000_000
    image = arrays(np.random.default_rng(0), 1, 80, 96)[0]
    run = explainer.load(each.folder).record(image, "Describe the image.", max_new_tokens=3)
    assert len(run.scale(0.5).states) <= len(run.scale(1.0).states)


def test_a_card_tells_the_commands_of_all_runs_each_from_the_last():
    runs = [
        {"family": "llava", "minutes": 90, "steps": 0, "seed": 0},
        {"family": "llava", "minutes": 120, "steps": 1400, "seed": 1},
        {"family": "llava", "minutes": 120, "steps": 1000, "seed": 2},
    ]
    train = "python -m explainer train --family llava"
    assert train_commands(runs, "one") == [
        f"{train} --out one --minutes 90 --seed 0",
        f"{train} --further one --out one-2 --steps 1400 --seed 1",
        f"{train} --further one-2 --out one-3 --steps 1000 --seed 2",
    ]
