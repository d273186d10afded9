"""`python -m explainer rehearse`: what a model costs on this machine, before it is downloaded."""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from explainer.commands.peaks import peak_bytes, restart_peak
from explainer.errors import SightlineError
from explainer.run import ANSWER
from explainer.serving import model_flags

HELP = "measure the seconds and memory of a model on this machine, before it is downloaded"
PROMPT, SCALES, SEED = "Describe the image.", (0.5, 0.75, 1.0), 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    model_flags.add_model_flags(parser, positional=True)
    add = parser.add_argument
    add("--size", default="640x480", metavar="WxH", help="of the picture (%(default)s)")
    add("--json", action="store_true", help="print one line of JSON")
    add("--max-new-tokens", type=int, default=16, help="tokens of the answer (%(default)s)")


def main(args: argparse.Namespace) -> int:
    """Print what was measured with random weights of the model's dimensions.

    Of a hub id only the config files and the tokenizer are downloaded.
    """
    image = _picture(args.size)
    model_flags.silence_libraries()
    source, name = _source(args.model, args.revision), args.model
    name = source.name if name == str(source) else name
    rehearsal = _rehearse(args, source, image)
    if args.json:
        print(json.dumps({"model": name, **asdict(rehearsal)}))
    else:
        _print(rehearsal, name, args.size)
    return 0


@dataclass(frozen=True)
class Rehearsal:
    """What a model costs.

    Attributes:
        parameters: their number.
        precision: of the weights, a key of `memory.BITS`.
        tokens: number of visual tokens of each scale.
        answered: number of tokens of the answer.
        seconds: by phase: load, read, answer, scales, pack.
        estimated_seconds: of read, answer and scales, from the speed of this machine.
        needed_bytes: the estimate of the model menu.
        process_bytes: what Python, torch and transformers held before the model was loaded.
        peaks: the most bytes held, by place.
    """

    parameters: int
    precision: str
    tokens: dict[float, int]
    answered: int
    seconds: dict[str, float]
    estimated_seconds: float
    needed_bytes: int
    process_bytes: int
    peaks: dict[str, int]


def _rehearse(args: argparse.Namespace, source: Path, image: npt.NDArray[np.uint8]) -> Rehearsal:
    from explainer.models.loading.fit import needed
    from explainer.models.loading.speed import estimate_seconds, measure_speed
    from explainer.models.loading.stand_in import write_stand_in

    with tempfile.TemporaryDirectory() as place:
        counts = write_stand_in(source, Path(place), "bfloat16")
        args.model, args.revision = place, None
        restart_peak()
        before = peak_bytes().get("process", 0)
        start = time.perf_counter()
        explainer = model_flags.load_from_flags(args)
        seconds = {"load": time.perf_counter() - start}
        weight = explainer.family.unembedding.weight
        precision = args.quantize or str(weight.dtype).removeprefix("torch.")
        run = explainer.record(image, PROMPT, scales=SCALES, max_new_tokens=args.max_new_tokens)
        peaks = peak_bytes()
    tokens = {scale.alpha: len(scale.states) for scale in run.scales}
    speed = measure_speed(weight.device.type, precision)
    read, patches = sum(tokens.values()), explainer.family.patches_per_token
    return Rehearsal(
        counts.parameters,
        precision,
        tokens,
        len(run.indices(ANSWER)),
        seconds | run.settings["seconds"],
        estimate_seconds(counts, read, patches, precision, speed),
        needed(counts, precision, explainer.family.photo_tokens),
        before,
        peaks,
    )


def _print(rehearsal: Rehearsal, name: str, size: str) -> None:
    from explainer.evaluation.report import machine

    print(f"{name}: random weights, {machine()}")
    others = ", ".join(f"{alpha:g}" for alpha in sorted(rehearsal.tokens) if alpha != 1)
    phases = {
        "load": f"{rehearsal.parameters / 1e6:,.0f} million parameters in {rehearsal.precision}",
        "read": f"{size} px, {rehearsal.tokens[1.0]} visual tokens",
        "answer": f"{rehearsal.answered} tokens",
        "scales": others,
        "pack": "lists of words and rows of the unembedding",
    }
    for phase, what in phases.items():
        print(f"{phase:<8}{rehearsal.seconds[phase]:8.2f} s   {what}")
    print(f"        {rehearsal.estimated_seconds:8.2f} s   estimated for read, answer and scales")
    process, needed = rehearsal.process_bytes, rehearsal.needed_bytes
    print(f"memory  {(process + needed) / 1e9:8.2f} GB  estimated: {needed / 1e9:.2f} for the")
    print(f"                     model, as the menu says it, and {process / 1e9:.2f} for Python,")
    print("                     torch and transformers")
    for place, most in rehearsal.peaks.items():
        print(f"        {most / 1e9:8.2f} GB  at most: {place}")


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
