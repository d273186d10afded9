"""GranDf and OpenPSG: captions whose phrases are grounded in masks.

    TAM's       anno.json, a list of [picture, caption, mask, {category: id}], files relative to it;
                pixels of a mask are ids
    GLaMM's     annotations/train/GranDf_HA_GCG_train.json or OpenPsgGCG_val.json, a list of
                {"file_name", "caption", "groundings": {phrase: {"rle_masks": [...]}}}; pictures in
                GranDf_HA_images/train or coco_2017/train2017

GLaMM's files have phrases in place of categories: a category is a phrase without its leading
article, so answers name few of them word for word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample, require_file
from explainer.evaluation.datasets.coco import make_labelled_sample
from explainer.evaluation.datasets.masks import Outlines, Runs, parse
from explainer.evaluation.datasets.photos import Photo, Shape
from explainer.evaluation.datasets.values import AnnotationEntry, read_json, shown
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
        self.made_with = {"frame": "of the annotations"}
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
            try:
                yield from self._categories(number).values()
            except SightlineError:  # `sample` names the entry
                continue

    def key(self, number: int) -> str:
        entry = self._entries[number]
        if self._is_tams:
            picture = entry[0] if isinstance(entry, list) and entry else None
        else:
            picture = entry.get("file_name") if isinstance(entry, dict) else None
        return f"{number} {picture}"

    def sample(self, number: int) -> Sample:
        entry, categories = self._entries[number], self._categories(number)
        if self._is_tams:
            picture, _, mask, _ = entry
            file = require_file(self.root / picture)
            return make_labelled_sample(
                self.key(number), file, self.root / mask, self._prompt, categories
            )
        where = f"{self._file}: entry {number}"
        photo = Photo.open(self._picture(AnnotationEntry.of(entry, where)))
        found, unusable = _masks(entry["groundings"], where)

        def misfit(shape: Shape) -> str:
            masks = [mask for masks in found.values() for mask in masks]
            return next(filter(None, (mask.misfit(shape) for mask in masks)), "")

        frame = photo.first(misfit)
        return Sample(
            self.key(number),
            photo.image(frame),
            self._prompt,
            categories,
            lambda: Truth.of_parts(frame.shape, found, unusable),
        )

    def _categories(self, number: int) -> dict[int, str]:
        """Return the names by label; raise `SightlineError` for an entry of another form."""
        entry, where = self._entries[number], f"entry {number} of {self._file}"
        if not self._is_tams:
            if not isinstance(entry, dict) or not isinstance(entry.get("groundings"), dict):
                raise SightlineError(f"{where} has no groundings")
            return {i: _without_article(p) for i, p in enumerate(entry["groundings"], 1)}
        is_whole = isinstance(entry, list) and len(entry) == 4 and isinstance(entry[3], dict)
        if not is_whole or not all(isinstance(name, str) and name for name in entry[:3:2]):
            raise SightlineError(f"{where} is not [picture, caption, mask, {{category: id}}]")
        wrong = {n: i for n, i in entry[3].items() if type(i) is not int or not 1 <= i <= 255}
        if wrong or len(set(entry[3].values())) < len(entry[3]):
            raise SightlineError(
                f"{where}: ids of categories are different numbers from 1 to 255, got {entry[3]}"
            )
        return {i: str(n) for n, i in entry[3].items()}

    def _picture(self, entry: AnnotationEntry) -> Path:
        tried = [self.root / folder / entry.text("file_name") for folder in self._folders]
        return next((file for file in tried if file.is_file()), None) or require_file(tried[0])


def _masks(
    groundings: Mapping[str, Any], where: str
) -> tuple[dict[int, list[Runs | Outlines]], dict[int, list[str]]]:
    """Return the masks of each phrase by label, and the errors of unusable ones."""
    found: dict[int, list[Runs | Outlines]] = {}
    unusable: dict[int, list[str]] = {}
    for label, (phrase, grounding) in enumerate(groundings.items(), 1):
        try:
            masks = AnnotationEntry.of(grounding, "it").get("rle_masks")
            if not isinstance(masks, list):
                raise SightlineError(f"rle_masks is {shown(masks)}, not a list")
            found[label] = [parse(mask) for mask in masks]
        except SightlineError as error:
            unusable[label] = [f"{where}, {phrase!r:.60}: {error}"]
    return found, unusable


def _without_article(phrase: str) -> str:
    first, _, rest = phrase.strip().lower().partition(" ")
    return rest if first in ("a", "an", "the") and rest else phrase.strip().lower()
