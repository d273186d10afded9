"""`python -m explainer rehearse`: what a model costs on this machine, before it is downloaded."""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from explainer.commands.peaks import peak_bytes
from explainer.errors import SightlineError
from explainer.run import ANSWER
from explainer.serving import model_flags

HELP = "tell the seconds and memory of a model on this machine, before it is downloaded"
PROMPT, SCALES, SEED = "Describe the image.", (0.5, 0.75, 1.0), 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    model_flags.add_model_flags(parser, positional=True)
    add = parser.add_argument
    add("--size", default="640x480", metavar="WxH", help="of the picture (%(default)s)")
    add("--max-new-tokens", type=int, default=16, help="tokens of the answer (%(default)s)")


def main(args: argparse.Namespace) -> int:
    """Print what was measured with random weights of the model's dimensions.

    Of a hub id only the config files and the tokenizer are downloaded.
    """
    image, tokens = _picture(args.size), args.max_new_tokens
    from explainer.evaluation.report import machine
    from explainer.models.loading.fit import needed
    from explainer.models.loading.stand_in import write_stand_in

    model_flags.silence_libraries()
    source, name = _source(args.model, args.revision), args.model
    print(f"{source.name if name == str(source) else name}: random weights, {machine()}")
    with tempfile.TemporaryDirectory() as place:
        counts = write_stand_in(source, Path(place), "bfloat16")
        args.model, args.revision = place, None
        start = time.perf_counter()
        explainer = model_flags.load_from_flags(args)
        seconds = {"load": time.perf_counter() - start}
        dtype = str(explainer.family.unembedding.weight.dtype).removeprefix("torch.")
        run = explainer.record(image, PROMPT, scales=SCALES, max_new_tokens=tokens)
    seconds |= run.settings["seconds"]
    visual = {scale.alpha: len(scale.states) for scale in run.scales}
    told = {
        "load": f"{counts.parameters / 1e6:,.0f} million parameters in {args.quantize or dtype}",
        "read": f"{args.size} px, {visual[1.0]} visual tokens",
        "answer": f"{len(run.indices(ANSWER))} tokens",
        "scales": ", ".join(f"{alpha:g}" for alpha in sorted(visual) if alpha != 1),
        "pack": "lists of words and rows of the unembedding",
    }
    for phase, what in told.items():
        print(f"{phase:<8}{seconds[phase]:8.2f} s   {what}")
    estimate = needed(counts, args.quantize or dtype)
    print(f"memory  {estimate / 1e9:8.2f} GB  estimated, as the menu says it")
    for place, size in peak_bytes().items():
        print(f"        {size / 1e9:8.2f} GB  at most: {place}")
    return 0


def _source(model: str, revision: str | None) -> Path:
    """Return the folder that holds a model's config files."""
    from explainer.models.loading import hub
    from explainer.models.loading.checkpoint import is_folder

    if is_folder(model):
        return Path(model)
    found = hub.look_up(model, revision)
    return found if isinstance(found, Path) else hub.fetch(found, found.words, lambda _: None)


def _picture(size: str) -> npt.NDArray[np.uint8]:
    """Return noise of this size, (height, width, 3)."""
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if sides is None or not int(sides[1]) or not int(sides[2]):
        raise SightlineError(f"--size is a width and a height such as 640x480, got {size!r}")
    width, height = int(sides[1]), int(sides[2])
    return np.random.default_rng(SEED).integers(0, 256, (height, width, 3), dtype=np.uint8)
