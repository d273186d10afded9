"""Readers of data sets: tiny ones in every layout, and what is wrong with them said in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from explainer.emoji_world.language import GROUNDS
from explainer.emoji_world.scenes import make_scene
from explainer.errors import SightlineError
from explainer.evaluation.datasets import masks, open_dataset
from explainer.evaluation.datasets.masks import read_labels, union

CATEGORIES = [
    {"id": 1, "name": "person"},
    {"id": 37, "name": "sports ball"},
    {"id": 46, "name": "wine glass"},
]
SQUARE = [2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0]


def picture(file: Path, size=(10, 8)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 90, 200)).save(file)
    return file


def labels(file: Path, boxes: dict[int, tuple[int, int, int, int]], size=(10, 8)) -> Path:
    values = np.zeros(size[::-1], np.uint8)
    for label, (x0, y0, x1, y1) in boxes.items():
        values[y0:y1, x0:x1] = label
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(file)
    return file


def write(file: Path, value) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))
    return file


# The emoji world ---------------------------------------------------------------------------------


def test_scenes_are_numbered_from_the_first_seed_and_hold_exact_masks():
    data, scene = open_dataset("emoji", None, first_seed=5), make_scene(7)
    sample = data.sample(2)
    assert sample.key == "seed 7"
    assert np.array_equal(sample.image, scene.image)
    truth = sample.truth()
    present = {sample.categories[i]: mask for i, mask in truth.masks.items()}
    assert set(present) == {placed.name for placed in scene.things}
    assert all(np.array_equal(mask, scene.mask(name)) for name, mask in present.items())
    assert open_dataset("emoji", None, prompt="What?").sample(0).prompt == "What?"


def test_nouns_of_the_emoji_world_are_known():
    known = open_dataset("emoji", None).known_nouns()
    assert {"person", "light", "bear", "grass", "sky"} <= known
    assert not {"hot", "on", "wooden", "red"} & known
    last = {ground.phrase.split()[-1] for ground in GROUNDS}
    assert last <= known


# COCO --------------------------------------------------------------------------------------------


@pytest.fixture
def tams_coco(tmp_path):
    told = {"images": [{"id": 42}, {"id": 43}], "categories": CATEGORIES, "annotations": []}
    write(tmp_path / "annotations" / "instances_minival2014.json", told)
    for i in (42, 43):
        picture(tmp_path / "image" / f"{i:012d}.jpg")
    labels(tmp_path / "seg_label" / "000000000042.png", {1: (0, 0, 4, 4), 46: (6, 2, 9, 5)})
    return tmp_path


def test_tams_layout_of_coco(tams_coco):
    data = open_dataset("coco", tams_coco, "tam")
    assert len(data) == 2
    first, second = data.sample(0), data.sample(1)
    assert first.image == tams_coco / "image" / "000000000042.jpg"
    assert first.categories == {1: "person", 37: "ball", 46: "glass"}
    truth = first.truth()
    assert truth.shape == (8, 10)
    assert {i: int(m.sum()) for i, m in truth.masks.items()} == {1: 16, 46: 9}
    assert second.truth().shape is None  # no mask file
    assert open_dataset("coco", tams_coco).categories[46] == "wine glass"
    assert open_dataset("coco", tams_coco).sample(0).prompt.startswith("Write a one-sentence")


@pytest.fixture
def cocos_coco(tmp_path):
    crowd = {"size": [8, 10], "counts": [8, 8, 64]}  # the second column
    annotations = [
        {"image_id": 42, "category_id": 1, "segmentation": [SQUARE]},
        {"image_id": 42, "category_id": 1, "segmentation": crowd},
        {"image_id": 43, "category_id": 46, "segmentation": [SQUARE]},
    ]
    images = [
        {"id": i, "file_name": f"COCO_val2014_{i:012d}.jpg", "height": 8, "width": 10}
        for i in (42, 43)
    ]
    told = {"images": images, "categories": CATEGORIES, "annotations": annotations}
    write(tmp_path / "annotations" / "instances_val2014.json", told)
    for image in images:
        picture(tmp_path / "val2014" / image["file_name"])
    return tmp_path


def test_coco_as_published(cocos_coco):
    data = open_dataset("coco", cocos_coco)
    first, second = data.sample(0).truth(), data.sample(1).truth()
    assert list(first.masks) == [1]
    assert list(second.masks) == [46]
    assert int(second.masks[46].sum()) == 16
    assert int(first.masks[1].sum()) == 16 + 8
    assert first.masks[1][:, 1].all()


def test_coco_says_what_is_missing_or_wrong(tams_coco, cocos_coco, tmp_path):
    folder = tmp_path / "annotations"
    (tams_coco / "image" / "000000000043.jpg").unlink()
    with pytest.raises(SightlineError, match=r"000000000043\.jpg"):
        open_dataset("coco", tams_coco).sample(1)
    labels(tams_coco / "seg_label" / "000000000042.png", {200: (0, 0, 4, 4)})
    with pytest.raises(SightlineError, match=r"000000000042\.png holds category ids \[200\]"):
        open_dataset("coco", tams_coco).sample(0).truth()
    labels(tams_coco / "seg_label" / "000000000042.png", {1: (0, 0, 4, 4)})
    renumbered = [{"id": i, "name": c["name"]} for i, c in enumerate(CATEGORIES)]
    file = write(folder / "instances_minival2014.json", {"images": [], "categories": renumbered})
    with pytest.raises(SightlineError, match="1, person, to 90"):
        open_dataset("coco", tams_coco)
    file.write_text("{")
    with pytest.raises(SightlineError, match="damaged"):
        open_dataset("coco", tams_coco)
    write(file, [])
    with pytest.raises(SightlineError, match="no list of images"):
        open_dataset("coco", tams_coco)
    file.unlink()
    (folder / "instances_val2014.json").unlink()
    with pytest.raises(SightlineError, match=r"instances_\w+2014\.json"):
        open_dataset("coco", tams_coco)


@pytest.mark.parametrize(
    ("part", "key"),
    [("images", "id"), ("categories", "name"), ("categories", "id"), ("annotations", "image_id")],
)
@pytest.mark.parametrize("wrong", ["is missing", "is null", r'is "(\\u2603)?"', r"is \[1\]"])
def test_entries_without_which_nothing_can_be_told_are_named(cocos_coco, part, key, wrong):
    file = cocos_coco / "annotations" / "instances_val2014.json"
    told = json.loads(file.read_text())
    values = {"is null": None, r"is \[1\]": [1]}
    told[part][1][key] = values.get(wrong, "" if key == "name" else "\u2603")
    if wrong == "is missing":
        del told[part][1][key]
    write(file, told)
    with pytest.raises(SightlineError, match=f"entry 1 of {part}: {key} {wrong}"):
        open_dataset("coco", cocos_coco)


def test_categories_that_are_not_listed_are_caught(cocos_coco):
    file = cocos_coco / "annotations" / "instances_val2014.json"
    told = json.loads(file.read_text())
    told["annotations"][0]["category_id"] = 91
    write(file, told)
    with pytest.raises(SightlineError, match=r"entry 0 of annotations is of category 91"):
        open_dataset("coco", cocos_coco)


# GranDf and OpenPSG ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sentences"), [("grandf", "two"), ("openpsg", "three")])
def test_tams_layout_of_grounded_captions(tmp_path, name, sentences):
    picture(tmp_path / "images" / "a.jpg")
    labels(tmp_path / "masks" / "a.png", {3: (0, 0, 4, 4), 255: (5, 5, 6, 6)})
    entry = ["images/a.jpg", "A cat.", "masks/a.png", {"cat": 3, "traffic light": 7}]
    other = ["images/a.jpg", "A cat.", "masks/none.png", {"cat": 1}]
    write(tmp_path / "anno.json", [entry, other])
    data = open_dataset(name, tmp_path)
    sample = data.sample(0)
    assert sentences in sample.prompt
    assert sample.categories == {3: "cat", 7: "traffic light"}
    assert {i: int(m.sum()) for i, m in sample.truth().masks.items()} == {3: 16}
    assert data.sample(1).truth().shape is None
    assert sample.key != data.sample(1).key  # one picture may have several captions
    assert {"cat", "light", "traffic"} <= data.known_nouns()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (["a.jpg", "A cat."], "is not"),
        (["a.jpg", "A cat.", "a.png", {"cat": 0}], "from 1 to 255"),
        (["a.jpg", "A cat.", "a.png", {"cat": "1"}], "from 1 to 255"),
        (["a.jpg", "A cat.", "a.png", {"cat": 1, "dog": 1}], "different numbers"),
        (["a.jpg", "A cat.", "a.png", {"cat": 1}], r"a\.jpg"),
    ],
)
def test_wrong_entries_are_named(tmp_path, entry, words):
    write(tmp_path / "anno.json", [entry])
    with pytest.raises(SightlineError, match=words):
        open_dataset("grandf", tmp_path).sample(0)


def test_grounded_captions_as_published(tmp_path):
    picture(tmp_path / "coco_2017" / "train2017" / "b.jpg")
    rle = {"size": [8, 10], "counts": [8, 8, 64]}
    groundings = {
        "A man in red": {"token_positives": [0, 12], "rle_masks": [rle]},
        "grass": {"token_positives": [14, 19], "rle_masks": []},
    }
    entry = {"file_name": "b.jpg", "caption": '"A man in red."', "groundings": groundings}
    file = write(tmp_path / "annotations" / "train" / "OpenPsgGCG_val.json", [entry])
    sample = open_dataset("openpsg", tmp_path).sample(0)
    assert sample.categories == {1: "man in red", 2: "grass"}
    truth = sample.truth()
    assert int(truth.of(1).sum()) == 8
    assert truth.of(2) is None
    rle["size"] = [10, 8]
    write(file, [entry])
    with pytest.raises(SightlineError, match="run lengths are for 8 x 10 pixels"):
        open_dataset("openpsg", tmp_path).sample(0).truth()
    write(file, [{}])
    with pytest.raises(SightlineError, match="no groundings"):
        open_dataset("openpsg", tmp_path).sample(0)


def test_a_missing_data_set_is_named(tmp_path):
    with pytest.raises(SightlineError, match=r"anno\.json nor .*GranDf_HA_GCG_train\.json"):
        open_dataset("grandf", tmp_path)
    with pytest.raises(SightlineError, match="--root"):
        open_dataset("coco", None)
    with pytest.raises(SightlineError, match="no folder"):
        open_dataset("coco", tmp_path / "none")
    with pytest.raises(SightlineError, match="emoji, coco, grandf, openpsg"):
        open_dataset("flickr", tmp_path)
    with pytest.raises(SightlineError, match="held out"):
        open_dataset("emoji", None, first_seed=1_000_000)


# Masks -------------------------------------------------------------------------------------------


def test_polygons_cover_the_pixels_whose_centres_lie_inside():
    mask = union((8, 10), [[SQUARE, [0.0, 0.0, 1.0, 1.0]]])
    assert mask[1:5, 2:6].all()
    assert mask.sum() == 16


def test_run_lengths_run_down_the_columns():
    mask = union((3, 4), [{"size": [3, 4], "counts": [2, 3, 7]}])
    assert np.argwhere(mask).tolist() == [[0, 1], [1, 1], [2, 0]]
    with pytest.raises(SightlineError, match="11 of 12"):
        union((3, 4), [{"size": [3, 4], "counts": [2, 3, 6]}])


def test_packed_run_lengths_by_hand():
    """Counts 2, 3, 7, then 3 as the difference 0 to the one before the last."""
    assert union((3, 5), [{"size": [3, 5], "counts": "2370"}]).sum() == 6
    assert union((3, 5), [{"size": [3, 5], "counts": b"2370"}]).sum() == 6


@pytest.mark.parametrize("seed", range(5))
def test_packed_run_lengths_agree_with_cocos_library(seed):
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 80), np.uint8)
    for _ in range(5):
        y, x = rng.integers(0, 60), rng.integers(0, 80)
        mask[y : y + 20, x : x + 30] ^= 1
    assert np.array_equal(union(mask.shape, [coco.encode(np.asfortranarray(mask))]), mask)


@pytest.mark.parametrize("seed", range(3))
def test_polygons_are_those_of_cocos_library_where_it_is_installed(seed, monkeypatch):
    """Pillow's differ along the edges, by less than a pixel in a hundred of such a thing."""
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(40)) * 2 * np.pi
    outline = np.stack([160 + 110 * np.cos(angles), 120 + 80 * np.sin(angles)], 1).ravel().tolist()
    theirs = coco.decode(coco.merge(coco.frPyObjects([outline], 240, 320))).astype(bool)
    assert np.array_equal(union((240, 320), [[outline, [1.0, 1.0, 2.0, 2.0]]]), theirs)
    monkeypatch.setattr(masks, "FILLED_BY", "Pillow")
    pillows = union((240, 320), [[outline]])
    assert 0 < np.sum(pillows != theirs) < 0.01 * theirs.sum()


