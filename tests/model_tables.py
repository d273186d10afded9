"""Write the tables of docs/models.md that follow from the code: abilities, sizes, downloads.

python -m tests.model_tables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from explainer.attribution.knockout import check_full_attention
from explainer.attribution.reading import check_all_attend
from explainer.attribution.surgery import check_tower
from explainer.errors import SightlineError
from explainer.models import family_class
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import Entry
from explainer.models.loading.hub import download_command
from explainer.recording.load import load
from explainer.run import Conversation
from tests import tiny, tiny_gemma, tiny_hybrid, tiny_tiles
from tests.rehearsals import MODELS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
_HUB = "https://huggingface.co"


def sizes() -> str:
    """Return what each listed model takes to download and to run."""
    head = (
        "Model",
        "Family",
        "Released",
        "Download",
        "Memory in bfloat16",
        "in float32",
        "Licence",
    )
    return _table(head, [_size(entry) for entry in catalogue.hub()])


def _size(entry: Entry) -> list[str]:
    bytes_of = (entry.download_bytes, entry.needs("bfloat16"), entry.needs("float32"))
    link = f"[{entry.id}]({_HUB}/{entry.id})"
    family = family_class(entry.model_type).label
    return [link, family, entry.released, *(_gb(n) for n in bytes_of), entry.licence]


def downloads() -> str:
    """Return commands that fetch the models of the rehearsals, and the bytes of each."""
    listed = {entry.id: entry for entry in catalogue.hub()}
    ordered = sorted((listed[name] for name in MODELS), key=lambda e: e.download_bytes or 0)
    commands = {entry.id: download_command(entry.id) for entry in ordered}
    width = max(map(len, commands.values()))
    lines = [f"{commands[e.id]:{width}}  # {_gb(e.download_bytes)}" for e in ordered]
    offline = f"HF_HUB_OFFLINE=1 python app.py --model {MODELS[-1]}"
    return "\n".join(["```bash", *lines, offline, "```"])


# A tiny checkpoint of each family, in the hub's layout.
TINY: Mapping[str, Callable[[Path], Path]] = {
    "qwen2_vl": tiny.qwen2_vl,
    "qwen2_5_vl": tiny.qwen2_5_vl,
    "qwen3_vl": tiny.qwen3_vl,
    "qwen3_5": tiny_hybrid.qwen3_5,
    "qwen3_5_moe": tiny_hybrid.qwen3_5_moe,
    "lfm2_vl": tiny_hybrid.lfm2_vl,
    "llava": tiny_tiles.llava,
    "llava_next": tiny_tiles.llava_next,
    "llava_onevision": tiny_tiles.llava_onevision,
    "internvl": tiny_tiles.internvl,
    "smolvlm": tiny_tiles.smolvlm,
    "idefics3": tiny_tiles.idefics3,
    "gemma3": tiny_gemma.gemma3,
    "gemma4": tiny_gemma.gemma4,
}
_TURN = (("What is it?", "A cat."),)


def abilities() -> str:
    """Return what each family can do, asked of a tiny model of it, in the order of the registry."""
    head = (
        "Family",
        "Pictures",
        "Video",
        "Scales",
        "Earlier turns",
        "System prompt",
        "Thinking",
        "Attention",
        "Rollout, relevance",
        "What a word rests on",
        "ArchiSurgery",
    )
    with TemporaryDirectory() as place:
        return _table(head, [_ability(make(Path(place) / name)) for name, make in TINY.items()])


def _ability(folder: Path) -> list[str]:
    family = load(folder, device="cpu").family
    low, high = family.alphas
    able = (
        _passes(family.lay_out, family.image_token, 1, conversation=Conversation(turns=_TURN)),
        _passes(family.lay_out, family.image_token, 1, conversation=Conversation("Be brief.")),
        family.can_think,
        bool(family.attending_layers),
        _passes(check_all_attend, family, ""),
        _passes(check_full_attention, family),
        _passes(check_tower, family),
    )
    return [
        family.label,
        f"up to {family.max_images}" if family.max_images > 1 else "one",
        "yes" if family.video_token else "no",
        f"{low:g} to {high:g}",
        *("yes" if can else "no" for can in able),
    ]


def _passes(ask: Callable[..., Any], *values: Any, **options: Any) -> bool:
    try:
        ask(*values, **options)
    except SightlineError:
        return False
    return True


TABLES: Mapping[str, Callable[[], str]] = {
    "abilities": abilities,
    "sizes": sizes,
    "downloads": downloads,
}


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
