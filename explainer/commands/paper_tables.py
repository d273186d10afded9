"""`python -m explainer evaluate --table N`: a table of the paper, on one model or several."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from explainer.commands.measuring import (
    digest,
    exit_code,
    list_facts,
    measure_candidates,
    open_flagged_dataset,
)
from explainer.commands.method_names import split_list, split_methods
from explainer.evaluation import paper_report
from explainer.evaluation.campaign import summary_of
from explainer.evaluation.candidates import parse
from explainer.evaluation.cases import Cases, select_cases
from explainer.evaluation.measure import MeasurePlan
from explainer.evaluation.paper import CONTROLS, TABLES, Table
from explainer.methods import find_method
from explainer.recording.load import BUNDLED, load
from explainer.serving.model_flags import load_options


def measure_table(args: argparse.Namespace) -> int:
    """Measure `--table` on its models, print it and, with `--out`, write it.

    Samples are kept in a folder for each table and model. Returns the exit code.
    """
    table = _with_rows(TABLES[args.table], split_methods(args.methods))
    if table.curves:
        args.faithfulness = args.faithfulness or args.n
    inspected = tuple(table.rows[label] for label in table.inspected)
    summaries, weights = {}, {}
    facts: dict[str, Any] = {}
    for model in split_list(args.model or ",".join(str(BUNDLED.parent / m) for m in table.models)):
        name = Path(model).name
        out = args.out / f"table-{args.table}" / name if args.out else None
        plan, samples = measure_candidates(model, table.measured, args, out, inspected)
        if samples is None:
            continue
        summaries[name] = summary_of(samples, plan, table.rows[table.against])
        facts = facts or list_facts(args, plan, samples)
        weights[name] = digest(Path(model) / "model.safetensors")[:12]
        if args.out and table.cases:
            file = args.out / f"table-{args.table}-cases-{name}.png"
            _draw_cases(file, model, args, table, (plan, samples))
    if not summaries:
        return 0
    facts["weights"] = ", ".join(f"{m} {sha or 'of the hub'}" for m, sha in weights.items())
    found = paper_report.make_entries(table, summaries, facts)
    print(paper_report.markdown(args.table, found))
    if args.out:
        files = paper_report.write(args.out, args.table, found, table.panels)
        print(f"written: {', '.join(map(str, files))}")
    return exit_code(list(summaries.values()))


def _with_rows(table: Table, methods: Sequence[str]) -> Table:
    """Insert these methods into the table, before its controls."""
    own = {label: method for label, method in table.rows.items() if label not in CONTROLS}
    more = {_label(method): method for method in methods}
    return replace(table, rows={**own, **more, **CONTROLS})


def _label(method: str) -> str:
    """Return the label of a method or, with knobs set, the typed text."""
    return method if "+" in method or ":" in method else find_method(method).label


def _draw_cases(
    file: Path,
    model: str,
    args: argparse.Namespace,
    table: Table,
    measured: tuple[MeasurePlan, Sequence[Mapping[str, Any]]],
) -> None:
    """Draw the samples in which the first two methods of `table.cases` differ most."""
    plan, samples = measured
    methods = [table.rows[label] for label in table.cases]
    dataset = open_flagged_dataset(args)
    keys = [dataset.key(i) for i in range(min(args.n, len(dataset)))]
    numbers = [keys.index(key) for key in select_cases(samples, methods[0], methods[1])]
    shown = dict(zip(table.cases, parse(methods), strict=True))
    Cases(load(model, **load_options(args)), dataset, plan, shown).write(file, numbers)
