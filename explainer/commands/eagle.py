"""`eagle`: which parts of a picture an answer needs, and what each of its words rests on."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explainer.commands import eagle_endpoint, subject_flags
from explainer.commands.eagle_files import ProgressLine, save, search_figures
from explainer.commands.terminal import decode_argument
from explainer.errors import SightlineError
from explainer.export.colours import colour_table
from explainer.export.exhibit import title
from explainer.export.overlay import outlined, overlay, png
from explainer.media.fills import FILLS
from explainer.methods.subjects import Contrast, Word
from explainer.probing.correction import Correction, correct
from explainer.probing.eagle_search import SearchSettings
from explainer.probing.region_plan import ENOUGH, HIDING, RegionAttribution, RegionPlan
from explainer.probing.sources import WordSources, describe_sources, word_sources
from explainer.probing.tiling import PARTS
from explainer.run import ANSWER, SOURCES, Run
from explainer.run.files import check_folder, file_name, write_whole
from explainer.serving import model_flags

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

HELP = "find the parts of a picture that words need, and what each word rests on"
EFFICIENT = SearchSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="a picture, or several for models that can")
    add("--prompt", type=decode_argument, required=True, metavar="TEXT", help="what to ask")
    add("--answer", type=decode_argument, metavar="TEXT", help="explain this text as the answer")
    add("--max-new-tokens", type=int, default=64, help="default: 64")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="where to write; default: out")
    subject_flags.add_subject_flags(parser)
    model_flags.add_model_flags(parser)
    group = parser.add_argument_group("search")
    add = group.add_argument
    add("--regions", type=int, default=36, help="about how many parts, 4 to 128; default: 36")
    add("--parts", choices=PARTS, default=PARTS[0], help=f"default: {PARTS[0]}")
    add("--fill", choices=FILLS, default="black", help="of hidden pixels; default: black")
    add(
        "--hiding",
        choices=HIDING,
        default="pixels",
        help="hide pixels and read the picture each time, or, as a preview, hide visual tokens "
        "from the text; default: pixels",
    )
    add("--search", choices=("efficient", "greedy"), default="efficient")
    add(
        "--search-scope", type=int, default=EFFICIENT.search_scope, help="parts of the last ranking"
    )
    add("--pending-samples", type=int, default=EFFICIENT.pending_samples, help="from its end")
    add("--update-step", type=int, default=EFFICIENT.update_step, help="rounds between rankings")
    add("--insight", type=float, default=1.0, help="weight of what suffices; default: 1")
    add("--necessity", type=float, default=1.0, help="weight of what is needed; default: 1")
    add(
        "--whole-order",
        action="store_true",
        help="search to the last part, as the paper does; by default the search ends once the "
        "first parts do all that the picture does, or the last few added nothing",
    )
    group = parser.add_argument_group("more")
    group.add_argument(
        "--rests", action="store_true", help="print what each word of the answer rests on"
    )
    group.add_argument(
        "--correct",
        action="store_true",
        help="hide parts in the order found until the word is gone, and show both answers",
    )
    eagle_endpoint.add_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Record an answer, search, and write `_eagle.json`, `_eagle.npz` and pictures."""
    subject_flags.check(args)
    plan = _plan(args)
    if args.correct and args.word is None and args.token is None:
        raise SightlineError("--correct takes one word away; name it with --word or --token")
    if args.endpoint:
        return eagle_endpoint.main(args, plan)
    check_folder(args.out)
    model_flags.silence_libraries()
    explainer = model_flags.load_from_flags(args)
    run = explainer.record(
        args.images,
        args.prompt,
        scales=(1.0,),
        max_new_tokens=args.max_new_tokens,
        answer=args.answer,
    )
    print(run.answer.strip())
    if args.rests:
        run = explainer.add_sources(run)
        _print_sources(run)
    run, subjects = subject_flags.subjects(
        run, args, lambda r, words: explainer.add_words(r, words)
    )
    word = subjects[0] if subjects else None
    if isinstance(word, Contrast):
        raise SightlineError("a search is about one word or phrase; leave out --not")
    start = time.perf_counter()
    found = explainer.search_regions(run, word, plan, on_progress=ProgressLine())
    seconds = time.perf_counter() - start
    name = "the whole answer" if word is None else repr(title(run, word))
    print(f"{name}: {len(found.tiling)} parts, {seconds:.1f} s, hiding {plan.hiding}")
    fixed = _corrected(explainer, run, word, found, args) if args.correct and word else None
    _write(args, run, word, found, fixed)
    return 0


