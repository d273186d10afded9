"""Summarise judged samples as figures with intervals: a Markdown table, JSON, and a plot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from explainer.evaluation import faithfulness, iou, why
from explainer.evaluation.intervals import Bootstrap, Ratio
from explainer.evaluation.report import add_provenance, entry, facts

NAMES: Mapping[str, str] = {
    "obj_iou": "Obj-IoU",
    "func_iou": "Func-IoU",
    "f1_iou": "F1-IoU",
    "precision": "precision",
    "recall": "recall",
    "pointing": "pointing",
    "punct_iou": "Punct-IoU",
    "obj_iou_shown": "Obj-IoU as shown",
    "insertion": "insertion",
    "deletion": "deletion",
    "confidence": "highest confidence",
}

_MOST_LISTED = 10  # reasons in a report

COMPARED = ("obj_iou", "func_iou", "f1_iou")

Figures = dict[str, dict[str, Ratio]]  # of each method


@dataclass(frozen=True)
class Summary:
    """The figures of an evaluation.

    Attributes:
        methods: figures of each method.
        against: the method that the others are compared with; "" if there is nothing to compare.
        gains: `COMPARED` figures of each other method minus those of that one.
        curves: for each fill, figures of each method.
        why: figures of each method inspected, those of `why`.
        refused: methods that do not apply to the model, and why.
        samples: how many were judged or dropped.
        dropped: how many were dropped, by reason.
        unusable: annotations that were left out, with reasons.
        masked: number of samples, not dropped, with a usable mask.
        named: number of things that their answers name.
    """

    methods: Figures
    against: str
    gains: Figures
    curves: dict[str, Figures]
    why: Figures
    refused: dict[str, str]
    samples: int
    dropped: dict[str, int]
    unusable: tuple[str, ...] = ()
    masked: int = 0
    named: int = 0

    @property
    def judged(self) -> int:
        """Return how many named things were compared with their masks."""
        return max((f["obj_iou"].n for f in self.methods.values() if "obj_iou" in f), default=0)


def summarise(
    samples: Sequence[Mapping[str, Any]], names: Sequence[str], against: str = ""
) -> Summary:
    """Return the figures of the methods `names` over all samples.

    Every figure is a sum over all words divided by their count, and its 95% interval is that of
    whole samples drawn again; dropped samples count for nothing. Differences are taken draw by
    draw, to the method `against` or else the first.
    """
    judged = [sample for sample in samples if not sample["dropped"]]
    refused = {n: why for s in judged for n, why in s.get("refused", {}).items() if n in names}
    shown = [name for name in names if name not in refused]
    draws = Bootstrap(len(judged))
    sums = {name: _sums(judged, ("methods", name), iou.FIGURES) for name in shown}
    methods: Figures = {}
    for name in shown:
        figures = {f: draws.ratio(*values.T) for f, values in sums[name].items()}
        figures["f1_iou"] = draws.f1(sums[name]["obj_iou"], sums[name]["func_iou"])
        methods[name] = {f: figures[f] for f in NAMES if f in figures and figures[f].n}
    rival = against if against in shown else next(iter(shown), "")
    return Summary(
        methods=methods,
        against=rival,
        gains={n: _gains(draws, sums[n], sums[rival]) for n in shown if n != rival},
        curves=_curves(judged, shown),
        why=_why(judged, shown, draws),
        refused=refused,
        samples=len(samples),
        dropped=dict(Counter(s["dropped"] for s in samples if s["dropped"]).most_common()),
        unusable=tuple(why for s in samples for why in s.get("unusable", ())),
        masked=sum(s.get("masked", 1) > 0 for s in judged),
        named=sum(s.get("named", 0) for s in judged),
    )


def _gains(
    draws: Bootstrap, one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
) -> dict[str, Ratio]:
    """Return the differences in `COMPARED` between two methods, from their sums (S, 2)."""
    pairs = [(sums["obj_iou"], sums["func_iou"]) for sums in (one, other)]
    plain = {f: draws.gain(one[f], other[f]) for f in ("obj_iou", "func_iou")}
    return plain | {"f1_iou": draws.f1_gain(*pairs)}


def _curves(judged: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Figures]:
    measured = [sample for sample in judged if "curves" in sample]
    draws = Bootstrap(len(measured))
    fills = dict.fromkeys(fill for sample in measured for fill in sample["curves"])
    return {
        fill: {
            name: {
                figure: draws.ratio(*values.T)
                for figure, values in _sums(
                    measured, ("curves", fill, name), faithfulness.FIGURES
                ).items()
            }
            for name in names
        }
        for fill in fills
    }


def _why(judged: Sequence[Mapping[str, Any]], names: Sequence[str], draws: Bootstrap) -> Figures:
    inspected = [name for name in names if any(name in s.get("why", {}) for s in judged)]
    found: Figures = {}
    for name in inspected:
        sums = _sums(judged, ("why", name), tuple(why.FIGURES))
        figures = {f: draws.ratio(*values.T) for f, values in sums.items()}
        found[name] = {f: ratio for f, ratio in figures.items() if ratio.n}
    return found


def _sums(
    samples: Sequence[Mapping[str, Any]], path: Sequence[str], figures: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return (S, 2) for each figure: sum and count of each sample, 0 and 0 where it is missing."""
    found = []
    for sample in samples:
        tally: Any = sample
        for step in path:
            tally = tally.get(step, {})
        found.append(tally)
    return {f: np.array([t.get(f, (0, 0)) for t in found], float).reshape(-1, 2) for f in figures}


