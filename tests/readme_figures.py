"""Write the measured figures into the README, so that none is typed by hand.

python -m explainer evaluate --out assets/models/emoji-qwen2-vl
python -m explainer bench --out assets/models/emoji-qwen2-vl
python -m tests.readme_figures
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
MODEL = ROOT / "assets" / "models" / "emoji-qwen2-vl"
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


def figures(folder: Path = MODEL) -> str:
    """Return what belongs between the markers: a table for each report that there is."""
    parts = []
    for name, table in (("report.json", _report), ("bench.json", _bench)):
        if (folder / name).is_file():
            parts.append(table(json.loads((folder / name).read_text("utf-8"))))
    return "\n\n".join(parts) or "Not measured yet."


def _report(report: dict[str, Any]) -> str:
    lines = ["| Held-out scenes | share | 95% interval | judged |", "| --- | --- | --- | --- |"]
    for name, entry in report.items():
        if name != "about" and entry["n"]:
            low, high = entry["interval"]
            words = MEANING.get(name, name)
            lines.append(
                f"| {words} | {entry['value']:.3f} | {low:.3f} to {high:.3f} | {entry['n']} |"
            )
    return "\n".join([*lines, "", _about(report.get("about", {}))])


def _bench(bench: dict[str, Any]) -> str:
    lines = ["| Speed and size | measured | promised |", "| --- | --- | --- |"]
    for f in bench["figures"]:
        bar = f"at most {f['bar']:g} {f['unit']}" if f["bar"] is not None else ""
        lines.append(f"| {f['name']} | {f['value']:.2f} {f['unit']} | {bar} |")
    return "\n".join([*lines, "", _about(bench.get("about", {}))])


def _about(about: Mapping[str, Any]) -> str:
    """Return the facts that a reader needs to judge the figures, as one sentence."""
    return "; ".join(f"{name}: {about[name]}" for name in SHOWN_FACTS if name in about) + "."


def with_figures(readme: str, folder: Path = MODEL) -> str:
    """Return the README with the figures of today between its markers."""
    pattern = re.compile(f"{BEGIN}\n.*?{END}", re.S)
    if not pattern.search(readme):
        raise SystemExit(f"README.md has no {BEGIN} ... {END}")
    return pattern.sub(lambda _: f"{BEGIN}\n{figures(folder)}\n{END}", readme)


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text("utf-8")), "utf-8")
    print("README.md: figures written")
