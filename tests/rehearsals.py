"""Rehearse models at their real size and write the table of README.md.

    python -m tests.rehearsals [MODEL ...] [--precision bfloat16 float32] [--most 12]

One process at a time, without a network: the configurations are those of tests/models/published.py.
Figures of models and precisions that are not named stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from explainer.evaluation.report import machine
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import Entry
from tests.models.published import write_configs

MODELS = (
    "LiquidAI/LFM2.5-VL-450M",
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
    "Qwen/Qwen3.5-0.8B",
    "OpenGVLab/InternVL3_5-1B-HF",
    "Qwen/Qwen3-VL-2B-Instruct",
    "Qwen/Qwen2-VL-2B-Instruct",
)
MOST = 12.0  # GB of a model that is tried
QUIET = 2  # the load up to which a machine of two cores counts as idle
PAGE, FIGURES = Path("README.md"), Path("docs/tables/rehearsals.json")
COLUMNS = (
    "Model",
    "Precision",
    *("Load, s", "Read, s", "16 words, s", "Scales, s", "Estimated, s"),
    *("Peak, GB", "Estimated, GB"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}\n"
OPEN, CLOSE = "<!-- rehearsals -->\n", "<!-- end of rehearsals -->\n"


def main() -> None:
    """Rehearse models, keep their figures, and write the table of all that are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--precision", nargs="*", default=("bfloat16", "float32"))
    parser.add_argument("--most", type=float, default=MOST, help="GB that a model may need")
    args = parser.parse_args()
    listed = {entry.id: entry for entry in catalogue.hub()}
    for name in args.models:
        for precision in args.precision:
            if (listed[name].needs(precision) or 0) <= args.most * 1e9:
                _keep(name, precision, _rehearse(listed[name], precision))
            else:
                print(f"{name} in {precision} needs more than {args.most:g} GB; see --most")


def _keep(name: str, precision: str, told: dict[str, Any]) -> None:
    """Add figures to those that are kept, and write the table anew."""
    kept = json.loads(FIGURES.read_text()) if FIGURES.is_file() else {}
    about = {"load": round(os.getloadavg()[0]), "date": date.today().isoformat()}
    kept[f"{name} {precision}"] = {**told, **about, "machine": machine()}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n")
    print(_write_table(kept), flush=True)


def _write_table(kept: dict[str, Any]) -> str:
    """Write the table of all figures into the page; return its rows."""
    rows = [_row(key, kept[key]) for key in sorted(kept, key=_order)]
    loads, days = ({figures[name] for figures in kept.values()} for name in ("load", "date"))
    shared = f", on a shared machine (load {min(loads)} to {max(loads)}): seconds are upper bounds"
    shared = "" if max(loads) <= QUIET else shared
    about_all = (
        f"By `python -m tests.rehearsals` on {' and '.join(sorted(days))}: {machine()}{shared}. "
        "A picture of 640 x 480 px.\n"
    )
    table = HEAD + "".join(f"{row}\n" for row in rows) + "\n" + about_all
    within = re.compile(f"(?<={OPEN}).*(?={CLOSE})", re.S)
    PAGE.write_text(within.sub(lambda _: table, PAGE.read_text()))
    return "\n".join(rows)


def _order(key: str) -> tuple[int, str]:
    """Return the place of a model and precision in the table."""
    name, precision = key.split(" ")
    return (MODELS.index(name) if name in MODELS else len(MODELS), precision)


def _row(key: str, told: dict[str, Any]) -> str:
    name, precision = key.split("/")[1].split(" ")
    seconds = told["seconds"]
    times = [f"{seconds[phase]:.1f}" for phase in ("load", "read", "answer", "scales")]
    sizes = [told["peaks"]["process"], told["process_bytes"] + told["needed_bytes"]]
    cells = [name, precision, *times, f"{told['estimated_seconds']:.0f}"]
    return "| " + " | ".join([*cells, *(f"{size / 1e9:.2f}" for size in sizes)]) + " |"


def _rehearse(entry: Entry, precision: str) -> dict[str, Any]:
    """Return what `rehearse --json` prints of a model, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = write_configs(Path(place), entry)
        command = [sys.executable, "-m", "explainer", "rehearse", str(folder), "--json"]
        command += ["--device", "cpu", "--dtype", precision]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
