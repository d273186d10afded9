"""`python -m explainer train`: train a small model of a real architecture on the emoji world."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from explainer.commands import evaluate
from explainer.emoji_world.card import write_card
from explainer.emoji_world.train import Recipe, Trainer
from explainer.errors import SightlineError

HELP = "train a bundled model on the emoji world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--family", choices=["qwen2_vl"], default="qwen2_vl")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument(
        "--minutes",
        type=float,
        help="length; the schedule follows the clock (120)",
    )
    parser.add_argument("--steps", type=int, help="length in steps instead; the seed decides all")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    parser.add_argument("--report", type=int, default=500, help="held-out scenes judged at the end")
    parser.add_argument("--save-every", type=float, default=300, metavar="SECONDS")


def main(args: argparse.Namespace) -> int:
    """Train; stopped by Ctrl-C it saves, and `--resume` goes on from there."""
    if args.minutes and args.steps:
        raise SightlineError("give --minutes or --steps, not both")
    recipe = Recipe(seed=args.seed, steps=args.steps or 0, minutes=args.minutes or Recipe.minutes)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    begin = Trainer.resume if args.resume else Trainer.start
    trainer = begin(args.out, recipe, device if args.device == "auto" else args.device)
    trainer.run(args.save_every)
    print(f"saved: {args.out} after {trainer.step} steps, {trainer.scenes} scenes")
    if args.report:
        evaluate.report_on(str(args.out), args.report, args.out)
    write_card(args.out)
    return 0
