"""Write a table of the paper as JSON, Markdown and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from explainer.evaluation import tables
from explainer.evaluation.intervals import Ratio
from explainer.evaluation.paper import Panel, Table
from explainer.evaluation.report import add_provenance, facts
from explainer.evaluation.tables import COMPARED, NAMES, Figures, Summary

Entries = Mapping[str, Any]  # as in the JSON file

SHOWN = ("obj_iou", "func_iou", "f1_iou", "pointing")
GAINS = ("obj_iou", "f1_iou")
ON_ONE_SCALE = ("func_iou", "f1_iou")


def make_entries(
    table: Table, summaries: Mapping[str, Summary], about: Mapping[str, Any]
) -> Entries:
    """Return the table as JSON values from the summary of each model, with rows by label."""
    return {
        "title": table.title,
        "against": table.against,
        "models": {model: _model(table, s) for model, s in summaries.items()},
        "about": add_provenance(about),
    }


def _model(table: Table, summary: Summary) -> dict[str, Any]:
    def labelled(
        figures: Mapping[str, Any], rows: Mapping[str, str] = table.rows
    ) -> dict[str, Any]:
        return {label: figures[name] for label, name in rows.items() if name in figures}

    one_scale = labelled(tables.entries(summary.methods), table.one_scale)
    return {
        **({"one_scale": one_scale} if one_scale else {}),
        "rows": labelled(tables.entries(summary.methods)),
        "gains": labelled(tables.entries(summary.gains)),
        "why": labelled(tables.entries(summary.why)),
        "curves": {fill: labelled(tables.entries(c)) for fill, c in summary.curves.items()},
        "refused": labelled(summary.refused),
        "samples": summary.samples,
        "dropped": summary.dropped,
    }


def write(folder: Path, number: int, entries: Entries, panels: Sequence[Panel]) -> list[Path]:
    """Write `table-N.json`, `.md` and `.png`, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"table-{number}.{kind}" for kind in ("json", "md", "png")]
    files[0].write_text(json.dumps(entries, indent=1) + "\n")
    files[1].write_text(markdown(number, entries), "utf-8")
    if panels:
        plot_panels(files[2], entries, panels)
    else:
        plot_rows(files[2], entries)
    return files


# Markdown ----------------------------------------------------------------------------------------


