"""`python -m explainer evaluate`: a report on a model or, with `--methods`, on its maps.

Without `--methods`: how well a model describes held-out scenes of the emoji world. With them:
Obj-IoU, Func-IoU, F1-IoU and more for the maps of each method, on the emoji world or on your data
sets, with one recorded run of each sample for all methods.

    python -m explainer evaluate --methods msea_arc,tam,logit_lens --n 200 --out results
    python -m explainer evaluate --table 3 --n 200 --out results
    accelerate launch -m explainer evaluate --dataset coco --root coco --methods tam --out results

Exit codes: 0 done; 2 a message to the user; 3 no figures, because no word of an answer has a usable
mask; 130 stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from explainer.commands import eagle_tables
from explainer.commands.measuring import (
    exit_code,
    list_facts,
    measure_candidates,
    need_folder,
    sample_origin,
)
from explainer.commands.method_names import ALL, split_methods
from explainer.commands.processes import divide
from explainer.commands.terminal import decode_argument
from explainer.errors import SightlineError
from explainer.evaluation import emoji, report
from explainer.evaluation.datasets import DATASETS
from explainer.evaluation.paper import TABLES
from explainer.evaluation.report import SampleLog
from explainer.evaluation.words import POS
from explainer.recording.load import BUNDLED, load
from explainer.run.files import check_folder
from explainer.serving.model_flags import add_model_flags, load_options

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

HELP = "measure a model on held-out scenes, or methods by their maps, on your data sets too"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--dataset", choices=DATASETS, default="emoji")
    parser.add_argument("--n", type=int, default=500, help="number of samples, from the first")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first emoji scene")
    parser.add_argument("--out", type=Path, help="folder for report.json, report.md and samples")
    add_model_flags(parser)
    add = parser.add_argument_group("maps").add_argument
    add(
        "--methods",
        default="",
        metavar="LIST",
        help=f"measure maps of these: {ALL}, or msea_arc,tam:published,msea_arc+k=20 and the like",
    )
    add(
        "--table",
        type=int,
        choices=TABLES,
        help="measure a table of the paper, with --methods as further rows: "
        + "; ".join(f"{n} {table.title[0].lower()}{table.title[1:]}" for n, table in TABLES.items())
        + ". --model A,B measures several models",
    )
    add("--root", type=Path, metavar="DIR", help="where the data set lies")
    add("--scales", metavar="LIST", help="scales of all methods that have them, such as 0.5,0.75,1")
    add("--k", type=int, help="k of all methods that have it")
    add(
        "--mode",
        choices=("clean", "tam"),
        default="clean",
        help="figures as they are meant, or as published with all side effects; default: clean",
    )
    add(
        "--pos", choices=POS, default="list", help="what decides the class of a word; default: list"
    )
    add(
        "--prompt",
        default="",
        type=decode_argument,
        help="what to ask in place of the data set's prompt",
    )
    add("--max-new-tokens", type=int, default=64, metavar="N")
    add("--no-controls", action="store_true", help="leave out the rows random and centre")
    add(
        "--faithfulness",
        type=int,
        default=0,
        metavar="N",
        help="also insertion and deletion curves of the first N samples (128 readings a map)",
    )
    add("--fills", default="black", metavar="LIST", help="for the curves: black, mean, blur")
    add("--steps", type=int, default=64, help="steps of a curve; default: 64")
    add("--batch", type=int, default=16, help="pictures read at once; default: 16")
    add(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="processes of this machine that divide the samples, such as one for each core",
    )
    add(
        "--wait",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long the first of several processes waits for samples of the others",
    )

    eagle_tables.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Judge the samples, print the table and write the report.

    Returns 0, or `NOTHING_JUDGED` if no map was compared with any mask.
    """
    if args.n < 1:
        raise SightlineError(f"--n must be at least 1, got {args.n}")
    if args.out:
        check_folder(args.out)
    if args.processes != 1 and not _is_divided():
        return _run_divided(args)
    model = args.model or str(BUNDLED)
    if eagle_tables.is_chosen(args):
        return eagle_tables.measure_table(model, args)
    if args.table:
        from explainer.commands.paper_tables import measure_table

        return measure_table(args)
    if args.methods:
        return measure_maps(model, args)
    if args.dataset != "emoji":
        raise SightlineError(f"say with --methods whose maps to measure on {args.dataset}")
    report_on(model, args.n, args.out, args.first_seed, **load_options(args))
    return 0


def _is_divided() -> bool:
    from explainer.evaluation.shards import ShardPlace

    return ShardPlace.of().world > 1


def _run_divided(args: argparse.Namespace) -> int:
    """Run this command in `--processes` and return the exit code."""
    if not (args.table or args.methods or eagle_tables.is_chosen(args)):
        raise SightlineError("--processes divides the measuring of maps; say with --methods whose")
    need_folder(args.out)
    return divide(args.words, args.processes)


# Maps --------------------------------------------------------------------------------------------


def measure_maps(model: str, args: argparse.Namespace) -> int:
    """Measure the maps of `--methods`, print the tables and, with `--out`, write the report."""
    from explainer.evaluation import tables
    from explainer.evaluation.campaign import summary_of

    plan, samples = measure_candidates(model, split_methods(args.methods), args, args.out)
    if samples is None:
        return 0
    summary = summary_of(samples, plan)
    print(tables.markdown(summary))
    if args.out:
        facts = {"model": Path(model).name} | list_facts(args, plan, samples)
        print(f"written: {', '.join(map(str, tables.write(args.out, summary, facts)))}")
    return exit_code([summary])


# The model ---------------------------------------------------------------------------------------


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
    log = SampleLog(out / "samples.jsonl", sample_origin(model, options)) if out else None
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
    """Judge the samples that the log does not hold, and return all."""
    samples = [s for s in log.samples if s["seed"] in seeds] if log else []
    done = {sample["seed"] for sample in samples}
    left = [seed for seed in seeds if seed not in done]
    judged = emoji.judge(explainer, left)
    for sample in tqdm(judged, total=len(seeds), initial=len(done), unit="scene"):
        samples.append(sample)
        if log:
            log.add(sample)
    return samples
