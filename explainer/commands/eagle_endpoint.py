"""`eagle --endpoint`: the search for a model that is reached by OpenAI's chat API."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from explainer.commands.eagle_files import ProgressLine, save, search_figures
from explainer.errors import SightlineError
from explainer.export.colours import colour_table
from explainer.export.overlay import outlined, overlay, png
from explainer.media.images import open_image
from explainer.probing.endpoint import KEY, MOST_LISTED, CallBudget, ChatEndpoint, spelled
from explainer.probing.endpoint_search import EndpointSearch, PictureParts, find_targets
from explainer.probing.region_plan import RegionPlan
from explainer.run.files import check_folder

# Options of `eagle` that need the model itself.
_OWN_MODEL = ("answer", "token", "instead", "minus", "rests", "correct", "model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument_group("a model elsewhere").add_argument
    add(
        "--endpoint",
        metavar="URL",
        help="search with a model behind OpenAI's chat API in place of one loaded here, such as "
        f"http://localhost:8000/v1; a key is read from {KEY}",
    )
    add("--endpoint-model", metavar="NAME", help="its name there")
    add("--budget", type=int, default=1000, metavar="N", help="calls at most; default: 1000")
    add("--parallel", type=int, default=4, metavar="N", help="calls at a time; default: 4")


def main(args: argparse.Namespace, plan: RegionPlan) -> int:
    """Ask for an answer, search, and write `_eagle.json` and pictures."""
    _check(args, plan)
    check_folder(args.out)
    budget = CallBudget(args.budget)
    key = os.environ.get(KEY, "")
    endpoint = ChatEndpoint(args.endpoint, args.endpoint_model, budget, key)
    image = open_image(args.images[0]).pixels
    parts = PictureParts.of(image, plan.regions, plan.fill)
    answer = endpoint.answer(image, args.prompt, args.max_new_tokens)
    print(spelled(answer).strip())
    targets = find_targets(answer, args.word)
    settings = plan.search_settings(len(parts))
    search = EndpointSearch(endpoint, args.prompt, parts, answer, targets, settings, args.parallel)
    print(
        f"{len(parts)} parts, {len(targets)} tokens: {search.calls:,} calls, of a budget of "
        f"{budget.most:,}",
        flush=True,
    )
    start = time.perf_counter()
    tell, steps = ProgressLine(), search.steps()
    while True:
        try:
            tell(next(steps))
        except StopIteration as end:
            found = end.value
            break
    print(f"{budget.spent:,} calls, {time.perf_counter() - start:.1f} s")
    if search.unlisted:
        print(
            f"{len(search.unlisted):,} times the word was not among the {MOST_LISTED} likeliest, "
            "and counts 0"
        )
    told = {
        "answer": spelled(answer),
        "word": args.word,
        "model": args.endpoint_model,
        "calls": budget.spent,
        "unlisted": len(search.unlisted),
        **search_figures(found, parts.sizes),
    }
    stem = Path(args.images[0]).stem
    save(args.out, f"{stem}_eagle", "json", json.dumps(told, indent=2).encode() + b"\n")
    save(args.out, f"{stem}_parts", "png", png(outlined(image, parts.labels)))
    drawn = overlay(image, parts.heatmap(found.values()), colour_table("inferno"))
    save(args.out, f"{stem}_eagle", "png", png(drawn))
    return 0


def _check(args: argparse.Namespace, plan: RegionPlan) -> None:
    """Raise `SightlineError` for what cannot be asked of an endpoint."""
    used = [name for name in _OWN_MODEL if getattr(args, name)]
    if used or plan.parts != "superpixels" or plan.hiding != "pixels" or len(args.images) > 1:
        raise SightlineError(
            "--endpoint searches over superpixels of one picture, hidden as pixels, for --word or "
            "the whole answer; leave out other options of words and parts"
        )
    if not args.endpoint_model:
        raise SightlineError("--endpoint needs the model's name there: --endpoint-model NAME")
    if args.budget < 1 or args.parallel < 1:
        raise SightlineError("--budget and --parallel must be at least 1")
