"""Write the measured figures into the README, so that none is typed by hand.

python -m explainer evaluate --model assets/models/NAME --out assets/models/NAME
python -m explainer bench --out assets/models/emoji-qwen2-vl
python -m tests.readme_figures
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MODELS = ROOT / "assets" / "models"
FIRST = "emoji-qwen2-vl"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"

MEANING: Mapping[str, str] = {
    "recall": "kinds of things in the scene that the caption names",
    "precision": "kinds of things in the caption that are in the scene",
    "yes_no_accuracy": "yes or no questions answered rightly",
    "pointing": "rightly named things hit by the centre of the highest cell of their raw lens map",
    "pointing_cell": "the same, by any pixel of that cell",
    "count": "counting questions answered word for word",
    "relation": "questions on where one thing is from another, answered word for word",
    "place": "questions on where in the picture a thing is, answered word for word",
}
SHOWN_FACTS = ("scenes", "decoding", "machine", "date", "repeat")


def figures(models: Path = MODELS) -> str:
    """Return what belongs between the markers: a table for each kind of report that there is."""
    reports, benches = (_read(models, name) for name in ("report.json", "bench.json"))
    parts = [_reports(reports)] if reports else []
    parts += [_bench(bench) for bench in benches.values()]
    return "\n\n".join(parts) or "Not measured yet."


def _read(models: Path, name: str) -> dict[str, Any]:
    """Return the reports of this name by model, the first bundled model first."""
    files = sorted(models.glob(f"*/{name}"), key=lambda f: (f.parent.name != FIRST, f.parent.name))
    return {file.parent.name: json.loads(file.read_text("utf-8")) for file in files}


def _reports(reports: Mapping[str, dict[str, Any]]) -> str:
    """Return one table with a column for each model."""
    names = [name for name in MEANING if any(r.get(name, {}).get("n") for r in reports.values())]
    head = ["Held-out scenes: share, 95% interval, how many judged", *reports]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row([MEANING[n], *(_share(r.get(n)) for r in reports.values())]) for n in names]
    abouts = {model: _about(report.get("about", {})) for model, report in reports.items()}
    if len(set(abouts.values())) == 1:
        told = [next(iter(abouts.values()))]
    else:
        told = [f"* {model}: {about}" for model, about in abouts.items()]
    return "\n".join([*lines, "", *told])


def _share(entry: Mapping[str, Any] | None) -> str:
    if not entry or not entry["n"]:
        return ""
    low, high = entry["interval"]
    return f"{entry['value']:.3f} ({low:.3f} to {high:.3f}), {entry['n']}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bench(bench: dict[str, Any]) -> str:
    lines = ["| Speed and size | measured | promised |", "| --- | --- | --- |"]
    for f in bench["figures"]:
        bar = f"at most {f['bar']:g} {f['unit']}" if f["bar"] is not None else ""
        lines.append(f"| {f['name']} | {f['value']:.2f} {f['unit']} | {bar} |")
    return "\n".join([*lines, "", _about(bench.get("about", {}))])


def _about(about: Mapping[str, Any]) -> str:
    """Return the facts that a reader needs to judge the figures, as one sentence."""
    return "; ".join(f"{name}: {about[name]}" for name in SHOWN_FACTS if name in about) + "."


def with_figures(readme: str, models: Path = MODELS) -> str:
    """Return the README with the figures of today between its markers."""
    pattern = re.compile(f"{BEGIN}\n.*?{END}", re.S)
    if not pattern.search(readme):
        raise SystemExit(f"README.md has no {BEGIN} ... {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{figures(models)}\n{END}", readme)


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text("utf-8")), "utf-8")
    print("README.md: figures written")
