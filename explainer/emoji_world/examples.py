"""The example pictures of the page, drawn from held-out seeds.

python -m explainer.emoji_world.examples
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from explainer.emoji_world.objects import GROUNDS, THINGS
from explainer.emoji_world.scenes import Limits, Scene, compose

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "examples"
LIMITS = Limits(share=(0.26, 0.5))


@dataclass(frozen=True)
class Example:
    """An example: file name, scene, question, and label of the thumbnail."""

    name: str
    size: tuple[int, int]
    ground: str
    things: tuple[str, ...]
    prompt: str
    label: str
    seed: int

    def scene(self) -> Scene:
        """Return the scene of this example."""
        names = [thing.name for thing in THINGS]
        phrases = [ground.phrase for ground in GROUNDS]
        return compose(
            np.random.default_rng(self.seed),
            self.size,
            phrases.index(self.ground),
            [names.index(name) for name in self.things],
            LIMITS,
        )


EXAMPLES: tuple[Example, ...] = (
    Example(
        "bears",
        (336, 368),
        "in the snow",
        ("teddy bear", "bear"),
        "What do you see?",
        "Bear and teddy bear",
        15,
    ),
    Example(
        "party",
        (336, 336),
        "in front of a brick wall",
        ("cake", "donut", "pizza", "wine glass"),
        "What is in the picture?",
        "At a party",
        18,
    ),
    Example(
        "stripes",
        (320, 400),
        "on the sand",
        ("zebra", "horse"),
        "Is there a zebra in the picture?",
        "Is there a zebra?",
        13,
    ),
    Example(
        "hot-dog",
        (336, 336),
        "on a red carpet",
        ("hot dog", "cat"),
        "Is there a dog in the picture?",
        "A dog? (trap)",
        14,
    ),
    Example(
        "safari",
        (304, 432),
        "on the grass",
        ("elephant", "giraffe", "zebra"),
        "Is there an elephant in the picture?",
        "Is there an elephant?",
        20,
    ),
    Example(
        "sky",
        (416, 304),
        "in the sky",
        ("kite", "airplane", "bird"),
        "Where is the kite?",
        "Where is the kite?",
        17,
    ),
    Example(
        "street",
        (288, 432),
        "on the road",
        ("bus", "car", "traffic light", "person"),
        "Write a one-sentence caption for this image:",
        "Street caption",
        16,
    ),
    Example(
        "room",
        (336, 400),
        "on a red carpet",
        ("couch", "clock", "potted plant"),
        "Describe the image.",
        "Living room",
        19,
    ),
    Example(
        "pets",
        (336, 400),
        "on the grass",
        ("cat", "dog", "cat"),
        "How many cats are there?",
        "Counting cats",
        12,
    ),
    Example(
        "fruit",
        (336, 336),
        "on a wooden floor",
        ("apple", "orange"),
        "Describe the image.",
        "Apple or orange?",
        11,
    ),
)


def write_examples() -> None:
    """Write each picture as PNG and `examples.json` with prompts and labels."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    listed = []
    for example in EXAMPLES:
        file = f"{example.name}.png"
        Image.fromarray(example.scene().image).save(FOLDER / file, optimize=True)
        listed.append({"image": file, "prompt": example.prompt, "label": example.label})
    (FOLDER / "examples.json").write_text(json.dumps(listed, indent=2) + "\n")


if __name__ == "__main__":
    write_examples()
