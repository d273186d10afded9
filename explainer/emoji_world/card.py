"""Write the model card of a bundled model from the results of training and evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explainer.emoji_world.objects import GROUNDS, THINGS
from explainer.emoji_world.scenes import FIRST_TRAINING_SEED, LARGEST, SMALLEST

_CARD = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
language: en
tags: [sightline, emoji-world, interpretability]
---

# {name}

A real `{architecture}` with {parameters:.1f} million parameters, trained on one small world,
{origin}, so that Sightline runs offline, on a laptop, in seconds. **It knows
{things} things drawn as emoji, on {grounds} grounds, and nothing else.** For photographs load a
large model.

## Training

    {command}

{runs}{note}
* Data: procedural scenes of 1 to 4 things ({smallest} to {largest} px a side) with captions and
  questions: describe, is there a ..., how many, what is left of / right of / above / below, where
  is. Sprites: Noto Color Emoji (images under Apache-2.0). No masks are trained on.
* Losses: next token on the answers; at the visual positions an image-level bag of words of the
  caption, which is what makes the last layer readable there (each word is asked for a few cells).
* Training seeds start at {first_seed}; the report below is on seeds under that.

## Figures

{figures}

## Limits

* Questions in other words than the training's, and pictures of anything else, get a confident
  nonsense answer.
* Objects below about 28 px, and pictures far from {smallest} to {largest} px, are out of its range.
* It is made for showing how explanations behave; it says nothing about how large models see.

Things: {names}.
"""


def write_card(folder: Path) -> None:
    """Write README.md into a model folder from its config, training.json and report.md."""
    training = json.loads((folder / "training.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    runs = [*training.get("before", ()), training]
    report = folder / "report.md"
    card = _CARD.format(
        name=folder.name,
        architecture=config["architectures"][0],
        parameters=(folder / "model.safetensors").stat().st_size / 2 / 1e6,
        things=len(THINGS),
        grounds=len(GROUNDS),
        origin=_origin(training.get("source", ""), training.get("family", "")),
        command="\n    ".join(train_commands(runs, folder.name)),
        runs="\n".join(map(_describe_training, runs)),
        note="".join(f"\n* {line}" for run in runs for line in run.get("notes", ())),
        smallest=SMALLEST,
        largest=LARGEST,
        first_seed=FIRST_TRAINING_SEED,
        figures=report.read_text().strip() if report.exists() else "Not measured yet.",
        names=", ".join(thing.name for thing in THINGS),
    )
    (folder / "README.md").write_text(card)


def train_commands(runs: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the command of each run of a training; each run goes on with the model of the last."""
    commands, source = [], ""
    for number, training in enumerate(runs, 1):
        family, seed = training.get("family", "qwen2_vl"), training["seed"]
        fixed = training["steps"]
        length = f"--steps {fixed}" if fixed else f"--minutes {training['minutes']:g}"
        out = name if number == 1 else f"{name}-{number}"
        further = f"--further {source} " if source else ""
        source = out
        commands.append(
            f"python -m explainer train --family {family} {further}--out {out} {length} "
            f"--seed {seed}"
        )
    return commands


def _describe_training(training: Mapping[str, Any]) -> str:
    """Describe one training run."""
    return (
        f"* Ran for {training['step']} steps over {training['scenes']} scenes, "
        f"{training['minutes_spent']} minutes on {training['device']}, seed {training['seed']},\n"
        f"  torch {training['torch']}."
    )


def _origin(source: str, family: str) -> str:
    """Describe the initial weights."""
    if not source:
        return "from scratch"
    parts = "the blocks of the vision tower, " if family == "internvl" else ""
    return f"beginning with {parts}the words and the language model of {source}"
