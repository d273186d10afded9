"""COCO, LVIS, and data sets of your own in COCO's format.

    TAM's       image/<12 digits>.jpg, seg_label/<12 digits>.png (pixels are category ids),
                annotations/instances_minival2014.json (which pictures)
    COCO's      annotations/instances_minival2014.json, instances_val2014.json, or whichever JSON
                file is alone there or in the folder itself (polygons, run lengths); pictures in
                the folder of that name (val2014), images, image, or beside the file

Captions are not read: no figure depends on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample, require_file
from explainer.evaluation.datasets.masks import FILLED_BY, Outlines, Runs, parse, read_labels
from explainer.evaluation.datasets.photos import Photo, Shape, have_same_aspect
from explainer.evaluation.datasets.values import AnnotationEntry, entries, read_json
from explainer.evaluation.iou import Truth

PROMPT = "Write a one-sentence caption for this image:"
# Categories with another name in TAM's list.
TAM_NAMES = {"sports ball": "ball", "wine glass": "glass"}
_KNOWN = ("instances_minival2014.json", "instances_val2014.json", "instances_val2017.json")
_FOLDERS = ("val2014", "images", "image", "train2014", "val2017", "train2017", "")

Segment = tuple[int, str, Runs | Outlines | str]  # category, which entry, its mask or what is wrong


class Coco(Dataset):
    """The pictures of an annotation file, in its order."""

    name = "coco"

    def __init__(self, root: Path, mode: str = "clean", prompt: str = "") -> None:
        self.root = root
        self._prompt = prompt or PROMPT
        self._drawn = (root / "seg_label").is_dir()
        self._file = root / "annotations" / _KNOWN[0] if self._drawn else _annotations(root)
        values = read_json(self._file)
        self._images = entries(values, "images", self._file)
        self._ids = _unique_ids(self._images)
        self.categories = _categories(entries(values, "categories", self._file), self._drawn)
        if mode == "tam":
            self.categories = {i: TAM_NAMES.get(n, n) for i, n in self.categories.items()}
        self._segments: dict[int, list[AnnotationEntry]] = defaultdict(list)
        self.made_with = {"frame": "of the annotations"}
        if not self._drawn:
            self.made_with |= {"polygons": FILLED_BY}
            self._read_segments(entries(values, "annotations", self._file))

    def _read_segments(self, annotations: Sequence[AnnotationEntry]) -> None:
        for entry in annotations:
            category = entry.whole("category_id")
            if category not in self.categories:
                raise SightlineError(
                    f"{entry.where} is of category {category}, which the list of categories lacks"
                )
            self._segments[entry.whole("image_id")].append(entry)

    def __len__(self) -> int:
        return len(self._images)

    def names(self) -> Iterable[str]:
        return self.categories.values()

    def key(self, number: int) -> str:
        return str(self._ids[number])

    def sample(self, number: int) -> Sample:
        if self._drawn:
            return self._drawn_sample(number)
        entry = self._images[number]
        photo, stated = Photo.open(self._picture(entry)), entry.shape()
        segments = [self._segment(e) for e in self._segments[self._ids[number]]]
        masks = [mask for _, _, mask in segments if not isinstance(mask, str)]
        shapes: dict[Shape, Shape] = {}

        def misfit(shape: Shape) -> str:
            shapes[shape] = stated if have_same_aspect(stated, shape) else stated[::-1]
            return _misfit(entry, stated, photo, shape, masks)

        frame = photo.first(misfit)
        shape = shapes[frame.shape]
        return Sample(
            self.key(number),
            photo.image(frame),
            self._prompt,
            self.categories,
            lambda: _truth(shape, segments),
        )

    def _drawn_sample(self, number: int) -> Sample:
        name = f"{self._ids[number]:012d}"
        file, mask = require_file(self.root / "image" / f"{name}.jpg"), f"{name}.png"
        return make_labelled_sample(
            self.key(number), file, self.root / "seg_label" / mask, self._prompt, self.categories
        )

    def _segment(self, entry: AnnotationEntry) -> Segment:
        category = entry.whole("category_id")
        try:
            return category, entry.where, parse(entry.get("segmentation"))
        except SightlineError as error:
            why = str(error).removeprefix(f"{entry.where}: ")
            return category, entry.where, why

    def _picture(self, entry: AnnotationEntry) -> Path:
        """Return the path of a picture, also for Windows paths and the URLs of LVIS."""
        name = "file_name" if "file_name" in entry.values else "coco_url"
        path = Path(entry.text(name).replace("\\", "/").split("://")[-1])
        folders = [self._file.stem.removeprefix("instances_"), *_FOLDERS]
        tried = [self.root / folder / path for folder in folders]
        tried += [self._file.parent / path, *(self.root / folder / path.name for folder in folders)]
        tried += [self.root / Path(*path.parts[-2:])]
        try:
            return next((file for file in tried if file.is_file()), None) or require_file(tried[1])
        except (OSError, ValueError, SightlineError):
            raise SightlineError(
                f"{entry.where}: there is no picture {path.name!r} in {self.root / _FOLDERS[0]} or "
                f"{self.root / 'images'}; the data set is not complete"
            ) from None


def make_labelled_sample(
    key: str, file: Path, labels: Path, prompt: str, categories: dict[int, str]
) -> Sample:
    """Return a sample whose masks are a picture of labels; without the file it has none."""
    if not labels.is_file():
        return Sample(key, file, prompt, categories, lambda: Truth(None))
    truth, photo = read_labels(labels, categories), Photo.open(file)
    assert truth.shape is not None
    drawn: Shape = truth.shape

    def misfit(shape: Shape) -> str:
        size = f"{drawn[1]} x {drawn[0]}"
        return (
            ""
            if have_same_aspect(drawn, shape)
            else f"{labels} has {size} pixels; that is another shape"
        )

    return Sample(key, photo.image(photo.first(misfit)), prompt, categories, lambda: truth)


def _misfit(
    entry: AnnotationEntry,
    stated: Shape,
    photo: Photo,
    shape: Shape,
    masks: Sequence[Runs | Outlines],
) -> str:
    """Return why annotations do not fit a picture of this shape, or "".

    Only for a picture that is stored turned, masks decide the orientation in which they were drawn;
    for others, masks that do not fit are left out one by one.
    """
    size = f"{stated[1]} x {stated[0]}"
    if len(photo.frames) == 1:
        wrong = (
            ""
            if have_same_aspect(stated, shape)
            else f"{entry.where} says {size}; the picture has "
        )
        return wrong and f"{wrong}{shape[1]} x {shape[0]} pixels"
    if not have_same_aspect(stated, shape) and not have_same_aspect(stated[::-1], shape):
        return f"{entry.where} says {size}"
    drawn = stated if have_same_aspect(stated, shape) else stated[::-1]
    return next(filter(None, (mask.misfit(drawn) for mask in masks)), "")


def _truth(shape: Shape, segments: Sequence[Segment]) -> Truth:
    """Return the masks of all categories, except those with an unusable mask."""
    found: dict[int, list[Runs | Outlines]] = defaultdict(list)
    unusable: dict[int, list[str]] = defaultdict(list)
    for category, where, mask in segments:
        why = mask if isinstance(mask, str) else mask.misfit(shape)
        if why:
            unusable[category].append(f"{where}: {why}")
        else:
            assert not isinstance(mask, str)
            found[category].append(mask)
    return Truth.of_parts(shape, found, unusable)


def _annotations(root: Path) -> Path:
    """Return the annotation file of a folder in COCO's layout."""
    folder = root / "annotations"
    for name in _KNOWN:
        if (folder / name).is_file():
            return folder / name
    for place in (folder, root):
        found = sorted(place.glob("*.json"))
        instances = [file for file in found if file.stem.startswith("instances")] or found
        if len(instances) == 1:
            return instances[0]
        if instances:
            names = ", ".join(file.name for file in instances[:5])
            raise SightlineError(
                f"{place} holds several annotation files ({names}); leave one, or call one "
                f"{_KNOWN[1]}"
            )
    raise SightlineError(f"there is no {folder / _KNOWN[1]}; the data set is not complete")


def _unique_ids(images: Sequence[AnnotationEntry]) -> list[int]:
    """Return the ids of the pictures, which name the samples; raise if one occurs twice."""
    seen: dict[int, AnnotationEntry] = {}
    for entry in images:
        number = entry.whole("id")
        if number in seen:
            raise SightlineError(f"{entry.where} has the id {number}, as has {seen[number].where}")
        seen[number] = entry
    return list(seen)


def _categories(listed: Sequence[AnnotationEntry], drawn: bool) -> dict[int, str]:
    """Return names by id. Masks drawn as labels hold COCO's ids, 1 to 90 with gaps."""
    names: dict[int, str] = {}
    for entry in listed:
        number = entry.whole("id")
        if number in names:
            raise SightlineError(f"{entry.where} has the id {number}, as has {names[number]!r}")
        names[number] = entry.text("name")
    wrong = [i for i in names if not 1 <= i <= 90]
    if drawn and (wrong or names.get(1, "person") != "person"):
        raise SightlineError(
            f"{listed[0].where.split(': ')[0]} numbers its categories in its own way "
            f"(ids {sorted(names)[:3]}...); the pictures in seg_label hold COCO's ids, from 1, "
            "person, to 90"
        )
    return names
