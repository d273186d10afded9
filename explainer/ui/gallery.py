"""The gallery: recorded runs that the page offers to open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from explainer.export import RGB
from explainer.run import Run


@dataclass(frozen=True, eq=False)
class GalleryRun:
    """A run of the gallery: its file, first picture, and what to call it."""

    path: Path
    picture: RGB
    label: str
    prompt: str


def load_gallery(folder: Path) -> list[GalleryRun]:
    """Return the runs that `gallery.json` in this folder lists; none if there is no such file.

    The file is a list of {"run", "label"}.
    """
    listing = folder / "gallery.json"
    if not listing.is_file():
        return []
    shown = []
    for entry in json.loads(listing.read_text(encoding="utf-8")):
        run = Run.load(folder / entry["run"])
        shown.append(GalleryRun(folder / entry["run"], run.image, entry["label"], run.prompt))
    return shown