# Markdown ----------------------------------------------------------------------------------------


def markdown(summary: Summary) -> str:
    """Return the tables in percent, and the samples that were left out."""
    parts = [grid("method", NAMES, summary.methods, summary.refused)]
    if summary.gains:
        parts.append(grid(f"against {summary.against}", NAMES, summary.gains, signed=COMPARED))
    if summary.why:
        parts += format_groups(summary.why)
    for fill, figures in summary.curves.items():
        heading = f"Insertion and deletion, pixels replaced by {fill}:"
        parts.append(f"{heading}\n\n{grid('method', NAMES, figures)}")
    parts.append(_left_out(summary))
    return "\n\n".join(parts)


def grid(
    head: str,
    names: Mapping[str, str],
    rows: Figures,
    refused: Mapping[str, str] = MappingProxyType({}),
    signed: Collection[str] = (),
) -> str:
    """Return a Markdown table: a row for each method, a column for each figure, in percent.

    Figures without values are left out; refused methods are listed with reasons. `signed` figures
    are differences with a sign.
    """
    columns = [f for f in names if any(f in figures for figures in rows.values())]
    lines = [
        f"| {head} | {' | '.join(names[f] for f in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for name, figures in rows.items():
        cells = [percent(figures[f], "+" * (f in signed)) if f in figures else "" for f in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        f"| {name} | {reason}{' |' * max(1, len(columns))}" for name, reason in refused.items()
    ]
    return "\n".join(lines)


def format_groups(rows: Figures) -> list[str]:
    """Return the tables of `why.GROUPS` that have figures."""
    known = {f for figures in rows.values() for f in figures}
    return [grid(head, names, rows) for head, names in why.GROUPS.items() if known & names.keys()]


def percent(r: Ratio, sign: str = "") -> str:
    """Return a figure in percent with its interval."""
    if not np.isfinite(r.value):
        return f"undefined (n={r.n})" if r.n else "none"
    value, low, high = 100 * r.value, 100 * r.low, 100 * r.high
    return f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _left_out(summary: Summary) -> str:
    out = sum(summary.dropped.values())
    share = f" ({out / summary.samples:.1%})" if summary.samples else ""
    lines = [f"{summary.samples} samples, {out} of them dropped{share}."]
    lines += _format_list([f"{count}: {why}" for why, count in summary.dropped.items()])
    if summary.unusable:
        count = f"{len(summary.unusable)} entries" if len(summary.unusable) > 1 else "1 entry"
        lines.append(f"\n{count} of annotations could not be used; what they mark was left out:")
        lines += _format_list(summary.unusable)
    if why := nothing_judged(summary):
        return "\n".join([*lines, f"\n{why}"])
    things = [f["obj_iou"].n for f in summary.methods.values() if "obj_iou" in f]
    words = [f["func_iou"].n for f in summary.methods.values() if "func_iou" in f]
    if things and words:
        lines.append(f"\nJudged: {things[0]} named things, {words[0]} function words.")
    return "\n".join(lines)


def _format_list(items: Sequence[str]) -> list[str]:
    """Return a Markdown list of the first `_MOST_LISTED` items and how many more there are."""
    more = len(items) - _MOST_LISTED
    return [f"* {i}" for i in items[:_MOST_LISTED]] + ([f"* and {more} more"] if more > 0 else [])


def nothing_judged(summary: Summary) -> str:
    """Return why no map was compared with any mask, or ""."""
    if summary.judged:
        return ""
    left = summary.samples - sum(summary.dropped.values())
    if not summary.samples:
        why = "the data set has no samples"
    elif not left:
        why = f"all {summary.samples} samples were dropped"
    elif not summary.methods:
        why = "no method applies to this model"
    elif not summary.masked:
        why = f"none of the {left} samples has a mask that can be used"
    elif not summary.named:
        why = f"none of the {left} answers names anything that the data set knows"
    else:
        why = f"no answer of {left} names a thing whose mask is there"
    return f"Nothing was judged: {why}."


# On disk -----------------------------------------------------------------------------------------


def write(folder: Path, summary: Summary, about: Mapping[str, Any]) -> list[Path]:
    """Write `report.json`, `report.md` and `report.png`, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    about = add_provenance(about)
    values = {
        "methods": entries(summary.methods),
        "against": summary.against,
        "gains": entries(summary.gains),
        "why": entries(summary.why),
        "curves": {fill: entries(figures) for fill, figures in summary.curves.items()},
        "refused": summary.refused,
        "samples": summary.samples,
        "dropped": summary.dropped,
        "unusable": list(summary.unusable),
        "judged": summary.judged,
        "about": about,
    }
    files = [folder / f"report.{kind}" for kind in ("json", "md", "png")]
    files[0].write_text(json.dumps(values, indent=2) + "\n")
    files[1].write_text(f"{markdown(summary)}\n\n{facts(about)}\n", "utf-8")
    plot(files[2], summary)
    return files


def entries(methods: Figures) -> dict[str, dict[str, Any]]:
    """Return the figures as JSON values."""
    return {name: {f: entry(r) for f, r in figures.items()} for name, figures in methods.items()}


def plot(file: Path, summary: Summary) -> None:
    """Draw Obj-IoU, Func-IoU and F1-IoU of each method with their intervals, as PNG."""
    from matplotlib.figure import Figure

    names = list(summary.methods)[::-1]
    figure = Figure(figsize=(9, 1.4 + 0.34 * len(names)), layout="constrained")
    for axis, f in zip(figure.subplots(1, len(COMPARED), sharey=True), COMPARED, strict=True):
        rows = [(i, summary.methods[n][f]) for i, n in enumerate(names) if f in summary.methods[n]]
        known = [(i, r) for i, r in rows if np.isfinite(r.value)]
        values = np.array([[r.low, r.value, r.high] for _, r in known]).reshape(-1, 3) * 100
        spread = np.abs(values[:, [0, 2]] - values[:, [1]]).T
        axis.errorbar(values[:, 1], [i for i, _ in known], xerr=spread, fmt="o", capsize=3)
        axis.set_title(NAMES[f])
        axis.set_xlabel("%")
        axis.grid(axis="x", alpha=0.3)
        axis.set_yticks(range(len(names)), names)
    figure.savefig(file, dpi=150)
