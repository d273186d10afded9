"""`eagle --endpoint`: the search for a model that is reached by OpenAI's chat API."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.commands.eagle_files import ProgressLine, save, search_figures
from explainer.errors import ModelError, SightlineError
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
    """Ask for an answer, search, and write `_eagle.json` and pictures.

    If the search is stopped or the endpoint fails, the order that is known by then is written.
    """
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
    report: dict[str, Any] = {
        "answer": spelled(answer),
        "word": args.word,
        "model": args.endpoint_model,
    }
    files = _Files(args.out, Path(args.images[0]).stem, parts)
    show, steps = ProgressLine(), search.steps()
    order: tuple[int, ...] = ()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found = end.value
            break
        except (ModelError, KeyboardInterrupt):
            if order:  # what is known stays
                values = np.zeros(len(parts))
                values[list(order)] = np.linspace(1, 0, len(parts))
                files.write({**report, "calls": budget.spent, "order": list(order)}, values)
            raise
        show(step)
        order = step.order if step.found else ()
    print(f"{budget.spent:,} calls, {time.perf_counter() - start:.1f} s")
    if search.unlisted:
        print(
            f"{len(search.unlisted):,} times the word was not among the {MOST_LISTED} likeliest, "
            "and counts 0"
        )
    report |= {"calls": budget.spent, "unlisted": len(search.unlisted)}
    files.write({**report, **search_figures(found, parts.sizes)}, found.values())
    return 0


@dataclass(frozen=True)
class _Files:
    """What a search writes."""

    folder: Path
    stem: str
    parts: PictureParts

    def write(self, report: dict[str, Any], values: npt.NDArray[np.float64]) -> None:
        """Write the figures, the parts, and the map of values (n,)."""
        image = self.parts.image
        drawn = overlay(image, self.parts.heatmap(values), colour_table("inferno"))
        save(
            self.folder, f"{self.stem}_eagle", "json", json.dumps(report, indent=2).encode() + b"\n"
        )
        save(self.folder, f"{self.stem}_parts", "png", png(outlined(image, self.parts.labels)))
        save(self.folder, f"{self.stem}_eagle", "png", png(drawn))


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
