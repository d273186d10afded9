"""What is learned from is what the model will meet."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import explainer
from explainer.emoji_world.architectures.base import Pictures
from explainer.emoji_world.architectures.qwen2_vl import TinyQwen2VL
from explainer.emoji_world.batches import IGNORE, Maker
from explainer.emoji_world.language import Dialogue
from explainer.emoji_world.losses import bag_loss, forward, mask_for


def batch_of(trainer, dialogues, seed=1):
    """Return a batch of pictures of the size that the model will have, with these dialogues."""
    source = trainer.architecture.curriculum[-1].sources[-1][1]
    drawn = trainer.architecture.draw(source, np.random.default_rng(seed), 1)
    one = Pictures(drawn.scenes[:1], drawn.grid, _first(drawn))
    return one, trainer.maker.batch(one, [dialogues])


def _first(drawn):
    """Return the tensors of the first of some pictures."""
    n = len(drawn.scenes)
    per = {name: len(tensor) // n for name, tensor in drawn.tensors.items()}
    return {
        name: tensor if name == "corner" else tensor[: per[name]]
        for name, tensor in drawn.tensors.items()
    }


def test_one_dialogue_trains_the_very_states_that_the_model_will_have(each):
    """Positions, mask and embeddings of the training sequence are those of a plain forward."""
    pictures, batch = batch_of(each, [Dialogue("caption", "Describe the image.", "A cat.")])
    model = copy.deepcopy(each.model)
    model.set_attn_implementation("sdpa")  # makes its own causal mask in the plain forward
    image = batch.ids == model.config.image_token_id
    tensors = {"pixel_values": pictures.tensors["pixels"]}
    if "grid" in pictures.tensors:
        tensors |= {"image_grid_thw": pictures.tensors["grid"], "mm_token_type_ids": image.int()}
    with torch.no_grad():
        plain = model(input_ids=batch.ids, **tensors).logits
        learned = batch.targets != IGNORE
        expected = torch.nn.functional.cross_entropy(plain[learned], batch.targets[learned])
        spoken, lens = forward(model, each.architecture, batch)
        bag = bag_loss(lens, batch.bags, 3.0)
        mass = plain[image].softmax(-1).sum(0)
        missing = -(1 - (-mass / 3.0).exp()).log()
    torch.testing.assert_close(spoken, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(bag, (batch.bags[0] * missing).sum(), atol=1e-5, rtol=1e-5)


def test_a_word_that_has_its_cells_asks_for_no_more():
    """It is what keeps the map of a word within the thing that it names."""
    lens = torch.full((1, 40, 2), -20.0)
    lens[0, :30, 0] = 0.0  # the first word is the sure guess of 30 cells, the second of none
    lens.requires_grad_()
    bag_loss(lens, torch.tensor([[0.5, 0.5]]), 3.0).backward()
    assert lens.grad[0, :, 0].abs().max() < 1e-4
    assert lens.grad[0, :, 1].max() < -1e-3


def test_the_sequence_is_the_one_that_recording_will_compose(each):
    dialogue = Dialogue("caption", "What do you see?", "A cat.")
    pictures, batch = batch_of(each, [dialogue])
    each.save()
    family = explainer.load(each.folder).family
    image = pictures.scenes[0].image
    if isinstance(each.architecture, TinyQwen2VL):
        image = np.zeros((16 * pictures.grid[0], 16 * pictures.grid[1], 3), np.uint8)
    asked = family.compose([image], dialogue.prompt).ids
    assert batch.ids[0, : len(asked)].tolist() == list(asked)
    answer = each.tokenizer("A cat.", add_special_tokens=False)["input_ids"]
    assert batch.ids[0, len(asked) :].tolist()[: len(answer)] == answer


def test_targets_are_the_answer_and_its_end(each):
    _, batch = batch_of(
        each, [Dialogue("caption", "What?", "A cat."), Dialogue("exists", "Is it?", "Yes.")]
    )
    words = lambda text: each.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    end = each.tokenizer.convert_tokens_to_ids(each.architecture.end)
    expected = [*words("A cat."), end, *words("Yes."), end]
    assert batch.targets[batch.targets != IGNORE].tolist() == expected
    at = torch.nonzero(batch.targets[0] != IGNORE).ravel()
    assert batch.ids[0, at + 1].tolist() == expected  # each is predicted from the place before it


def test_dialogues_are_blind_to_each_other(each):
    def answer_states(first):
        _, batch = batch_of(
            each, [Dialogue("caption", first, "A dog."), Dialogue("exists", "Is it?", "Yes.")]
        )
        text_model = each.model.model.language_model
        with torch.no_grad():
            states = text_model(
                inputs_embeds=text_model.embed_tokens(batch.ids),
                attention_mask=mask_for(text_model, batch.mask),
                position_ids=batch.positions,
                use_cache=False,
            ).last_hidden_state
        return states[0, -3:]

    torch.testing.assert_close(
        answer_states("Describe."), answer_states("How many dogs are there?"), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.2, 0.9])
def test_batches_follow_the_curriculum_and_the_seed(each, progress):
    recipe = replace(each.recipe, visual_tokens=200)
    draw = lambda seed: Maker(  # noqa: E731
        each.architecture, each.tokenizer, replace(recipe, seed=seed)
    ).draw(7, progress)
    one, same, other = draw(0), draw(0), draw(1)
    assert torch.equal(one.ids, same.ids)
    assert torch.equal(one.pictures["pixels"], same.pictures["pixels"])
    assert one.ids.shape != other.ids.shape or not torch.equal(one.ids, other.ids)
    assert torch.allclose(one.bags.sum(1), torch.ones(len(one.bags)))
    assert [s.until for s in each.architecture.curriculum][-1] == 1.0
