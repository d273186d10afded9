"""True sentences about a scene: captions, questions and answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from explainer.emoji_world.objects import GROUNDS, THINGS, Thing
from explainer.emoji_world.scenes import Placed, Scene

NUMBERS = ("no", "one", "two", "three", "four")
DIRECTIONS = ("to the left of", "to the right of", "above", "below")
PLACES = (
    ("in the upper left corner", "at the top", "in the upper right corner"),
    ("on the left", "in the center", "on the right"),
    ("in the lower left corner", "at the bottom", "in the lower right corner"),
)

DESCRIBE = ("Describe the image.", "Describe the picture.")
CAPTION = ("Write a one-sentence caption for this image:", "Write a caption.")
WHAT = ("What is in the picture?", "What do you see?")


@dataclass(frozen=True)
class Dialogue:
    """One question about a scene and its answer.

    `kind` is "caption", "exists", "count", "relation" or "place"; `subject` the thing asked for.
    """

    kind: str
    prompt: str
    answer: str
    subject: str = ""


@dataclass(frozen=True)
class Group:
    """All things of one name in a scene, and the mean x of their centres."""

    thing: Thing
    members: tuple[Placed, ...]

    @property
    def phrase(self) -> str:
        """Return "a cat" or "two cats"."""
        if len(self.members) == 1:
            return self.thing.with_article
        return f"{NUMBERS[len(self.members)]} {self.thing.plural}"


def groups(scene: Scene) -> list[Group]:
    """Return the things of a scene by name, from left to right."""
    names = dict.fromkeys(placed.thing for placed in scene.things)
    found = [
        Group(THINGS[i], tuple(placed for placed in scene.things if placed.thing == i))
        for i in names
    ]
    return sorted(found, key=lambda g: np.mean([m.centre[0] for m in g.members]))


def caption(scene: Scene, rng: np.random.Generator) -> Dialogue:
    """Return a prompt for a description, and a caption in a matching grammar.

    Things are named in random order: the next one is any that has not been named.
    """
    style = int(rng.integers(3))
    things, place = groups(scene), GROUNDS[scene.ground].phrase
    things = [things[i] for i in rng.permutation(len(things))]
    listed = _listed([g.phrase for g in things])
    verb = "is" if len(things) == 1 and len(things[0].members) == 1 else "are"
    there = "is" if len(things[0].members) == 1 else "are"
    prompt = str(rng.choice((DESCRIBE, CAPTION, WHAT)[style]))
    if style == 0:
        related = _related(things)
        answer = f"{related}, {place}." if related else f"{listed} {verb} {place}."
    elif style == 1:
        answer = f"{listed} {place}."
    else:
        answer = f"there {there} {listed} {place}."
    return Dialogue("caption", prompt, answer[0].upper() + answer[1:])


def _listed(phrases: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))


def _related(things: list[Group]) -> str:
    """Return "a cat is above a dog" for two different things in a plain relation, else ""."""
    if [len(group.members) for group in things] != [1, 1]:
        return ""
    first, second = things
    for direction in DIRECTIONS:
        if stands(first.members[0], direction, second.members[0]):
            return f"{first.phrase} is {direction} {second.phrase}"
    return ""


def exists(scene: Scene, rng: np.random.Generator, truth: bool) -> Dialogue:
    """Return a yes/no question about a thing that is there, or about one that is not."""
    present = {placed.thing for placed in scene.things}
    if truth:
        group = groups(scene)[int(rng.integers(len(present)))]
        verb = "is" if len(group.members) == 1 else "are"
        thing, answer = group.thing, f"Yes, there {verb} {group.phrase}."
    else:
        thing = THINGS[int(rng.choice([i for i in range(len(THINGS)) if i not in present]))]
        answer = f"No, there is no {thing.name}."
    prompt = str(
        rng.choice(
            (f"Is there {thing.with_article} in the picture?", f"Do you see {thing.with_article}?")
        )
    )
    return Dialogue("exists", prompt, answer, thing.name)


def count(scene: Scene, rng: np.random.Generator) -> Dialogue:
    """Return a counting question; one in eight is about a thing that is not there."""
    if rng.random() < 0.125:
        absent = exists(scene, rng, truth=False).subject
        plural = next(thing.plural for thing in THINGS if thing.name == absent)
        return Dialogue("count", f"How many {plural} are there?", f"There are no {plural}.", absent)
    choices = groups(scene)
    weights = np.array([len(g.members) for g in choices], float)
    group = choices[int(rng.choice(len(choices), p=weights / weights.sum()))]
    n, thing = len(group.members), group.thing
    answer = f"There is one {thing.name}." if n == 1 else f"There are {NUMBERS[n]} {thing.plural}."
    return Dialogue("count", f"How many {thing.plural} are there?", answer, thing.name)


def stands(a: Placed, direction: str, b: Placed) -> bool:
    """Return whether `a` clearly lies in this direction from `b` (the larger offset decides)."""
    dx, dy = a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]
    offset = {"to the left of": -dx, "to the right of": dx, "above": -dy, "below": dy}[direction]
    across = dy if direction.startswith("to") else dx
    return offset > 1.15 * abs(across)


def relation(scene: Scene, rng: np.random.Generator) -> Dialogue | None:
    """Return a question on what lies in a direction of a thing, if the answer is clear."""
    single = [g.members[0] for g in groups(scene) if len(g.members) == 1]
    if not single or len(scene.things) < 2:
        return None
    for _ in range(6):
        anchor = single[int(rng.integers(len(single)))]
        direction = str(rng.choice(DIRECTIONS))
        others = [p for p in scene.things if p is not anchor and stands(p, direction, anchor)]
        if len(others) == 1 or (not others and rng.random() < 0.2):
            subject = THINGS[others[0].thing].with_article if others else "nothing"
            sentence = f"{subject} is {direction} the {anchor.name}."
            prompt = f"What is {direction} the {anchor.name}?"
            name = others[0].name if others else "nothing"
            return Dialogue("relation", prompt, sentence[0].upper() + sentence[1:], name)
    return None


def place(scene: Scene, rng: np.random.Generator) -> Dialogue | None:
    """Return a question on where a thing is, unless it lies between two ninths."""
    single = [g.members[0] for g in groups(scene) if len(g.members) == 1]
    if not single:
        return None
    placed = single[int(rng.integers(len(single)))]
    height, width = scene.labels.shape
    x, y = 3 * placed.centre[0] / width, 3 * placed.centre[1] / height
    if any(abs(v - edge) < 0.12 for v in (x, y) for edge in (1, 2)):
        return None
    answer = f"The {placed.name} is {PLACES[int(y)][int(x)]}."
    return Dialogue("place", f"Where is the {placed.name}?", answer, placed.name)


QUESTIONS: tuple[Callable[[Scene, np.random.Generator], Dialogue | None], ...] = (
    count,
    relation,
    place,
)


def lesson(scene: Scene, rng: np.random.Generator) -> list[Dialogue]:
    """Return the dialogues about one scene.

    A caption, a yes, a no, three more captions in other grammars and orders, and up to two more
    questions.
    """
    said = [caption(scene, rng), exists(scene, rng, True), exists(scene, rng, False)]
    said += [caption(scene, rng) for _ in range(3)]
    asked = [ask(scene, rng) for ask in rng.permutation(np.array(QUESTIONS, object))[:2]]
    return said + [dialogue for dialogue in asked if dialogue]
