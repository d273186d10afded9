"""`python -m explainer evaluate`: a report over held-out samples."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from explainer.commands.model_flags import add_model_flags, loading
from explainer.errors import SightlineError
from explainer.evaluation import emoji, report
from explainer.evaluation.report import SampleLog
from explainer.record import BUNDLED, Explainer, load

HELP = "measure a model and the lens on held-out scenes of the emoji world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--dataset", choices=["emoji"], default="emoji")
    parser.add_argument("--n", type=int, default=500, help="number of scenes")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--out", type=Path, help="folder for report.json, report.md and samples")
    add_model_flags(parser)


def main(args: argparse.Namespace) -> int:
    """Judge the scenes, print the table and write the report."""
    if args.n < 1:
        raise SightlineError(f"--n must be at least 1, got {args.n}")
    model = args.model or str(BUNDLED)
    report_on(model, args.n, args.out, args.first_seed, **loading(args))
    return 0


def report_on(
    model: str,
    n: int,
    out: Path | None,
    first_seed: int = 0,
    **options: Any,
) -> None:
    """Judge `n` held-out scenes, print the table and, with `out`, write report.json and report.md.

    `options` are those of `explainer.load`. Samples are kept in `out` as they come, so that a
    stopped evaluation goes on where it was.
    """
    explainer = load(model, **options)
    seeds = range(first_seed, first_seed + n)
    log = SampleLog(out / "samples.jsonl", _made_with(model, options)) if out else None
    samples = _judge(explainer, seeds, log)
    figures = emoji.summarise(samples)
    print(report.table(figures, emoji.BARS))
    if out:
        about = {
            "model": explainer.model_id,
            "command": f"python -m explainer evaluate --dataset emoji --n {n}",
            "scenes": f"held-out seeds {seeds.start} to {seeds.stop - 1}",
            "decoding": "greedy",
        }
        report.write(out, figures, emoji.BARS, about)
        print(f"written: {out / 'report.json'}, {out / 'report.md'}")


def _judge(explainer: Explainer, seeds: range, log: SampleLog | None) -> list[dict]:
    """Return the judged samples, those that the log holds already among them."""
    samples = [s for s in log.samples if s["seed"] in seeds] if log else []
    done = {sample["seed"] for sample in samples}
    left = [seed for seed in seeds if seed not in done]
    judged = emoji.judge(explainer, left)
    for sample in tqdm(judged, total=len(seeds), initial=len(done), unit="scene"):
        samples.append(sample)
        if log:
            log.add(sample)
    return samples


def _made_with(model: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return what decides a sample's figures: dataset, model, its weights if it is a folder, and
    what else changes its numbers."""
    weights = Path(model) / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else ""
    changes = {n: str(options[n]) for n in ("revision", "quantize", "adapter") if n in options}
    return {"dataset": "emoji", "model": Path(model).name, "weights": digest, **changes}
