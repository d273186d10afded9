"""GranDf and OpenPSG: captions whose phrases are grounded in masks.

    TAM's       anno.json, a list of [picture, caption, mask, {category: id}], files relative to it;
                pixels of a mask are ids
    GLaMM's     annotations/train/GranDf_HA_GCG_train.json or OpenPsgGCG_val.json, a list of
                {"file_name", "caption", "groundings": {phrase: {"rle_masks": [...]}}}; pictures in
                GranDf_HA_images/train or coco_2017/train2017

GLaMM's files name phrases, not categories: a category is the phrase without its leading article,
so that few of them are named word for word.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample, read_json, there
from explainer.evaluation.datasets.masks import read_labels, union
from explainer.evaluation.iou import Truth

PROMPTS = {
    "grandf": "Describe this image in around two sentences.",
    "openpsg": "Describe this image in around three sentences.",
}
FILES = {
    "grandf": (
        "annotations/train/GranDf_HA_GCG_train.json",
        ("GranDf_HA_images/train", "GranDf_HA_images"),
    ),
    "openpsg": (
        "annotations/train/OpenPsgGCG_val.json",
        ("coco_2017/train2017", "train2017", "../coco_2017/train2017"),
    ),
}


class Grounded(Dataset):
    """The samples of one file, in its order."""

    def __init__(self, name: str, root: Path, prompt: str = "") -> None:
        self.name = name
        self.root = root
        self._prompt = prompt or PROMPTS[name]
        published, self._folders = FILES[name]
        self._file = root / "anno.json"
        self._is_tams = self._file.is_file()
        if not self._is_tams:
            self._file = root / published
            if not self._file.is_file():
                raise SightlineError(
                    f"there is neither {root / 'anno.json'} nor {self._file}; "
                    "say with --root where the data set lies"
                )
        self._entries = read_json(self._file)
        if not isinstance(self._entries, list):
            raise SightlineError(f"{self._file} is no list of samples")

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> Iterable[str]:
        for number in range(len(self)):
            yield from self._categories(number).values()

    def key(self, number: int) -> str:
        entry = self._entries[number]
        return f"{number} {entry[0] if self._is_tams else entry['file_name']}"

    def sample(self, number: int) -> Sample:
        entry, categories = self._entries[number], self._categories(number)
        if self._is_tams:
            picture, _, mask, _ = entry
            file = there(self.root / picture)

            def truth() -> Truth:
                path = self.root / mask
                return read_labels(path, categories) if path.is_file() else Truth(None)
        else:
            file = self._picture(entry["file_name"])

            def truth() -> Truth:
                return _truth(entry, file)

        return Sample(self.key(number), file, self._prompt, categories, truth)

    def _categories(self, number: int) -> dict[int, str]:
        """Return the names by label; `SightlineError` if the entry is of another form."""
        entry, where = self._entries[number], f"entry {number} of {self._file}"
        if not self._is_tams:
            if not isinstance(entry, dict) or not isinstance(entry.get("groundings"), dict):
                raise SightlineError(f"{where} has no groundings")
            return {i: _without_article(p) for i, p in enumerate(entry["groundings"], 1)}
        if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[3], dict):
            raise SightlineError(f"{where} is not [picture, caption, mask, {{category: id}}]")
        wrong = {n: i for n, i in entry[3].items() if not isinstance(i, int) or not 1 <= i <= 255}
        if wrong or len(set(entry[3].values())) < len(entry[3]):
            raise SightlineError(
                f"{where}: ids of categories are different numbers from 1 to 255, got {entry[3]}"
            )
        return {i: str(n) for n, i in entry[3].items()}

    def _picture(self, name: str) -> Path:
        tried = [self.root / folder / name for folder in self._folders]
        return next((file for file in tried if file.is_file()), None) or there(tried[0])


def _truth(entry: dict[str, Any], picture: Path) -> Truth:
    from PIL import Image

    with Image.open(picture) as opened:
        shape = opened.height, opened.width
    segments = [grounding["rle_masks"] for grounding in entry["groundings"].values()]
    sizes = {tuple(rle["size"]) for masks in segments for rle in masks}
    if sizes - {shape}:
        raise SightlineError(
            f"{picture} is {shape[1]} x {shape[0]}, its masks are for another size; "
            "are pictures and annotations of the same data set?"
        )
    return Truth(shape, {i: union(shape, masks) for i, masks in enumerate(segments, 1)})


def _without_article(phrase: str) -> str:
    first, _, rest = phrase.strip().lower().partition(" ")
    return rest if first in ("a", "an", "the") and rest else phrase.strip().lower()