@pytest.mark.parametrize("by", ["Pillow", "pycocotools"])
def test_both_fill_the_same_square(by, monkeypatch):
    if by == "pycocotools":
        pytest.importorskip("pycocotools")
    monkeypatch.setattr(masks, "FILLED_BY", by)
    assert np.argwhere(union((8, 10), [[SQUARE]])).tolist() == [
        [y, x] for y in range(1, 5) for x in range(2, 6)
    ]


def test_who_fills_polygons_belongs_to_the_figures(cocos_coco):
    made_with = open_dataset("coco", cocos_coco).made_with
    assert made_with == {"polygons": masks.FILLED_BY, "frame": "of the annotations"}
    assert not open_dataset("emoji", None).made_with


DAMAGED = [
    ({"size": [8, 10]}, "counts of run lengths are null"),
    ({"counts": [80]}, "size of run lengths is null"),
    ({"size": [8, 10], "counts": [-8, 88]}, "a count of run lengths is -8"),
    ({"size": [8, 10], "counts": [float("nan")]}, "a count of run lengths is NaN"),
    ({"size": [10**6, 10**6], "counts": [10**12]}, "size of run lengths .* too large"),
    ({"size": [8, 10], "counts": "\x00~~"}, "a text that cannot be decoded"),
    ({"size": [8, 10], "counts": "o" * 99}, "a text that cannot be decoded"),
    ([[1.0, 2.0, 3.0]], "an odd count"),
    ([[float("nan"), 1, 2, 3, 4, 5]], "holds NaN"),
    ([[1, 2, 3, float("inf"), 4, 5]], "holds Infinity"),
    ([[1, 2, 3, 10**400, 4, 5]], "holds a number of 20 digits or more"),
    ([[1, 2, 3, 1e9, 4, 5]], r"holds 1000000000\.0"),
    ([[1, 2, 3, 1e5, 4, 5]], "leaves the picture of 10 x 8"),
    ([[1, 2, 3, 4]], "no polygon of three points"),
    ([2, 1, 4, 4], "holds 2 where an outline"),
    ([], "segmentation is empty"),
    ([[]], "no polygon of three points"),
    ([[SQUARE]], r"holds \[2.0.* should be pairs"),
    ([["x"] * 6], 'holds "x"'),
    ([[True] * 6], "holds true"),
    (7, "neither polygons nor run lengths"),
    ("7", "neither polygons nor run lengths"),
]


