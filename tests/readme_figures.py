"""Write the measured figures into docs/measured.md and docs/evidence.md, so that none is typed.

python -m explainer evaluate --model assets/models/NAME --out assets/models/NAME
python -m explainer evaluate --table N --out docs/tables
python -m explainer bench --out assets/models/emoji-qwen2-vl
python -m tests.readme_figures
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explainer.evaluation import paper_report
from explainer.evaluation.tables import NAMES, percent

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs" / "measured.md"
MODELS = ROOT / "assets" / "models"
EVIDENCE = ROOT / "docs" / "evidence.md"
TABLES = ROOT / "docs" / "tables"
FIRST = "emoji-qwen2-vl"
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
HEADLINE = "<!-- headline:begin -->", "<!-- headline:end -->"

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


def with_figures(readme: str, models: Path = MODELS, tables: Path = TABLES) -> str:
    """Return the page with the figures of today between its markers."""
    written = _between(readme, (BEGIN, END), figures(models))
    return _between(written, HEADLINE, headline(tables))


def _between(page: str, markers: tuple[str, str], text: str) -> str:
    begin, end = markers
    pattern = re.compile(f"{begin}\n.*?{end}", re.S)
    if not pattern.search(page):
        raise SystemExit(f"there is no {begin} ... {end}")
    return pattern.sub(lambda _: f"{begin}\n{text}\n{end}", page)


# The tables of the paper -------------------------------------------------------------------------


def headline(tables: Path = TABLES) -> str:
    """Return F1-IoU and its parts of the methods on each bundled model."""
    file = tables / "table-2.json"
    if not file.is_file():
        return "Not measured yet."
    found = json.loads(file.read_text("utf-8"))
    lines = [_row(["in percent, 95% interval", *(NAMES[f] for f in SHOWN)])]
    lines.append(_row(["---"] * (1 + len(SHOWN))))
    for model, part in found["models"].items():
        for label, row in paper_report.ratios(part["rows"]).items():
            lines.append(_row([f"{model}: {label}", *(percent(row[f]) for f in SHOWN)]))
    counts = "; ".join(f"{m}: {p['samples']} scenes" for m, p in found["models"].items())
    return "\n".join([*lines, "", f"{counts}; {_told(found)}"])


SHOWN = ("obj_iou", "func_iou", "f1_iou")
_BLOCK = re.compile(r"<!-- ([\w/-]+):begin -->\n.*?<!-- \1:end -->", re.S)


def with_tables(page: str, tables: Path = TABLES) -> str:
    """Return the page with the table of each JSON file between the markers that bear its name."""

    def block(match: re.Match[str]) -> str:
        name = match[1]
        found = json.loads((tables / f"{name}.json").read_text("utf-8"))
        parts = (paper_report.body(found), paper_report.best(found), _told(found))
        text = "\n\n".join(parts)
        return f"<!-- {name}:begin -->\n{text}\n<!-- {name}:end -->"

    return _BLOCK.sub(block, page)


def _told(found: Mapping[str, Any]) -> str:
    """Return how a table was made, its command apart from the rest."""
    about = found["about"]
    facts = "; ".join(f"{name}: {about[name]}" for name in TABLE_FACTS if name in about)
    return f"`{about['command']}`; {facts}."


TABLE_FACTS = ("samples", "scales", "weights", "machine", "date")


if __name__ == "__main__":
    MEASURED.write_text(with_figures(MEASURED.read_text("utf-8")), "utf-8")
    EVIDENCE.write_text(with_tables(EVIDENCE.read_text("utf-8")), "utf-8")
    print("docs/measured.md, docs/evidence.md: figures written")
