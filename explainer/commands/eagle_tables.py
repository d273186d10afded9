"""`evaluate --agreement`, `--search-curves` and `--hallucinations`: tables about EAGLE's search."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from explainer.commands.method_names import split_methods
from explainer.errors import SightlineError
from explainer.evaluation import agreement, eagle_words, hallucinations, report
from explainer.evaluation.candidates import parse
from explainer.evaluation.hallucinations import Question
from explainer.probing.eagle_search import SearchSettings
from explainer.probing.region_plan import HIDING, RegionPlan
from explainer.recording.load import load
from explainer.serving.model_flags import load_options

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

METHODS = "msea_arc,tam,logit_lens"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the tables."""
    add = parser.add_argument_group("EAGLE").add_argument
    add(
        "--agreement",
        action="store_true",
        help="compare the maps of --methods with the order of parts that EAGLE's search finds",
    )
    add(
        "--search-curves",
        action="store_true",
        help="insertion, deletion, highest confidence and pointing game of named things: EAGLE's "
        "search beside the maps of --methods in --steps steps",
    )
    add(
        "--hallucinations",
        action="store_true",
        help="hide parts until a false yes is gone (AMCR, CSR@10%%), by the order of EAGLE, of the "
        "maps of --methods, and at random",
    )
    add("--questions", type=Path, metavar="FILE", help="of POPE or RePOPE; pictures in --root")
    add("--regions", type=int, default=36, help="about how many parts; default: 36")
    add(
        "--early",
        action="store_true",
        help="--agreement, --search-curves: also EAGLE's search as the page has it, ended early",
    )
    add("--hiding", choices=HIDING, default=HIDING[0], help="pixels, or the preview by tokens")


def is_chosen(args: argparse.Namespace) -> bool:
    """Return whether one of the tables is asked for."""
    return bool(_chosen(args))


def _chosen(args: argparse.Namespace) -> list[str]:
    names = ("agreement", "search_curves", "hallucinations")
    return [name for name in names if getattr(args, name)]


def measure_table(model: str, args: argparse.Namespace) -> int:
    """Measure the table, print it and, with `--out`, write it as `.md` and `.json`."""
    name, *others = _chosen(args)
    if others:
        raise SightlineError("choose one of --agreement, --search-curves and --hallucinations")
    candidates = parse(split_methods(args.methods or METHODS))
    alphas = sorted({1.0}.union(*(one.alphas for one in candidates)))
    plan = RegionPlan(args.regions, hiding=args.hiding, settings=SearchSettings())
    explainer = load(model, **load_options(args))
    options = {"candidates": candidates, "plan": plan, "alphas": alphas}
    text, samples = _TABLES[name](explainer, options, args)
    about = report.add_provenance(
        {"model": explainer.model_id, "parts": args.regions, "hiding": args.hiding}
    )
    print(f"{text}\n\n{report.facts(about)}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / f"{name}.md").write_text(f"{text}\n\n{report.facts(about)}\n", "utf-8")
        written = json.dumps({"samples": samples, "about": about}, indent=2)
        (args.out / f"{name}.json").write_text(f"{written}\n", "utf-8")
    return 0


def _agreement(
    explainer: Explainer, options: dict[str, Any], args: argparse.Namespace
) -> tuple[str, list[Any]]:
    """Return the table and its samples."""
    options = {**options, "early": args.early}
    samples = [[*agreement.judge(explainer, seed, **options)] for seed in _seeds(args)]
    figures = agreement.summarise(samples)
    return agreement.markdown(figures, sum(map(len, samples)), len(samples)), samples


def _search_curves(
    explainer: Explainer, options: dict[str, Any], args: argparse.Namespace
) -> tuple[str, list[Any]]:
    """Return the table and its samples."""
    options = {**options, "early": args.early, "steps": args.steps}
    samples = [[*eagle_words.judge(explainer, seed, **options)] for seed in _seeds(args)]
    figures = agreement.summarise(samples, eagle_words.FIGURES)
    return eagle_words.markdown(figures, sum(map(len, samples)), len(samples)), samples


def _hallucinations(
    explainer: Explainer, options: dict[str, Any], args: argparse.Namespace
) -> tuple[str, list[Any]]:
    """Return the table and its samples."""
    questions = list(_questions(args))
    judged = [
        hallucinations.judge(explainer, question, **options)
        for question in tqdm(questions, unit="question")
    ]
    samples = [sample for sample in judged if sample is not None]
    figures = hallucinations.summarise(samples)
    return hallucinations.markdown(figures, len(samples), len(questions)), samples


def _seeds(args: argparse.Namespace) -> Iterable[int]:
    return tqdm(range(args.first_seed, args.first_seed + args.n), unit="scene")


def _questions(args: argparse.Namespace) -> Iterator[Question]:
    if args.questions is None:
        return hallucinations.emoji_questions(args.first_seed, args.n)
    if args.root is None or not args.questions.is_file():
        raise SightlineError("--questions names a file, and --root the folder of its pictures")
    return hallucinations.repope_questions(args.questions, args.root, args.n)


_TABLES = {
    "agreement": _agreement,
    "search_curves": _search_curves,
    "hallucinations": _hallucinations,
}
