"""Measuring maps, shared by both kinds of evaluation: flags, plan, samples and facts."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explainer.errors import SightlineError
from explainer.evaluation.datasets import Dataset, open_dataset
from explainer.evaluation.tables import Summary, nothing_judged
from explainer.evaluation.words import grammar
from explainer.recording.load import load
from explainer.serving.model_flags import load_options, silence_libraries

if TYPE_CHECKING:
    from explainer.evaluation.campaign import Judge
    from explainer.evaluation.measure import MeasurePlan
    from explainer.evaluation.shards import ShardPlace

NOTHING_JUDGED = 3  # exit code


def exit_code(summaries: Sequence[Summary]) -> int:
    """Return 0, or `NOTHING_JUDGED` with a sentence on stderr if a summary has no samples."""
    reasons = [why for summary in summaries if (why := nothing_judged(summary))]
    for why in reasons:
        print(f"python -m explainer evaluate: {why}", file=sys.stderr)
    return NOTHING_JUDGED if reasons else 0


def measure_candidates(
    model: str,
    names: Sequence[str],
    args: argparse.Namespace,
    out: Path | None,
    inspected: tuple[str, ...] = (),
) -> tuple[MeasurePlan, list[dict] | None]:
    """Measure samples, kept in `out`; return the plan and, in the first process, the samples."""
    from explainer.evaluation.campaign import judge_maps

    dataset = open_flagged_dataset(args)
    plan = _plan(names, args, grammar(args.pos, dataset.known_nouns()))
    plan = replace(plan, inspected=inspected)
    made_with = {
        "dataset": args.dataset,
        "root": args.root.resolve().name if args.root else "",
        "prompt": args.prompt,
        "pos": args.pos,
        "with_curves": args.faithfulness,
        **dataset.made_with,
        **plan.made_with,
    }
    keys, judge = judge_maps(dataset, plan, args.n, args.faithfulness)
    return plan, judge_samples(model, args, out, made_with, keys, judge)


def judge_samples(
    model: str,
    args: argparse.Namespace,
    out: Path | None,
    made_with: Mapping[str, Any],
    keys: Sequence[str],
    judge: Judge,
) -> list[dict] | None:
    """Judge samples, kept in `out`, with the model of the flags; see `Campaign`.

    `made_with` are what determines their figures besides the model. Raises `SightlineError` if one
    of several processes has no shared folder.
    """
    from explainer.evaluation.campaign import Campaign
    from explainer.evaluation.shards import ShardPlace

    place = ShardPlace.of()
    if place.world > 1:
        need_folder(out)
    options = load_options(args) | _own_device(args.device, place)
    origin = sample_origin(model, options) | dict(made_with)
    silence_libraries()
    return Campaign(keys, origin, out, place, args.wait).run(lambda: load(model, **options), judge)


def open_flagged_dataset(args: argparse.Namespace) -> Dataset:
    """Open the data set of the flags."""
    return open_dataset(args.dataset, args.root, args.mode, args.first_seed, args.prompt)


def list_facts(
    args: argparse.Namespace, plan: MeasurePlan, samples: Sequence[Mapping]
) -> dict[str, str]:
    """Return the facts needed to judge the figures."""
    from explainer.evaluation.campaign import speed

    return {
        "command": _command(args),
        "samples": " to ".join(dict.fromkeys(s["key"] for s in (*samples[:1], *samples[-1:]))),
        "mode": f"{args.mode}, word classes by {args.pos}",
        "decoding": f"greedy, at most {args.max_new_tokens} tokens",
        "scales": ", ".join(f"{alpha:g}" for alpha in plan.alphas),
        "intervals": "95%, bootstrap over samples",
        "time": speed(samples),
    }


def _plan(names: Sequence[str], args: argparse.Namespace, known: Any) -> MeasurePlan:
    from explainer.evaluation.candidates import parse
    from explainer.evaluation.faithfulness import CurveSettings
    from explainer.evaluation.measure import MeasurePlan
    from explainer.methods.controls import CONTROLS

    shared: dict[str, Any] = {}
    if args.scales:
        shared["scales"] = _numbers(args.scales)
    if args.k is not None:
        shared["k"] = args.k
    candidates = parse([*names, *([] if args.no_controls else CONTROLS)], **shared)
    fills = tuple(dict.fromkeys(args.fills.split(",")))
    return MeasurePlan(
        candidates=tuple(candidates),
        mode=args.mode,
        grammar=known,
        alphas=tuple(sorted({1.0}.union(*(c.alphas for c in candidates)))),
        max_new_tokens=args.max_new_tokens,
        curves=CurveSettings(fills, args.steps, args.batch) if args.faithfulness > 0 else None,
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise SightlineError(f"--scales takes numbers such as 0.5,0.75,1, got {text!r}") from None


def _own_device(device: str, place: ShardPlace) -> dict[str, str]:
    """Return the GPU of this process if each of several has one."""
    import torch

    if place.world == 1 or device != "auto" or torch.cuda.device_count() < 2:
        return {}
    return {"device": f"cuda:{place.local % torch.cuda.device_count()}"}


def _command(args: argparse.Namespace) -> str:
    """Return the command with all non-default flags, without machine paths."""
    words = [f"python -m explainer evaluate --dataset {args.dataset}"]
    words += [f"--table {args.table}"] if args.table else []
    words += [f"--methods {args.methods}"] if args.methods else []
    words += [f"--n {args.n}", f"--mode {args.mode}", f"--pos {args.pos}"]
    chosen = {"--scales": args.scales, "--k": args.k, "--first-seed": args.first_seed}
    chosen |= {"--faithfulness": args.faithfulness, "--prompt": args.prompt and repr(args.prompt)}
    if args.faithfulness:
        chosen |= {"--fills": args.fills, "--steps": args.steps}
    return " ".join(words + [f"{name} {value}" for name, value in chosen.items() if value])


def sample_origin(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that determines the figures of a sample: data set, model and options."""
    changes = {n: str(options[n]) for n in ("revision", "quantize", "adapter") if n in options}
    return {
        "dataset": "emoji",
        "model": Path(model).name,
        "weights": digest(Path(model) / "model.safetensors"),
        **changes,
    }


def digest(weights: Path) -> str:
    """Return the SHA-256 of a file in hex, "" if there is none."""
    if not weights.is_file():
        return ""
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def need_folder(out: Path | None) -> None:
    if not out:
        raise SightlineError("several processes need a shared folder; name it with --out")