def markdown(number: int, entries: Entries) -> str:
    """Return the table in Markdown, with how it was made."""
    heading = f"### Table {number}. {entries['title']}"
    parts = [heading, body(entries), best(entries), facts(entries["about"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def body(entries: Entries) -> str:
    """Return the tables of each model in percent, with differences of F1-IoU."""
    names = {f: NAMES[f] for f in SHOWN} | {
        f"{f} gain": f"{NAMES[f]} against {entries['against']}" for f in GAINS
    }
    names |= {f"{f} on one scale": f"{NAMES[f]} on the answer's scale" for f in ON_ONE_SCALE}
    parts = []
    for model, part in entries["models"].items():
        head = model if len(entries["models"]) > 1 else "method"
        parts.append(
            tables.grid(head, names, _rows(part), part["refused"], [f"{f} gain" for f in GAINS])
        )
        if part["why"]:
            parts += tables.format_groups(ratios(part["why"]))
        for fill, curves in part["curves"].items():
            parts.append(f"Insertion and deletion, pixels replaced by {fill}:")
            parts.append(tables.grid(head, NAMES, ratios(curves)))
        parts.append(_count(part))
    return "\n\n".join(parts)


def _rows(part: Entries) -> Figures:
    """Return the figures of each row, and its differences."""
    rows, gains = ratios(part["rows"]), ratios(part["gains"])
    shared = ratios(part.get("one_scale", {}))
    return {
        label: {f: r for f, r in figures.items() if f in SHOWN}
        | {f"{f} gain": r for f, r in gains.get(label, {}).items() if f in GAINS}
        | {f"{f} on one scale": r for f, r in shared.get(label, {}).items() if f in ON_ONE_SCALE}
        for label, figures in rows.items()
    }


def _count(part: Entries) -> str:
    out = sum(part["dropped"].values())
    things = [row["obj_iou"]["n"] for row in part["rows"].values() if "obj_iou" in row]
    words = [row["func_iou"]["n"] for row in part["rows"].values() if "func_iou" in row]
    judged = f"; {things[0]} named things, {words[0]} function words" if things and words else ""
    return f"{part['samples']} samples, {out} dropped{judged}."


def best(entries: Entries) -> str:
    """Describe which rows exceed the compared one in F1-IoU, and at which cost."""
    lines = []
    for model, part in entries["models"].items():
        gains = ratios(part["gains"])
        above = sorted(
            (name for name, gain in gains.items() if gain["f1_iou"].low > 0),
            key=lambda name: -gains[name]["f1_iou"].value,
        )
        where = f"{model}: " if len(entries["models"]) > 1 else ""
        named = "; ".join(f"{name}, {_describe_gain(gains[name])}" for name in above) or "none"
        lines.append(f"{where}Above {entries['against']} in F1-IoU, interval and all: {named}.")
    return "\n".join(lines)


def _describe_gain(gain: Mapping[str, Ratio]) -> str:
    return ", ".join(f"{NAMES[f]} {tables.percent(gain[f], '+')}" for f in reversed(GAINS))


def ratios(entries: Mapping[str, Mapping[str, Any]]) -> Figures:
    """Return figures from their JSON entries."""
    return {
        name: {f: _ratio(entry) for f, entry in figures.items()}
        for name, figures in entries.items()
    }


def _ratio(entry: Mapping[str, Any]) -> Ratio:
    value, low, high = (
        float("nan") if v is None else v for v in (entry["value"], *entry["interval"])
    )
    return Ratio(value, low, high, entry["n"])


# Plots -------------------------------------------------------------------------------------------


def plot_rows(file: Path, entries: Entries) -> None:
    """Draw Obj-IoU, Func-IoU and F1-IoU of each row as points with intervals, as PNG."""
    from matplotlib.figure import Figure

    models = entries["models"]
    names = list(dict.fromkeys(n for part in models.values() for n in part["rows"]))[::-1]
    figure = Figure(figsize=(10, 1.6 + 0.3 * len(names)), layout="constrained")
    for axis, f in zip(figure.subplots(1, len(COMPARED), sharey=True), COMPARED, strict=True):
        for number, (model, part) in enumerate(models.items()):
            rows = ratios(part["rows"])
            at = [i for i, n in enumerate(names) if f in rows.get(n, {})]
            lift = 0.18 * (number - (len(models) - 1) / 2)
            points = _points([rows[names[i]][f] for i in at])
            axis.errorbar(
                points[0], [i - lift for i in at], xerr=points[1:], fmt="o", ms=4, label=model
            )
        axis.set(title=NAMES[f], xlabel="%", yticks=range(len(names)), yticklabels=names)
        axis.grid(axis="x", alpha=0.3)
    if len(models) > 1:
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(file, dpi=110)


def plot_panels(file: Path, entries: Entries, panels: Sequence[Panel]) -> None:
    """Draw each panel as curves of Obj-IoU, Func-IoU and F1-IoU with intervals, as PNG."""
    from matplotlib.figure import Figure

    models = entries["models"]
    figure = Figure(figsize=(4.6 * len(panels), 3.6 * len(models)), layout="constrained")
    axes = figure.subplots(len(models), len(panels), squeeze=False)
    for row, (model, part) in zip(axes, models.items(), strict=True):
        rows = ratios(part["rows"])
        for axis, panel in zip(row, panels, strict=True):
            for f in COMPARED:
                shown = [label for label in panel.labels if f in rows.get(label, {})]
                points = _points([rows[label][f] for label in shown])
                axis.errorbar(
                    shown, points[0], yerr=points[1:], fmt="o-", capsize=3, label=NAMES[f]
                )
            axis.set(title=panel.title, ylabel=f"{model}, %")
            axis.tick_params(axis="x", labelrotation=20)
            axis.grid(axis="y", alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(file, dpi=110)


def _points(entries: Sequence[Ratio]) -> np.ndarray:
    """Return values and lengths of the interval below and above, (3, n), in percent."""
    values = np.array([[r.value, r.value - r.low, r.high - r.value] for r in entries])
    return 100 * values.reshape(-1, 3).T
