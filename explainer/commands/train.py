"""`python -m explainer train`: train a small model of a real architecture on the emoji world."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from explainer.commands import evaluate
from explainer.emoji_world.architectures import ARCHITECTURES
from explainer.emoji_world.card import write_card
from explainer.emoji_world.recipe import FURTHER, Recipe
from explainer.emoji_world.train import Trainer
from explainer.errors import SightlineError
from explainer.recording.load import BUNDLED

HELP = "train a bundled model on the emoji world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--family", choices=list(ARCHITECTURES), default="qwen2_vl")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument(
        "--start-from",
        metavar="FOLDER",
        help="a trained emoji-qwen2-vl whose words, language model and what else fits to begin "
        "with, or 'nothing' (the bundled one; qwen2_vl begins with nothing)",
    )
    parser.add_argument(
        "--further",
        type=Path,
        metavar="FOLDER",
        help="a trained model of the same family to train further, at a lower rate",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="length; the schedule follows the clock (120)",
    )
    parser.add_argument("--steps", type=int, help="length in steps instead; the seed decides all")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--report", type=int, default=500, help="held-out scenes judged at the end")
    parser.add_argument("--save-every", type=float, default=300, metavar="SECONDS")


def main(args: argparse.Namespace) -> int:
    """Train; Ctrl-C saves the state, and `--resume` continues from it."""
    if args.minutes and args.steps:
        raise SightlineError("give --minutes or --steps, not both")
    if args.further and (args.start_from or args.resume):
        raise SightlineError("give --further, --start-from or --resume, not two of them")
    if args.resume and (args.minutes or args.steps or args.seed is not None):
        raise SightlineError("a resumed run keeps its length and its seed: leave them out")
    minutes = args.minutes or Recipe.minutes
    recipe = Recipe(seed=args.seed or Recipe.seed, steps=args.steps or 0, minutes=minutes)
    recipe = replace(recipe, **FURTHER) if args.further else recipe
    device = "cuda" if torch.cuda.is_available() else "cpu"
    device = device if args.device == "auto" else args.device
    architecture = ARCHITECTURES[args.family]
    if args.resume:
        trainer = Trainer.resume(args.out, device, architecture)
    elif args.further:
        trainer = Trainer.further(args.out, recipe, device, architecture, _trained(args.further))
    else:
        source = _source(args.start_from, args.family)
        trainer = Trainer.start(args.out, recipe, device, architecture, source)
    trainer.run(args.save_every)
    print(f"saved: {args.out} after {trainer.step} steps, {trainer.scenes} scenes")
    if args.report:
        evaluate.report_on(str(args.out), args.report, args.out)
    write_card(args.out)
    return 0


def _source(asked: str | None, family: str) -> Path | None:
    """Return the folder of the initial weights."""
    if asked == "nothing" or (asked is None and family == "qwen2_vl"):
        return None
    return _trained(Path(asked) if asked else BUNDLED)


def _trained(folder: Path) -> Path:
    """Return the folder of a trained model; raise `SightlineError` if it holds none."""
    if not (folder / "model.safetensors").is_file():
        raise SightlineError(f"no trained model in {folder}; train one first")
    return folder
