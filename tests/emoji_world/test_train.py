"""Training: what is learned from is what the model will meet, and a stopped run loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from explainer.emoji_world import checkpoint, train
from explainer.emoji_world.language import Dialogue
from explainer.emoji_world.train import IGNORE, Recipe, Trainer
from explainer.errors import ModelError


@pytest.fixture(scope="module")
def texts():
    return checkpoint.corpus(scenes=60)


@pytest.fixture
def new_trainer(texts, monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "corpus", lambda: texts)

    def make(name="run", begin=Trainer.start, **recipe):
        options = {"steps": 4, "visual_tokens": 40, "warmup": 2} | recipe
        return begin(tmp_path / name, Recipe(**options), "cpu")

    return make


@pytest.fixture
def small(new_trainer):
    trainer = new_trainer()
    trainer.model.eval()
    return trainer


def pictures(rng, n, rows, columns):
    return [rng.integers(0, 256, (16 * rows, 16 * columns, 3), dtype=np.uint8) for _ in range(n)]


def test_the_tokenizer_takes_any_text_and_keeps_markup_apart(texts):
    tokenizer = checkpoint.train_tokenizer(texts)
    for text in ("A cat.", "Größe 漢字 🍎", "<|im_end|>", "\x00\t\n"):
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in ids


def test_patches_are_those_of_the_image_processor():
    images = pictures(np.random.default_rng(0), 2, 4, 5)
    processor = checkpoint.image_processor()
    expected = processor(
        images=[Image.fromarray(i) for i in images], do_resize=False, return_tensors="pt"
    )
    ours = train.patches(images)
    torch.testing.assert_close(ours, expected["pixel_values"].float(), atol=1e-5, rtol=0)
    assert expected["image_grid_thw"].tolist() == [[1, 8, 10]] * 2


def test_one_dialogue_trains_the_very_states_that_the_model_will_have(small):
    """Positions, mask and embeddings of the training sequence are those of a plain forward."""
    dialogues = [[Dialogue("caption", "Describe the image.", "A cat.")]]
    batch = train._batch(
        small.tokenizer, pictures(np.random.default_rng(1), 1, 3, 5), dialogues, 3, 5
    )
    model = small.model
    model.set_attn_implementation("sdpa")  # makes its own causal mask in the plain forward
    kinds = (batch.ids == model.config.image_token_id).int()
    with torch.no_grad():
        plain = model(
            input_ids=batch.ids,
            pixel_values=batch.pixels,
            image_grid_thw=batch.grid,
            mm_token_type_ids=kinds,
        ).logits
        learned = batch.targets != IGNORE
        expected = torch.nn.functional.cross_entropy(plain[learned], batch.targets[learned])
        spoken, bag = train.losses(model, batch)
        visual = plain[batch.ids == model.config.image_token_id].softmax(-1).mean(0).log()
    torch.testing.assert_close(spoken, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(bag, -(batch.bags[0] * visual).sum(), atol=1e-5, rtol=1e-5)


def test_targets_are_the_answer_and_its_end(small):
    dialogues = [[Dialogue("caption", "What?", "A cat."), Dialogue("exists", "Is it?", "Yes.")]]
    batch = train._batch(
        small.tokenizer, pictures(np.random.default_rng(1), 1, 3, 3), dialogues, 3, 3
    )
    end = small.tokenizer.convert_tokens_to_ids("<|im_end|>")
    said = batch.targets[batch.targets != IGNORE].tolist()
    expected = [
        *small.tokenizer("A cat.", add_special_tokens=False)["input_ids"],
        end,
        *small.tokenizer("Yes.", add_special_tokens=False)["input_ids"],
        end,
    ]
    assert said == expected
    at = torch.nonzero(batch.targets[0] != IGNORE).ravel()
    assert batch.ids[0, at + 1].tolist() == expected  # each is predicted from the place before it


def test_dialogues_are_blind_to_each_other(small):
    images = pictures(np.random.default_rng(2), 1, 3, 3)

    def answer_logits(first):
        dialogues = [[Dialogue("caption", first, "A dog."), Dialogue("exists", "Is it?", "Yes.")]]
        batch = train._batch(small.tokenizer, images, dialogues, 3, 3)
        core = small.model.model
        embedded = core.language_model.embed_tokens(batch.ids)
        with torch.no_grad():
            states = core.language_model(
                inputs_embeds=embedded,
                attention_mask={"full_attention": batch.mask},
                position_ids=batch.positions,
                use_cache=False,
            ).last_hidden_state
        return states[0, -3:]

    torch.testing.assert_close(
        answer_logits("Describe."), answer_logits("How many dogs are there?"), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.2, 0.9])
def test_batches_follow_the_curriculum_and_the_seed(small, progress):
    recipe = replace(small.recipe, visual_tokens=200)
    one = train.draw_batch(small.tokenizer, recipe, 7, progress)
    same = train.draw_batch(small.tokenizer, recipe, 7, progress)
    other = train.draw_batch(small.tokenizer, replace(recipe, seed=1), 7, progress)
    assert torch.equal(one.ids, same.ids)
    assert torch.equal(one.pixels, same.pixels)
    assert one.pixels.shape != other.pixels.shape or not torch.equal(one.pixels, other.pixels)
    assert torch.allclose(one.bags.sum(1), torch.ones(len(one.bags)))
    sides = one.grid[:, 1:] * checkpoint.PATCH
    stage = next(s for s in train.CURRICULUM if progress < s.until)
    low = min(limits.sides[0] for _, limits in stage.limits)
    high = max(limits.sides[1] for _, limits in stage.limits)
    assert low - 16 < sides.min()
    assert sides.max() <= high


@pytest.fixture
def first_stage_only(monkeypatch):
    """Small pictures only: what is tested does not depend on their size."""
    monkeypatch.setattr(train, "CURRICULUM", train.CURRICULUM[:1])


@pytest.mark.usefixtures("first_stage_only")
def test_a_resumed_run_is_the_run_that_was_never_stopped(new_trainer):
    whole = new_trainer("whole")
    whole.run()
    stopped = new_trainer("stopped")
    for _ in range(2):
        stopped.train_step()
    stopped.save()
    resumed = new_trainer("stopped", Trainer.resume)
    assert resumed.step == 2
    resumed.run()
    assert resumed.step == whole.step == 4
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_resumed_run_keeps_its_tokenizer(new_trainer, monkeypatch):
    """The corpus may have changed since; other ids would make noise of the weights."""
    started = new_trainer("run")
    started.save()
    monkeypatch.setattr(checkpoint, "corpus", lambda: ["quite other words"] * 99)
    resumed = new_trainer("run", Trainer.resume)
    assert resumed.tokenizer("a cat")["input_ids"] == started.tokenizer("a cat")["input_ids"]


def test_what_cannot_be_started_or_resumed_says_why(new_trainer):
    started = new_trainer("run")
    started.save()
    with pytest.raises(ModelError, match="holds a run already"):
        new_trainer("run")
    with pytest.raises(ModelError, match="nothing to resume"):
        new_trainer("elsewhere", Trainer.resume)
    with pytest.raises(ModelError, match="seed 0"):
        new_trainer("run", Trainer.resume, seed=3)


@pytest.mark.usefixtures("first_stage_only")
def test_training_lowers_both_losses(new_trainer):
    trainer = new_trainer(steps=30, visual_tokens=120, warmup=5)
    seen = np.array([trainer.train_step() for _ in range(10)])
    assert (seen[-3:].mean(0) < 0.8 * seen[:2].mean(0)).all()


def test_the_rate_rises_holds_and_falls():
    recipe = Recipe(peak_lr=1.0, warmup=10, decay_from=0.5)
    assert train.learning_rate(recipe, 0, 0.0) == pytest.approx(0.1)
    assert train.learning_rate(recipe, 99, 0.4) == 1.0
    assert train.learning_rate(recipe, 99, 0.75) == pytest.approx(0.505)
    assert train.learning_rate(recipe, 99, 1.0) == pytest.approx(0.01)


def test_a_saved_folder_has_the_hubs_layout_and_loads(new_trainer):
    import explainer

    trainer = new_trainer()
    trainer.save()
    files = {f.name for f in trainer.folder.iterdir()}
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
    assert (trainer.folder / "model.safetensors").stat().st_size < 10_000_000
    run = explainer.load(trainer.folder).record(
        pictures(np.random.default_rng(0), 1, 5, 6)[0], "Describe the image.", max_new_tokens=3
    )
    assert run.scale(1.0).views[0].grid == (5, 6)
