"""Write the tables of docs/models.md that follow from the code: sizes, and commands to download.

python -m tests.model_tables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import Entry
from explainer.models.loading.hub import download_command
from tests.rehearsals import MODELS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
_HUB = "https://huggingface.co"


def sizes() -> str:
    """Return what each listed model takes to download and to run."""
    head = ("Model", "Released", "Download", "Memory in bfloat16", "in float32", "Licence")
    return _table(head, [_size(entry) for entry in catalogue.hub()])


def _size(entry: Entry) -> list[str]:
    bytes_of = (entry.download_bytes, entry.needs("bfloat16"), entry.needs("float32"))
    link = f"[{entry.id}]({_HUB}/{entry.id})"
    return [link, entry.released, *(_gb(n) for n in bytes_of), entry.licence]


def downloads() -> str:
    """Return commands that fetch the models of the rehearsals, and the bytes of each."""
    listed = {entry.id: entry for entry in catalogue.hub()}
    ordered = sorted((listed[name] for name in MODELS), key=lambda e: e.download_bytes or 0)
    commands = {entry.id: download_command(entry.id) for entry in ordered}
    width = max(map(len, commands.values()))
    lines = [f"{commands[e.id]:{width}}  # {_gb(e.download_bytes)}" for e in ordered]
    offline = f"HF_HUB_OFFLINE=1 python app.py --model {MODELS[-1]}"
    return "\n".join(["```bash", *lines, offline, "```"])


TABLES: Mapping[str, Callable[[], str]] = {"sizes": sizes, "downloads": downloads}


def with_model_tables(page: str) -> str:
    """Return the page with each table between the markers that bear its name."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = page.partition(f"{begin}\n")
        _, found, after = rest.partition(f"\n{end}")
        if not found:
            raise SystemExit(f"there is no {begin} ... {end}")
        page = f"{before}{begin}\n{table()}\n{end}{after}"
    return page


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _gb(n: int | None) -> str:
    return "" if n is None else f"{n / 1e9:.1f} GB"


if __name__ == "__main__":
    PAGE.write_text(with_model_tables(PAGE.read_text("utf-8")), "utf-8")
