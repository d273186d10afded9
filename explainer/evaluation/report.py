"""Reports on disk: samples in JSON lines as they come, then a summary in JSON and Markdown."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from explainer.errors import SightlineError
from explainer.evaluation.intervals import Ratio


def machine() -> str:
    """Describe the machine: processor, cores, Python."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [s for s in info.read_text().splitlines() if s.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu
        cpu += f", {len(models)} cores" if models else ""
    return f"{cpu}, Python {platform.python_version()}"


def add_provenance(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of how figures were made, with the machine and the day."""
    return {**about, "machine": machine(), "date": date.today().isoformat()}


def facts(about: Mapping[str, Any]) -> str:
    """Format how figures were made as a Markdown list."""
    return "\n".join(f"* {name}: {value}" for name, value in about.items())


def entry(r: Ratio) -> dict[str, Any]:
    """Return a figure as JSON values; undefined values are null."""
    value, low, high = (v if np.isfinite(v) else None for v in (r.value, r.low, r.high))
    return {"value": value, "interval": [low, high], "n": r.n}


class SampleLog:
    """A JSON-lines file of samples, so that an interrupted evaluation can continue.

    The first line identifies the plan; a file of another plan is an error.
    """

    def __init__(self, file: Path, made_with: Mapping[str, Any]) -> None:
        self.file = file
        self.samples: list[dict] = []
        if file.exists():
            self.samples, whole = read_log(file, made_with)
            if len(whole) < len(file.read_text()):  # killed in the middle of a line
                file.write_text(whole or _first_line(made_with))
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_first_line(made_with))

    def add(self, sample: dict) -> None:
        """Append one sample to the file and to `samples`."""
        with self.file.open("a") as file:
            file.write(json.dumps(sample) + "\n")
        self.samples.append(sample)


def read_log(file: Path, made_with: Mapping[str, Any]) -> tuple[list[dict], str]:
    """Return the samples in the complete lines of a file, and these lines.

    Another process may be writing it. Raises `SightlineError` if it belongs to another plan.
    """
    text = file.read_text()
    whole = text[: text.rfind("\n") + 1]
    if not whole:
        return [], ""
    first, *rest = whole.splitlines()
    try:
        logged_with = json.loads(first).get("made_with")
        samples = [json.loads(line) for line in rest]
    except (ValueError, AttributeError):
        raise SightlineError(f"{file} is damaged; name another --out or delete it") from None
    if logged_with != json.loads(json.dumps(made_with)):
        raise SightlineError(
            f"{file} holds samples of another evaluation; name another --out or delete it"
        )
    return samples, whole


def _first_line(made_with: Mapping[str, Any]) -> str:
    return json.dumps({"made_with": made_with}) + "\n"


def table(figures: Mapping[str, Ratio], bars: Mapping[str, float]) -> str:
    """Return a Markdown table of the figures, with limits where there are any."""
    lines = ["| figure | value | 95% interval | n | bar |", "| --- | --- | --- | --- | --- |"]
    for name, r in figures.items():
        bar = (
            f">= {bars[name]:.2f} {'met' if r.value >= bars[name] else 'MISSED'}"
            if name in bars
            else ""
        )
        lines.append(f"| {name} | {r.value:.3f} | {r.low:.3f} to {r.high:.3f} | {r.n} | {bar} |")
    return "\n".join(lines)


def method_table(columns: Sequence[str], rows: Mapping[str, Mapping[str, Ratio]], end: str) -> str:
    """Return a Markdown table of figures with their intervals, and a sentence below it.

    Args:
        columns: heads, of the names of the rows and of their figures.
        rows: by name the figures in the order of the columns.
    """
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(r.short for r in row.values())} |")
    return "\n".join([*lines, "", end])


def write(
    folder: Path, figures: Mapping[str, Ratio], bars: Mapping[str, float], about: Mapping[str, Any]
) -> None:
    """Write `report.json` (value, interval and n of each figure) and `report.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    about = add_provenance(about)
    summary = {name: entry(r) for name, r in figures.items()} | {"about": about}
    (folder / "report.json").write_text(json.dumps(summary, indent=2) + "\n")
    (folder / "report.md").write_text(f"{table(figures, bars)}\n\n{facts(about)}\n", "utf-8")
