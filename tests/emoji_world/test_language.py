"""What is said of a scene is true of it."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np

from explainer.emoji_world.language import (
    DIRECTIONS,
    NUMBERS,
    caption,
    count,
    exists,
    groups,
    lesson,
    place,
    relation,
    stands,
)
from explainer.emoji_world.objects import THINGS
from explainer.emoji_world.scenes import Placed, make_scene
from explainer.evaluation.emoji import mentions

SEEDS = range(120)

scene_of = cache(make_scene)


def ask(kind, seed, *args):
    scene = scene_of(seed)
    return scene, kind(scene, np.random.default_rng(seed), *args)


def test_a_caption_names_each_kind_of_thing_once_and_nothing_else():
    for seed in SEEDS:
        scene, said = ask(caption, seed)
        named = [m.name for m in mentions(said.answer)]
        assert sorted(named) == sorted({p.name for p in scene.things}), seed
        assert said.answer[0].isupper(), seed
        assert said.answer.endswith("."), seed


def test_yes_and_no_are_right():
    for seed in SEEDS:
        scene, yes = ask(exists, seed, True)
        _, no = ask(exists, seed, False)
        present = {p.name for p in scene.things}
        assert yes.answer.startswith("Yes"), seed
        assert yes.subject in present, seed
        assert no.answer.startswith("No"), seed
        assert no.subject not in present, seed


def test_counts_are_right():
    for seed in SEEDS:
        scene, said = ask(count, seed)
        number = sum(p.name == said.subject for p in scene.things)
        assert f" {NUMBERS[number]} " in said.answer, seed


def test_a_relation_holds_of_the_things_it_names():
    asked = 0
    for seed in SEEDS:
        scene, said = ask(relation, seed)
        if said is None:
            continue
        asked += 1
        direction = next(d for d in DIRECTIONS if f" {d} the " in said.answer)
        anchor_name = said.answer.split(f" {direction} the ")[1].rstrip(".")
        (anchor,) = [p for p in scene.things if p.name == anchor_name]
        there = [p.name for p in scene.things if p is not anchor and stands(p, direction, anchor)]
        assert there == ([] if said.subject == "nothing" else [said.subject])
    assert asked > 20


def test_a_place_is_the_ninth_in_which_the_thing_stands():
    asked = 0
    for seed in SEEDS:
        scene, said = ask(place, seed)
        if said is None:
            continue
        asked += 1
        (placed,) = [p for p in scene.things if p.name == said.subject]
        height, width = scene.labels.shape
        x, y = placed.centre[0] / width, placed.centre[1] / height
        answer = said.answer
        assert ("left" in answer) == (x < 1 / 3)
        assert ("right" in answer) == (x > 2 / 3)
        assert ("upper" in answer or "at the top" in answer) == (y < 1 / 3)
        assert ("lower" in answer or "at the bottom" in answer) == (y > 2 / 3)
    assert asked > 20


def test_standing_needs_a_plain_direction():
    a = Placed(0, (10.0, 50.0), (8, 8))
    assert stands(a, "to the left of", Placed(1, (60.0, 60.0), (8, 8)))
    assert not stands(a, "to the right of", Placed(1, (60.0, 60.0), (8, 8)))
    assert not any(stands(a, d, Placed(1, (60.0, 100.0), (8, 8))) for d in DIRECTIONS)  # diagonal
    assert stands(a, "above", Placed(1, (20.0, 100.0), (8, 8)))


def test_prompts_matter():
    """The same picture has different right answers to different prompts."""
    kinds = Counter()
    for seed in SEEDS:
        scene = scene_of(seed)
        said = lesson(scene, np.random.default_rng(seed))
        kinds.update(d.kind for d in said)
        assert len({d.prompt for d in said}) >= 4
    assert set(kinds) == {"caption", "exists", "count", "relation", "place"}
    assert kinds["exists"] == 2 * len(SEEDS)


def test_plurals_and_articles():
    words = {thing.name: (thing.plural, thing.with_article) for thing in THINGS}
    assert words["person"] == ("people", "a person")
    assert words["bus"] == ("buses", "a bus")
    assert words["couch"] == ("couches", "a couch")
    assert words["wine glass"] == ("wine glasses", "a wine glass")
    assert words["apple"] == ("apples", "an apple")
    assert words["sheep"] == ("sheep", "a sheep")
    assert groups(make_scene(1))[0].phrase.split()[0] in (*NUMBERS, "a", "an")
