"""Held-out scenes of the emoji world: exact masks, and prompts for captions as in training."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from explainer.emoji_world.language import caption
from explainer.emoji_world.objects import THINGS
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, Scene, make_scene
from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample
from explainer.evaluation.iou import Truth

CATEGORIES = {i: thing.name for i, thing in enumerate(THINGS, 1)}
# Nouns in the phrases that say on what ground and in which place a thing is.
_GROUNDS = "grass sand water sky snow floor brick wall road night carpet"
_PLACES = "corner center picture image top bottom"


class EmojiScenes(Dataset):
    """Scenes from `first_seed` on; each has the prompt for a caption that its seed draws."""

    name = "emoji"
    nouns = frozenset(_GROUNDS.split()) | frozenset(_PLACES.split())

    def __init__(self, first_seed: int = 0, prompt: str = "") -> None:
        if not 0 <= first_seed < FIRST_TRAINING_SEED:
            raise SightlineError(
                f"seed {first_seed} is not held out; use 0..{FIRST_TRAINING_SEED - 1}"
            )
        self.first_seed = first_seed
        self._prompt = prompt

    def __len__(self) -> int:
        return FIRST_TRAINING_SEED - self.first_seed

    def names(self) -> Iterable[str]:
        return CATEGORIES.values()

    def key(self, number: int) -> str:
        return f"seed {self.first_seed + number}"

    def sample(self, number: int) -> Sample:
        seed = self.first_seed + number
        scene = make_scene(seed)
        dialogue = caption(scene, np.random.default_rng(seed))
        prompt = self._prompt or dialogue.prompt
        return Sample(self.key(number), scene.image, prompt, CATEGORIES, lambda: _truth(scene))


def _truth(scene: Scene) -> Truth:
    present = {placed.thing for placed in scene.things}
    masks = {i + 1: scene.mask(THINGS[i].name) for i in sorted(present)}
    return Truth(scene.labels.shape, masks)
