"""`check`: load a checkpoint and verify what the explanations rely on."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from explainer.commands.peaks import peak_bytes
from explainer.errors import ModelError, SightlineError
from explainer.serving import model_flags

HELP = "load a model and prove on it what the explanations rely on"

_WIDTHS = (42, 8, 38)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    model_flags.add_model_flags(parser, positional=True)
    parser.add_argument(
        "--thinking", action="store_true", help="check an answer that opens with a thought"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there as well")


def main(args: argparse.Namespace) -> int:
    """Print a table of all checks; 0 if none failed, else 1."""
    if args.json and not args.json.parent.is_dir():
        raise SightlineError(f"no such folder: {args.json.parent}; name a file in another one")
    from explainer.evaluation.contract import FAIL, PASS, Finding, run_checks

    model_flags.silence_libraries()
    seconds: dict[str, float] = {}
    about: dict[str, Any] = {"model": args.model}
    found: list[Finding] = []

    def show(finding: Finding) -> None:
        found.append(finding)
        print(_row(finding.name, finding.verdict, finding.measured, finding.bound), flush=True)

    print(_row("check", "verdict", "measured", "wanted"))
    start = time.perf_counter()
    try:
        explainer = model_flags.load_from_flags(args)
    except ModelError as error:
        show(Finding("the model can be loaded", FAIL, str(error), "loaded"))
    else:
        seconds["load"] = round(time.perf_counter() - start, 4)
        about |= _about(explainer)
        show(Finding("the model can be loaded", PASS, about["family"], "loaded"))
        for finding in run_checks(explainer, seconds, args.thinking):
            show(finding)
    about |= {"peak_bytes": peak_bytes(), "seconds": seconds}
    _print_end(found, about)
    passed = not any(f.verdict == FAIL for f in found)
    if args.json:
        report = {**about, "passed": passed, "checks": [asdict(f) for f in found]}
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if passed else 1


def _row(*cells: str) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()


def _about(explainer: Any) -> dict[str, Any]:
    """Describe what was loaded, and how."""
    family = explainer.family
    return {
        "model": explainer.model_id,
        "family": family.label,
        "revision": family.revision,
        **family.origin,
        "dtype": str(family.unembedding.weight.dtype).removeprefix("torch."),
        "device": str(family.device),
        "weights_bytes": explainer.nbytes,
    }


def _print_end(found: Sequence[Any], about: Mapping[str, Any]) -> None:
    peaks = [f"{name} {size / 1e9:.2f} GB" for name, size in about["peak_bytes"].items()]
    print(f"\npeak memory: {', '.join(peaks) or 'not known'}")
    print("seconds: " + ", ".join(f"{n} {s:.2f}" for n, s in about["seconds"].items()))
    counts = {v: sum(f.verdict == v for f in found) for v in ("pass", "FAIL", "skipped")}
    outcome = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n)
    print(f"{about['model']}: {outcome}")
