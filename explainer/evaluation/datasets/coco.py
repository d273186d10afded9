"""COCO 2014, in the layout of TAM's evaluation or as COCO publishes it.

    TAM's       image/<12 digits>.jpg, seg_label/<12 digits>.png (pixels are category ids),
                annotations/instances_minival2014.json (which pictures)
    COCO's      val2014/<file name>, annotations/instances_val2014.json (polygons, run lengths);
                instances_minival2014.json, if it is there, says which pictures

Captions by people are not read: no figure depends on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample, read_json, there
from explainer.evaluation.datasets.masks import FILLED_BY, read_labels, union
from explainer.evaluation.iou import Truth

PROMPT = "Write a one-sentence caption for this image:"
# What TAM's list of categories calls otherwise.
TAM_NAMES = {"sports ball": "ball", "wine glass": "glass"}


class Coco(Dataset):
    """The pictures of the annotation file, in its order."""

    name = "coco"

    def __init__(self, root: Path, mode: str = "clean", prompt: str = "") -> None:
        self.root = root
        self._prompt = prompt or PROMPT
        self._drawn = (root / "seg_label").is_dir()
        folder = root / "annotations"
        minival = folder / "instances_minival2014.json"
        file = minival if self._drawn or minival.is_file() else folder / "instances_val2014.json"
        told = read_json(file)
        keys = ("id",) if self._drawn else ("id", "file_name", "height", "width")
        self._images = _list_of(told, "images", file, *keys)
        self.categories = _categories(_list_of(told, "categories", file, "id", "name"), file)
        if mode == "tam":
            self.categories = {i: TAM_NAMES.get(n, n) for i, n in self.categories.items()}
        self._segments: dict[int, list[dict]] = defaultdict(list)
        if not self._drawn:
            self.made_with = {"polygons": FILLED_BY}
            keys = ("image_id", "category_id", "segmentation")
            self._read_segments(_list_of(told, "annotations", file, *keys), file)

    def _read_segments(self, annotations: list[dict], file: Path) -> None:
        unknown = sorted({a["category_id"] for a in annotations} - set(self.categories))
        if unknown:
            raise SightlineError(
                f"{file} annotates category ids {unknown}, which its list of categories lacks"
            )
        for annotation in annotations:
            self._segments[annotation["image_id"]].append(annotation)

    def __len__(self) -> int:
        return len(self._images)

    def names(self) -> Iterable[str]:
        return self.categories.values()

    def key(self, number: int) -> str:
        return str(self._images[number]["id"])

    def sample(self, number: int) -> Sample:
        image = self._images[number]
        if self._drawn:
            name = f"{int(image['id']):012d}"
            file, mask = self.root / "image" / f"{name}.jpg", f"{name}.png"

            def truth() -> Truth:
                path = self.root / "seg_label" / mask
                return read_labels(path, self.categories) if path.is_file() else Truth(None)
        else:
            file = self.root / "val2014" / image["file_name"]

            def truth() -> Truth:
                return self._truth(image)

        return Sample(self.key(number), there(file), self._prompt, self.categories, truth)

    def _truth(self, image: dict[str, Any]) -> Truth:
        shape = (int(image["height"]), int(image["width"]))
        parts: dict[int, list[Any]] = defaultdict(list)
        for annotation in self._segments[image["id"]]:
            parts[annotation["category_id"]].append(annotation["segmentation"])
        return Truth(shape, {label: union(shape, found) for label, found in parts.items()})


def _list_of(told: Any, part: str, file: Path, *keys: str) -> list[dict]:
    """Return one of the lists of a file; `SightlineError` if an entry lacks one of the keys."""
    found = told.get(part) if isinstance(told, dict) else None
    if not isinstance(found, list):
        raise SightlineError(f"{file} holds no list of {part}; is it one of COCO's files?")
    for number, entry in enumerate(found):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise SightlineError(f"{file}: entry {number} of {part} has no {', '.join(missing)}")
    return found


def _categories(listed: list[dict], file: Path) -> dict[int, str]:
    """Return names by id; COCO's ids run from 1 to 90 with gaps, and masks are drawn with them."""
    names = {int(c["id"]): str(c["name"]) for c in listed}
    wrong = [i for i in names if not 1 <= i <= 90]
    if wrong or names.get(1, "person") != "person":
        raise SightlineError(
            f"{file} numbers its categories in its own way (ids {sorted(names)[:3]}...); "
            "COCO's ids run from 1, person, to 90"
        )
    return names
