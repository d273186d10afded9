"""The things of the emoji world, with names, and the grounds to place them on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """A drawable object: its name (COCO's word where COCO has one), plural, and its emoji."""

    name: str
    emoji: str
    irregular_plural: str = ""

    @property
    def plural(self) -> str:
        """Return the plural of the name."""
        if self.irregular_plural:
            return self.irregular_plural
        return self.name + ("es" if self.name.endswith(("s", "ch", "sh")) else "s")

    @property
    def with_article(self) -> str:
        """Return the name with its indefinite article."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"


@dataclass(frozen=True)
class Ground:
    """A background: the phrase that places things on it, and the look of its texture.

    `low` and `high` are the RGB colours between which the texture moves; `pattern` names the
    generator in `scenes.py`.
    """

    phrase: str
    pattern: str
    low: tuple[int, int, int]
    high: tuple[int, int, int]


THINGS: tuple[Thing, ...] = (
    Thing("person", "\U0001f6b6", "people"),
    Thing("bicycle", "\U0001f6b2"),
    Thing("car", "\U0001f697"),
    Thing("motorcycle", "\U0001f3cd"),
    Thing("airplane", "\u2708"),
    Thing("bus", "\U0001f68c"),
    Thing("train", "\U0001f682"),
    Thing("boat", "\u26f5"),
    Thing("traffic light", "\U0001f6a6"),
    Thing("stop sign", "\U0001f6d1"),
    Thing("bird", "\U0001f426"),
    Thing("cat", "\U0001f408"),
    Thing("dog", "\U0001f415"),
    Thing("horse", "\U0001f40e"),
    Thing("sheep", "\U0001f411", "sheep"),
    Thing("cow", "\U0001f404"),
    Thing("elephant", "\U0001f418"),
    Thing("bear", "\U0001f43b"),
    Thing("zebra", "\U0001f993"),
    Thing("giraffe", "\U0001f992"),
    Thing("backpack", "\U0001f392"),
    Thing("umbrella", "\u2602"),
    Thing("handbag", "\U0001f45c"),
    Thing("suitcase", "\U0001f9f3"),
    Thing("ball", "\u26bd"),
    Thing("kite", "\U0001fa81"),
    Thing("skateboard", "\U0001f6f9"),
    Thing("wine glass", "\U0001f377"),
    Thing("banana", "\U0001f34c"),
    Thing("apple", "\U0001f34e"),
    Thing("orange", "\U0001f34a"),
    Thing("broccoli", "\U0001f966", "broccoli"),
    Thing("carrot", "\U0001f955"),
    Thing("hot dog", "\U0001f32d"),
    Thing("pizza", "\U0001f355"),
    Thing("donut", "\U0001f369"),
    Thing("cake", "\U0001f382"),
    Thing("chair", "\U0001fa91"),
    Thing("couch", "\U0001f6cb"),
    Thing("potted plant", "\U0001fab4"),
    Thing("clock", "\u23f0"),
    Thing("teddy bear", "\U0001f9f8"),
)

GROUNDS: tuple[Ground, ...] = (
    Ground("on the grass", "blades", (46, 112, 40), (124, 184, 84)),
    Ground("on the sand", "grain", (206, 176, 122), (238, 214, 166)),
    Ground("in the water", "waves", (24, 92, 150), (110, 176, 214)),
    Ground("in the sky", "clouds", (132, 186, 236), (238, 244, 252)),
    Ground("in the snow", "grain", (222, 228, 238), (252, 252, 255)),
    Ground("on a wooden floor", "planks", (128, 84, 48), (178, 126, 78)),
    Ground("in front of a brick wall", "bricks", (132, 62, 46), (184, 98, 76)),
    Ground("on the road", "grain", (74, 76, 82), (116, 118, 124)),
    Ground("under the night sky", "stars", (8, 10, 34), (40, 38, 84)),
    Ground("on a red carpet", "weave", (128, 16, 34), (184, 44, 58)),
)
