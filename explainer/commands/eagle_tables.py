"""`evaluate --agreement`, `--search-curves` and `--hallucinations`: tables about EAGLE's search."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explainer.commands.measuring import digest, judge_samples
from explainer.commands.method_names import split_methods
from explainer.errors import SightlineError
from explainer.evaluation import agreement, eagle_words, hallucinations, report
from explainer.evaluation.candidates import parse
from explainer.evaluation.hallucinations import Question
from explainer.probing.agreement import FIGURES
from explainer.probing.eagle_search import SearchSettings
from explainer.probing.region_plan import HIDING, RegionPlan

if TYPE_CHECKING:
    from explainer.evaluation.agreement import Figures
    from explainer.evaluation.campaign import Judge
    from explainer.evaluation.intervals import Ratio
    from explainer.recording.explainer import Explainer

    # The names of the samples, how one is judged, and what makes the table of them.
    _Table = tuple[list[str], Judge, Callable[[Sequence[Mapping[str, Any]]], str]]

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
    """Measure the table and, in the first process, print it.

    With `--out`, each sample is kept as it comes, so that the same command goes on after a stop,
    and the table is written as `.md` and `.json`.
    """
    name, *others = _chosen(args)
    if others:
        raise SightlineError("choose one of --agreement, --search-curves and --hallucinations")
    candidates = parse(split_methods(args.methods or METHODS))
    alphas = sorted({1.0}.union(*(one.alphas for one in candidates)))
    plan = RegionPlan(args.regions, hiding=args.hiding, settings=SearchSettings())
    keys, judge, markdown = _TABLES[name](
        args, {"candidates": candidates, "plan": plan, "alphas": alphas}
    )
    made_with = {
        "table": name,
        "methods": [one.name for one in candidates],
        "parts": args.regions,
        "hiding": args.hiding,
        "early": args.early,
        "steps": args.steps,
        "questions": digest(args.questions) if args.questions else "",
    }
    folder = args.out / name if args.out else None
    samples = judge_samples(model, args, folder, made_with, keys, judge)
    if samples is None:
        return 0
    text = markdown(samples)
    about = report.add_provenance(
        {"model": Path(model).name, "parts": args.regions, "hiding": args.hiding}
    )
    print(f"{text}\n\n{report.facts(about)}")
    if args.out:
        (args.out / f"{name}.md").write_text(f"{text}\n\n{report.facts(about)}\n", "utf-8")
        written = json.dumps({"samples": samples, "about": about}, indent=2)
        (args.out / f"{name}.json").write_text(f"{written}\n", "utf-8")
    return 0


def _agreement(args: argparse.Namespace, options: dict[str, Any]) -> _Table:
    judge = partial(agreement.judge, early=args.early, **options)
    return _of_scenes(args, judge, FIGURES, agreement.markdown)


def _search_curves(args: argparse.Namespace, options: dict[str, Any]) -> _Table:
    judge = partial(eagle_words.judge, early=args.early, steps=args.steps, **options)
    return _of_scenes(args, judge, eagle_words.FIGURES, eagle_words.markdown)


def _of_scenes(
    args: argparse.Namespace,
    judge_words: Callable[[Explainer, int], Iterator[Figures]],
    figures: Sequence[str],
    markdown: Callable[[Mapping[str, Mapping[str, Ratio]], int, int], str],
) -> _Table:
    """Return the names of the scenes, how one is judged, and what makes the table of them.

    Args:
        judge_words: yields the figures of each word of a scene, by its seed.
        figures: their names.
        markdown: makes the table of their means, and the numbers of words and scenes.
    """
    seeds = range(args.first_seed, args.first_seed + args.n)

    def judge(explainer: Explainer, number: int) -> dict[str, Any]:
        return {"words": [*judge_words(explainer, seeds[number])]}

    def table(samples: Sequence[Mapping[str, Any]]) -> str:
        words = [sample["words"] for sample in samples]
        return markdown(agreement.summarise(words, figures), sum(map(len, words)), len(words))

    return [f"seed {seed}" for seed in seeds], judge, table


def _hallucinations(args: argparse.Namespace, options: dict[str, Any]) -> _Table:
    """Return the names of the questions, how one is judged, and what makes the table of them."""
    questions: Sequence[Callable[[], Question]]
    if args.questions is None:
        questions = hallucinations.emoji_questions(args.first_seed, args.n)
    elif args.root is None or not args.questions.is_file():
        raise SightlineError("--questions names a file, and --root the folder of its pictures")
    else:
        questions = hallucinations.repope_questions(args.questions, args.root, args.n)

    def judge(explainer: Explainer, number: int) -> dict[str, Any]:
        return {"shares": hallucinations.judge(explainer, questions[number](), **options)}

    def markdown(samples: Sequence[Mapping[str, Any]]) -> str:
        false = [sample["shares"] for sample in samples if sample["shares"]]
        figures = hallucinations.summarise(false)
        return hallucinations.markdown(figures, len(false), len(samples))

    return [f"question {args.first_seed + i}" for i in range(len(questions))], judge, markdown


_TABLES = {
    "agreement": _agreement,
    "search_curves": _search_curves,
    "hallucinations": _hallucinations,
}