def _plan(args: argparse.Namespace) -> RegionPlan:
    if not 4 <= args.regions <= 128:
        raise SightlineError(f"--regions must lie in 4..128, got {args.regions}")
    for name in ("search_scope", "pending_samples", "update_step"):
        if getattr(args, name) < 1:
            raise SightlineError(f"--{name.replace('_', '-')} must be at least 1")
    weights = args.insight, args.necessity
    if not all(0 <= w < np.inf for w in weights) or not any(weights):
        raise SightlineError("--insight and --necessity are at least 0, and one of them above 0")
    stop = None if args.whole_order else ENOUGH
    settings = SearchSettings(
        args.search_scope, args.pending_samples, args.update_step, *weights, stop
    )
    greedy = args.search == "greedy"
    return RegionPlan(args.regions, args.parts, args.fill, args.hiding, greedy, settings)


def _sources(run: Run) -> dict[int, WordSources]:
    """Return what each token of the answer rests on, by its index."""
    found = {int(token): word_sources(run, [int(token)]) for token in run.indices(ANSWER)}
    return {token: rests for token, rests in found.items() if rests is not None}


def _print_sources(run: Run) -> None:
    print(f"\n{'prob':>6}  " + "  ".join(f"{name:>7}" for name in SOURCES) + "  text")
    for token, rests in _sources(run).items():
        shares = rests.shares or dict.fromkeys(SOURCES, 0.0)
        columns = "  ".join(f"{shares[name]:7.0%}" for name in SOURCES)
        print(f"{rests.shown:6.1%}  {columns}  {run.tokens.texts[token]!r}")
    print(f"{describe_sources(run)}\n")


def _corrected(
    explainer: Explainer, run: Run, word: Word, found: RegionAttribution, args: argparse.Namespace
) -> Correction:
    """Ask again with more and more parts hidden, and print both answers."""

    def ask(pictures: Any) -> str:
        again = explainer.record(
            list(pictures), args.prompt, scales=(1.0,), max_new_tokens=args.max_new_tokens
        )
        return again.answer

    fixed = correct(found.tiling, found.found.order, title(run, word), ask)
    what = f"{len(fixed.regions)} parts, {fixed.share:.1%} of the picture"
    if fixed.is_corrected:
        print(f"{fixed.word!r} goes when {what} are hidden:\n  before: {fixed.before.strip()}")
    else:
        print(f"{fixed.word!r} stays with {what} hidden:\n  before: {fixed.before.strip()}")
    print(f"  after:  {fixed.after.strip()}")
    return fixed


def _write(
    args: argparse.Namespace,
    run: Run,
    word: Word | None,
    found: RegionAttribution,
    fixed: Correction | None,
) -> None:
    """Write the numbers as JSON and NPZ, and the parts, the map and the correction as pictures."""
    stem = Path(args.images[0]).stem
    report: dict[str, Any] = {
        "answer": run.answer,
        "word": None if word is None else title(run, word),
        "hiding": found.hiding,
        **search_figures(found.found, found.tiling.sizes),
    }
    sources = _sources(run)
    if sources:
        texts = run.tokens.texts
        words = [{"token": t, "text": texts[t], **s.as_json} for t, s in sources.items()]
        report |= {"sources": words, "rests": describe_sources(run)}
    if fixed is not None:
        report["correction"] = {
            "word": fixed.word,
            "before": fixed.before,
            "after": fixed.after,
            "regions": fixed.regions.tolist(),
            "share": fixed.share,
            "is_corrected": fixed.is_corrected,
        }
    save(args.out, f"{stem}_eagle", "json", json.dumps(report, indent=2).encode() + b"\n")
    arrays: dict[str, Any] = {f"labels_{i}": labels for i, labels in enumerate(found.tiling.labels)}
    arrays |= {f"map_{i}": part.values for i, part in enumerate(found.heatmap.parts)}
    if run.sources is not None:
        arrays |= {"source_tokens": run.indices(ANSWER), "sources": run.sources}
    path = args.out / file_name(f"{stem}_eagle", "npz")
    arrays |= {name: np.array(report[name]) for name in ("order", "insight", "necessity", "share")}
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))
    print(f"wrote {path}")
    table = colour_table("inferno")
    for i, image in enumerate(run.images):
        end = "" if len(run.images) == 1 else f"-{i + 1}"
        save(args.out, f"{stem}_parts{end}", "png", png(outlined(image, found.tiling.labels[i])))
        drawn = overlay(image, found.heatmap, table, index=i)
        save(args.out, f"{stem}_eagle{end}", "png", png(drawn))
        if fixed is not None:
            save(args.out, f"{stem}_corrected{end}", "png", png(fixed.pictures[i]))
