"""`python -m explainer evaluate`: a report over held-out samples."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from tqdm import tqdm

from explainer.errors import SightlineError
from explainer.evaluation import emoji, report
from explainer.evaluation.report import SampleLog
from explainer.record import BUNDLED, Explainer, load

HELP = "measure a model and the lens on held-out scenes of the emoji world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--dataset", choices=["emoji"], default="emoji")
    parser.add_argument("--model", default=str(BUNDLED), help="folder or hub id")
    parser.add_argument("--n", type=int, default=500, help="number of scenes")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--out", type=Path, help="folder for report.json, report.md and samples")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")


def main(args: argparse.Namespace) -> int:
    """Judge the scenes, print the table and write the report."""
    if args.n < 1:
        raise SightlineError(f"--n must be at least 1, got {args.n}")
    explainer = load(args.model, device=args.device, dtype=args.dtype)
    samples, seconds = _judge(explainer, args)
    figures = emoji.summarise(samples)
    print(report.table(figures, emoji.BARS))
    if args.out:
        about = {
            "model": explainer.model_id,
            "command": f"python -m explainer evaluate --dataset emoji --n {args.n}",
            "scenes": f"held-out seeds {args.first_seed} to {args.first_seed + args.n - 1}",
            "decoding": "greedy",
            "seconds": round(seconds, 1),
        }
        report.write(args.out, figures, emoji.BARS, about)
        print(f"written: {args.out / 'report.json'}, {args.out / 'report.md'}")
    return 0


def _judge(explainer: Explainer, args: argparse.Namespace) -> tuple[list[dict], float]:
    """Return the judged samples and the seconds that this call spent on them."""
    seeds = range(args.first_seed, args.first_seed + args.n)
    log = SampleLog(args.out / "samples.jsonl", _made_with(args)) if args.out else None
    samples = [s for s in log.samples if s["seed"] in seeds] if log else []
    done = {sample["seed"] for sample in samples}
    start = time.monotonic()
    left = [seed for seed in seeds if seed not in done]
    for sample in tqdm(emoji.judge(explainer, left), total=args.n, initial=len(done), unit="scene"):
        samples.append(sample)
        if log:
            log.add(sample)
    return samples, time.monotonic() - start


def _made_with(args: argparse.Namespace) -> dict[str, str]:
    """Return what decides a sample's figures: dataset, model and, for a folder, its weights."""
    weights = Path(args.model) / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else ""
    return {"dataset": args.dataset, "model": Path(args.model).name, "weights": digest}
