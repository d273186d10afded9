"""The models that the menu offers: those that come with the program, and a list of hub ids.

Sizes are facts of the checkpoints; what a family can and cannot do is read off its class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from explainer.errors import ModelError
from explainer.models import FAMILIES, family_class
from explainer.models.loading.hub_models import SERIES
from explainer.models.loading.memory import PHOTO_TOKENS, weight_bytes, with_room
from explainer.models.loading.weights import Counts, count, stored

FOLDER = Path(__file__).parent.parent.parent.parent / "assets" / "models"
BUNDLED, HUB, OWN, NAMED = "bundled", "hub", "own", "named"

# What the hub takes as OWNER/NAME, so that no part of it can lead out of a folder.
_HUB_ID = re.compile(r"(?!.*(\.\.|--))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?<![.-])", re.ASCII)
_LONGEST_HUB_ID = 96


@dataclass(frozen=True)
class Entry:
    """One model to choose.

    Attributes:
        id: hub id, or the name of a folder; shown to visitors.
        model_type: as in its config.json; "" if not read yet.
        parameters: how many, 0 if not known.
        embeddings: those in the embeddings of words and the unembedding.
        tower: those in the vision tower.
        licence: its name, "" if not known.
        kind: `BUNDLED` (tiny, comes with the program), `HUB` (of the list here), `OWN` (named by
            the owner of the server) or `NAMED` (by a visitor).
        revision: a branch, tag or commit of the hub id.
        folder: path on this machine, never shown to visitors.
        released: the month of its publication, as "2026-04"; "" if not known.
        dtype: of the published weights, a key of `memory.BITS`; "" if not known.
    """

    id: str
    model_type: str = ""
    parameters: int = 0
    embeddings: int = 0
    tower: int = 0
    licence: str = ""
    kind: str = OWN
    revision: str | None = None
    folder: Path | None = None
    released: str = ""
    dtype: str = ""

    @property
    def source(self) -> str:
        """Return the argument of `explainer.load`: the folder, or the hub id."""
        return str(self.folder or self.id)

    @property
    def bundled(self) -> bool:
        return self.kind == BUNDLED

    @property
    def download_bytes(self) -> int | None:
        """Return the bytes of the published weights; None for a folder, or if they are unknown."""
        if self.folder is not None or not (self.parameters and self.dtype):
            return None
        return weight_bytes(self.parameters, self.embeddings, self.dtype)

    def needs(self, precision: str) -> int | None:
        """Return the bytes needed for loading and running the model; None if unknown.

        These are the weights, parameters times bits over 8, and room for a picture and an answer,
        see `memory`. `precision` is a key of `memory.BITS`.
        """
        if not self.parameters:
            return None
        weights = weight_bytes(self.parameters, self.embeddings, precision)
        known = self.model_type in FAMILIES
        tokens = family_class(self.model_type).photo_tokens if known else PHOTO_TOKENS
        return with_room(weights, tokens)


def hub() -> list[Entry]:
    """Return the listed hub ids whose family is supported."""
    return [
        Entry(
            name,
            series.model_type,
            parameters,
            embeddings,
            tower,
            series.licence,
            kind=HUB,
            released=series.released,
            dtype=series.dtype,
        )
        for series in SERIES
        if series.model_type in FAMILIES
        for name, parameters, embeddings, tower in series.models
    ]


def bundled(folder: Path = FOLDER) -> list[Entry]:
    """Return the models in a folder of the repository, the one of the Qwen2-VL family first."""
    found = [f.parent for f in sorted(folder.glob("*/config.json"))]
    entries = [make_folder_entry(f, BUNDLED) for f in found]
    order = {model_type: at for at, model_type in enumerate(FAMILIES)}
    known = [e for e in entries if e.model_type in order]
    return sorted(known, key=lambda e: order[e.model_type])


def offered(start: Entry, names: Sequence[str] | None, public: bool) -> list[Entry]:
    """Return the models of a menu: `start`, the bundled ones, and those in `names`.

    Without names these are all hub ids of the list, except on a public server: there visitors would
    fill the disk and displace each other's models, so the owner has to name them.
    """
    named = [entry_for(name) for name in names] if names is not None else [] if public else hub()
    found = {e.source: e for e in [start, *bundled(), *named]}
    return _number_duplicates(list(found.values()))


def _number_duplicates(entries: Sequence[Entry]) -> list[Entry]:
    """Append a number to the ids of folders that share a name."""
    names: dict[str, int] = {}
    numbered = []
    for entry in entries:
        names[entry.id] = names.get(entry.id, 0) + 1
        number = names[entry.id]
        numbered.append(entry if number == 1 else replace(entry, id=f"{entry.id} ({number})"))
    return numbered


def make_folder_entry(folder: Path, kind: str = OWN) -> Entry:
    """Return the entry of a model on this machine, with sizes from its safetensors files."""
    raw = _json(folder / "config.json")
    try:
        size = count(stored(folder))
    except ModelError:  # reported when it is loaded
        size = Counts(0, 0, 0)
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    licence = re.search(r"\A---\n.*?^license:\s*(\S+)", text, re.S | re.M)
    return Entry(
        folder.resolve().name,
        str(raw.get("model_type", "")),
        size.parameters,
        size.embeddings,
        size.tower,
        licence[1] if licence else "",
        kind,
        folder=folder,
    )


def entry_for(model: str, revision: str | None = None) -> Entry:
    """Return the entry of a hub id or folder, with its known facts."""
    folder = Path(model)
    if folder.is_dir():
        return make_folder_entry(
            folder, BUNDLED if folder.resolve().parent == FOLDER.resolve() else OWN
        )
    for known in hub():
        if known.id == model:
            return replace(known, revision=revision)
    return Entry(model, revision=revision)


def make_visitor_entry(name: str) -> Entry | None:
    """Return the entry of a hub id that a visitor typed, or None if it is not one.

    Folders are not looked up, so that visitors cannot find out which exist.
    """
    if len(name) > _LONGEST_HUB_ID or not _HUB_ID.fullmatch(name):
        return None
    known = next((entry for entry in hub() if entry.id == name), Entry(name))
    return replace(known, kind=NAMED)


def describe_abilities(model_type: str) -> str:
    """Describe what models of a family can and cannot do."""
    try:
        family = family_class(model_type)
    except ModelError:
        return ""
    low, high = family.alphas
    most, video = family.max_images, " or a video" if family.video_token else ""
    facts = [
        f"up to {most} pictures{video} a prompt" if most > 1 else f"one picture{video} a prompt",
        f"scales {low:g} to {high:g}" if high > 1 else f"scales {low:g} to 1, none above",
    ]
    return f"{family.label}: {', '.join(facts)}. {family.note}".strip()


def _json(file: Path) -> dict:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}
