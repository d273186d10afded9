"""Training batches of the bundled models: pictures of scenes, and dialogues about them.

One sequence holds a picture once, followed by several dialogues that do not attend to each other,
so that a picture is encoded once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from explainer.emoji_world.architectures import Architecture
from explainer.emoji_world.architectures.base import Pictures
from explainer.emoji_world.language import Dialogue, lesson
from explainer.emoji_world.recipe import Recipe

IGNORE = -100


@dataclass(frozen=True, eq=False)
class Batch:
    """B pictures of one size, each with its dialogues.

    `pictures` is what `Architecture.see` takes, `grid` their (rows, columns) of visual tokens.
    Shapes, with L the padded sequence length: `ids` (B, L) int64, `targets` (B, L) int64 (`IGNORE`
    where nothing is learned), `positions` (B, L) or (3, B, L) int64, `mask` (B, 1, L, L) bool (True
    where a row may look), `bags` (B, V) float32 weights over the vocabulary, rows of sum 1.
    """

    pictures: Mapping[str, torch.Tensor]
    grid: tuple[int, int]
    ids: torch.Tensor
    targets: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    bags: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on `device`."""
        pictures, grid, *rest = vars(self).values()
        moved = {name: tensor.to(device) for name, tensor in pictures.items()}
        return Batch(moved, grid, *(tensor.to(device) for tensor in rest))


class Maker:
    """Make the batches of one architecture, determined by seed, step and progress."""

    def __init__(
        self, architecture: Architecture, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
    ) -> None:
        self.architecture, self.tokenizer, self.recipe = architecture, tokenizer, recipe

    def draw(self, step: int, progress: float) -> Batch:
        """Draw the batch of this step, from the stage of the curriculum at `progress`."""
        rng = np.random.default_rng([self.recipe.seed, step])
        stages = self.architecture.curriculum
        progress = max(progress, self.recipe.curriculum_from)
        stage = next(s for s in stages if progress < s.until or s is stages[-1])
        weights = [weight for weight, _ in stage.sources]
        source = stage.sources[int(rng.choice(len(weights), p=weights))][1]
        pictures = self.architecture.draw(source, rng, self.recipe.visual_tokens)
        lessons = [
            lesson(scene, np.random.default_rng(seed))[: stage.dialogues]
            for scene, seed in zip(
                pictures.scenes, rng.integers(2**62, size=len(pictures.scenes)), strict=True
            )
        ]
        return self.batch(pictures, lessons)

    def batch(self, pictures: Pictures, lessons: list[list[Dialogue]]) -> Batch:
        """Combine pictures and their dialogues into one batch."""
        rows, columns = pictures.grid
        prefix, start = self.architecture.prefix(self.tokenizer, rows * columns)
        said = [
            [self.architecture.dialogue(self.tokenizer, d) for d in dialogues]
            for dialogues in lessons
        ]
        first, after = self.architecture.positions(start, pictures.grid, len(prefix))
        layout = _Layout(prefix, after, said, self.tokenizer.pad_token_id)
        positions = np.broadcast_to(
            first[..., None, :], (*first.shape[:-1], *layout.ids.shape[:1], len(prefix))
        )
        later = np.broadcast_to(layout.positions, (*first.shape[:-1], *layout.positions.shape))
        return Batch(
            pictures=pictures.tensors,
            grid=pictures.grid,
            ids=torch.from_numpy(layout.ids),
            targets=torch.from_numpy(layout.targets),
            positions=torch.from_numpy(np.concatenate([positions, later], axis=-1)),
            mask=_mask(torch.from_numpy(layout.owner)),
            bags=torch.from_numpy(_bags(said, len(self.tokenizer))),
        )


Said = list[list[tuple[list[int], list[int]]]]  # for each picture: question and answer ids


class _Layout:
    """The layout of the sequences: the prefix with the picture, then the dialogues.

    Shapes: `ids`, `targets` and `owner` (B, L) int64, with owner 0 for the prefix, s + 1 for
    dialogue s and -1 for padding; `positions` (B, L - prefix) int64.
    """

    def __init__(self, prefix: list[int], after: int, said: Said, pad: int) -> None:
        most = max(sum(len(q) + len(a) for q, a in dialogues) for dialogues in said)
        shape = len(said), len(prefix) + most
        self.ids = np.full(shape, pad, np.int64)
        self.targets = np.full(shape, IGNORE, np.int64)
        self.owner = np.full(shape, -1, np.int64)
        self.positions = np.zeros((len(said), most), np.int64)
        self.ids[:, : len(prefix)] = prefix
        self.owner[:, : len(prefix)] = 0
        for i, dialogues in enumerate(said):
            at = len(prefix)
            for s, (question, answer) in enumerate(dialogues):
                stop = at + len(question) + len(answer)
                self.ids[i, at:stop] = question + answer
                self.targets[i, at + len(question) - 1 : stop - 1] = answer
                self.owner[i, at:stop] = s + 1
                self.positions[i, at - len(prefix) : stop - len(prefix)] = after + np.arange(
                    stop - at
                )
                at = stop


def _mask(owner: torch.Tensor) -> torch.Tensor:
    """Return the attention mask (B, 1, L, L) bool: each token sees its dialogue and the prefix."""
    causal = torch.ones(owner.shape[1], owner.shape[1], dtype=torch.bool).tril()
    mine = (owner[:, :, None] == owner[:, None, :]) | (owner[:, None, :] == 0)
    return (causal & mine)[:, None]


def _bags(said: Said, vocabulary: int) -> np.ndarray:
    """Return the bag of words (B, V) float32 of each caption, which is the first dialogue."""
    bags = np.zeros((len(said), vocabulary), np.float32)
    for bag, dialogues in zip(bags, said, strict=True):
        words = np.unique(dialogues[0][1][:-1])
        bag[words] = 1 / len(words)
    return bags