@pytest.mark.parametrize(("segment", "words"), DAMAGED)
def test_damaged_masks_are_said_in_words(segment, words):
    with pytest.raises(SightlineError, match=words):
        union((8, 10), [segment])


def test_outlines_of_any_size_are_filled_in_little_memory(monkeypatch):
    """Without finer pixels the edge goes the other way by less than a pixel."""
    monkeypatch.setattr(masks, "FILLED_BY", "Pillow")
    outline = [10.0, 5.0, 80.0, 12.0, 60.0, 66.0]
    fine = union((70, 90), [[outline]])
    monkeypatch.setattr(masks, "_MOST_FINE", 25 * 90 * 70 - 1)
    coarse = union((70, 90), [[outline]])
    grown = ndimage.binary_dilation(fine, np.ones((3, 3)))
    shrunk = ndimage.binary_erosion(fine, np.ones((3, 3)))
    assert not np.any(coarse & ~grown)
    assert not np.any(shrunk & ~coarse)
    zigzag = np.array([[0, 0], [9000, 6000]] * 1000, float).ravel().tolist()
    with pytest.raises(SightlineError, match="longer than"):
        union((6000, 9000), [[zigzag]])


def test_a_mask_of_another_size_is_said_in_words():
    with pytest.raises(SightlineError, match="are for 8 x 10 pixels, its picture has 10 x 8"):
        union((8, 10), [{"size": [10, 8], "counts": [80]}])


def test_things_may_overlap():
    rle = {"size": [8, 10], "counts": [8, 8, 64]}
    assert union((8, 10), [[SQUARE], rle]).sum() == 24
    assert union((8, 10), []).sum() == 0


def test_pictures_that_are_no_masks_are_named(tmp_path):
    with pytest.raises(SightlineError, match="in colour"):
        read_labels(picture(tmp_path / "a.png"), {1})
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(SightlineError, match=r"b\.png is not a picture"):
        read_labels(tmp_path / "b.png", {1})
