"""Data sets as people bring them: figures are those of the masks, or a sentence says why not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from explainer.__main__ import main
from explainer.commands.measuring import NOTHING_JUDGED
from explainer.emoji_world.objects import THINGS
from explainer.errors import SightlineError
from explainer.evaluation.datasets import open_dataset
from explainer.evaluation.datasets.photos import have_same_aspect
from explainer.evaluation.iou import Truth, unite_names
from explainer.evaluation.words import grammar
from explainer.media.images import open_image
from tests.inputs import datasets as made

ORIENTATIONS = (2, 3, 4, 5, 6, 7, 8)


def _evaluate(dataset: str, root: Path, out: Path, *more: str) -> tuple[int, dict]:
    """Run the command with the bundled model and return its exit code and report."""
    flags = ["--dataset", dataset, "--root", str(root), "--methods", "logit_lens", "--no-controls"]
    asked = ["--prompt", "Describe the image.", "--n", "9", "--out", str(out), *more]
    code = main(["evaluate", *flags, *asked])
    return code, json.loads((out / "report.json").read_text())


def _objects(report: dict) -> tuple[float, int]:
    figure = report["methods"]["logit_lens"]["obj_iou"]
    return figure["value"], figure["n"]


# Photographs that are stored turned --------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, *ORIENTATIONS])
@pytest.mark.parametrize("make", [made.coco, made.grandf])
def test_masks_lie_on_what_they_mark_however_a_picture_is_stored(tmp_path, make, orientation):
    """Whatever the orientation, the pixels under a mask are those that it was drawn on."""
    data = open_dataset(make.__name__, make(tmp_path, orientation))
    for i, seed in enumerate(made.SEEDS):
        sample = data.sample(i)
        pixels = open_image(sample.image).pixels
        truth = sample.truth()
        assert truth.shape == pixels.shape[:2]
        upright = made.wide(made.scene(seed).image)
        labels = {name: label for label, name in sample.categories.items()}
        for number, mask in made.things(seed).items():
            found = pixels[truth.of(labels[THINGS[number - 1].name])]
            drawn = made.stored(upright, orientation)[made.stored(mask, orientation)]
            assert np.array_equal(found, drawn)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("as_mask", [made.run_lengths, made.boxes])
def test_masks_drawn_upright_are_put_on_the_upright_picture(tmp_path, orientation, as_mask):
    """Though width and height are told as stored: the masks themselves say how they were drawn."""
    sample = open_dataset("coco", made.coco(tmp_path, orientation, True, as_mask)).sample(1)
    assert sample.image == tmp_path / "val2014" / "1.png"
    truth = sample.truth()
    assert truth.shape == made.wide(made.scene(1).image).shape[:2]
    for number, mask in made.things(1).items():
        if as_mask is made.run_lengths:
            assert np.array_equal(truth.masks[number], mask)
        else:
            assert truth.masks[number][mask].all()


def test_a_turned_photograph_has_the_figures_of_the_same_pixels_without_exif(tmp_path):
    """So the report is that of a data set whose pictures never were turned."""
    for make in (made.coco, made.grandf):
        found = []
        for name, orientation in (("plain", 1), ("turned", 6)):
            root = make(tmp_path / make.__name__ / name, 6, seeds=[0])
            (file,) = root.rglob("0.png")
            pixels = made.stored(made.wide(made.scene(0).image), 6)
            made.photograph(file, pixels, orientation)
            assert open_dataset(make.__name__, root).sample(0)
            code, report = _evaluate(make.__name__, root, tmp_path / make.__name__ / f"{name}-out")
            found.append((code, *_objects(report), report["dropped"]))
        assert found[0] == found[1]
        assert found[0][2] > 0, "things were judged"


def test_annotations_of_another_picture_are_dropped_and_counted(tmp_path, capsys):
    made.coco(tmp_path / "data")
    made.photograph(tmp_path / "data" / "val2014" / "1.png", np.zeros((90, 40, 3), np.uint8))
    code, report = _evaluate("coco", tmp_path / "data", tmp_path / "out")
    assert code == 0
    assert list(report["dropped"].values()) == [1]
    (why,) = report["dropped"]
    height, width = made.wide(made.scene(1).image).shape[:2]
    assert f"entry 1 of images says {width} x {height}; the picture has 40 x 90 pixels" in why
    made.photograph(tmp_path / "data" / "val2014" / "0.png", np.zeros((90, 40, 3), np.uint8), 6)
    with pytest.raises(SightlineError, match="neither as it is stored nor upright"):
        open_dataset("coco", tmp_path / "data").sample(0)
    capsys.readouterr()


def test_labels_drawn_over_a_turned_photograph_lie_on_its_stored_pixels(tmp_path):
    pixels = made.stored(made.wide(made.scene(0).image), 6)
    made.photograph(tmp_path / "a.png", pixels, 6)
    masks = made.things(0)
    labels = np.max([made.stored(m, 6) * i for i, m in masks.items()], axis=0).astype(np.uint8)
    made.photograph(tmp_path / "m.png", labels)
    names = {THINGS[i - 1].name: i for i in masks}
    made.write(tmp_path / "anno.json", [["a.png", "", "m.png", names]])
    sample = open_dataset("grandf", tmp_path).sample(0)
    assert np.array_equal(sample.image, pixels)
    made.photograph(tmp_path / "m.png", np.zeros((50, 300), np.uint8))
    with pytest.raises(SightlineError, match=r"m\.png has 300 x 50 pixels; that is another shape"):
        open_dataset("grandf", tmp_path).sample(0)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((480, 640), (480, 640), True),
        ((480, 640), (768, 1024), True),
        ((427, 640), (428, 640), True),
        ((427, 640), (683, 1024), True),
        ((480, 640), (640, 480), False),
        ((480, 640), (470, 640), False),
        ((1, 1), (99, 1), False),
    ],
)
def test_proportions_are_compared_to_a_pixel(one, other, same):
    assert have_same_aspect(one, other) is have_same_aspect(other, one) is same


# Entries that cannot be used ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report on scenes in COCO's layout with nothing wrong."""
    folder = tmp_path_factory.mktemp("whole")
    code, report = _evaluate("coco", made.coco(folder / "data"), folder / "out")
    assert code == 0
    assert _objects(report)[1] > 3
    return report


@pytest.mark.parametrize("broken", ["null", "NaN", "absurd", "a box"])
def test_a_broken_mask_is_named_and_counted_and_the_rest_is_measured(
    tmp_path, whole, broken, capsys
):
    value, words = made.BROKEN_MASKS[broken]
    root = made.coco(tmp_path / "data")
    made.change(root, lambda told: told["annotations"][0].update(segmentation=value))
    code, report = _evaluate("coco", root, tmp_path / "out")
    assert code == 0
    (why,) = report["unusable"]
    assert "instances_val2014.json: entry 0 of annotations: " in why
    assert words in why
    assert _objects(report)[1] == _objects(whole)[1] - 1, "the thing it marks was left out"
    assert "1 entry of annotations could not be used" in capsys.readouterr().out


@pytest.mark.parametrize("broken", made.BROKEN_MASKS)
def test_each_broken_mask_is_named(tmp_path, broken):
    value, words = made.BROKEN_MASKS[broken]
    root = made.coco(tmp_path)
    made.change(root, lambda told: told["annotations"][0].update(segmentation=value))
    truth = open_dataset("coco", root).sample(0).truth()
    ((label, (why,)),) = truth.unusable.items()
    assert "entry 0 of annotations: " in why
    assert words in why
    assert truth.of(label) is None
    assert len(truth.masks) == len(made.things(0)) - 1


@pytest.mark.parametrize("key", ["width", "height", "file_name"])
@pytest.mark.parametrize(
    "value", [None, "", 0, -3, float("nan"), 1e300, [1], 10**400], ids=lambda value: repr(value)[:9]
)
def test_pictures_without_size_or_name_are_named_and_dropped(tmp_path, key, value):
    root = made.coco(tmp_path)
    made.change(root, lambda told: told["images"][1].update({key: value}))
    data = open_dataset("coco", root)
    assert data.sample(0).truth().masks
    with pytest.raises(SightlineError, match=rf"entry 1 of images: {key} is"):
        data.sample(1)


def test_the_rest_of_a_data_set_is_measured_without_its_damaged_pictures(tmp_path, capsys):
    root = made.coco(tmp_path / "data")
    made.change(root, lambda told: told["images"][1].update(height=None))
    code, report = _evaluate("coco", root, tmp_path / "out")
    assert code == 0
    assert report["samples"] == 2
    (why,) = report["dropped"]
    assert why.endswith("entry 1 of images: height is null")
    assert "2 samples, 1 of them dropped (50.0%)." in capsys.readouterr().out


# Nothing to judge --------------------------------------------------------------------------------


def _keep(**parts):
    return lambda told: told.update(parts)


NOTHING = {
    "no pictures": (_keep(images=[], annotations=[]), "the data set has no samples"),
    "no annotations": (_keep(annotations=[]), "none of the 2 samples has a mask that can be used"),
    "boxes alone": (
        lambda told: (
            [a.update(segmentation=[1.0, 1.0, 9.0, 9.0]) for a in told["annotations"]] and None
        ),
        "none of the 2 samples has a mask that can be used",
    ),
    "no sizes": (
        lambda told: [image.update(width=None) for image in told["images"]] and None,
        "all 2 samples were dropped",
    ),
    "no things that it names": (
        lambda told: [c.update(name=f"zzz{c['id']}") for c in told["categories"]] and None,
        "none of the 2 answers names anything",
    ),
}


@pytest.mark.parametrize("case", NOTHING)
def test_an_evaluation_that_judges_nothing_says_so_and_has_its_own_exit_code(
    tmp_path, capsys, case
):
    edit, words = NOTHING[case]
    root = made.coco(tmp_path / "data")
    made.change(root, edit)
    code, report = _evaluate("coco", root, tmp_path / "out")
    assert code == NOTHING_JUDGED == 3
    assert report["judged"] == 0
    told = capsys.readouterr()
    assert f"Nothing was judged: {words}" in told.out
    assert (
        told.err.rstrip()
        .splitlines()[-1]
        .startswith(f"python -m explainer evaluate: Nothing was judged: {words}")
    )


def test_empty_masks_of_grounded_captions_are_nothing_to_judge(tmp_path):
    root = made.grandf(tmp_path / "data")

    def empty(told):
        for entry in told:
            for grounding in entry["groundings"].values():
                grounding["rle_masks"] = []

    made.change(root, empty)
    code, report = _evaluate("grandf", root, tmp_path / "out")
    assert (code, report["judged"]) == (3, 0)


# Data sets of one's own --------------------------------------------------------------------------


def _own(root: Path) -> Path:
    """A data set in COCO's format with ids from 0, its own file name and its own folder."""
    made.coco(root)
    file = made.change(root, _from_zero)
    file.rename(root / "annotations" / "instances_default.json")
    (root / "val2014").rename(root / "images")
    return root


def _from_zero(told):
    for entry in told["categories"]:
        entry["id"] -= 1
    for entry in told["annotations"]:
        entry["category_id"] -= 1


def test_a_data_set_of_ones_own_has_the_same_figures(tmp_path, whole):
    code, report = _evaluate("coco", _own(tmp_path / "own"), tmp_path / "out")
    assert code == 0
    assert _objects(report) == _objects(whole)


def test_masks_drawn_as_labels_keep_cocos_numbering(tmp_path):
    root = _own(tmp_path)
    (root / "seg_label").mkdir()
    file = next(root.rglob("*.json"))
    file.rename(file.with_name("instances_minival2014.json"))
    with pytest.raises(SightlineError, match="COCO's ids, from 1, person, to 90"):
        open_dataset("coco", root)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_read(tmp_path, encoding):
    for make in (made.coco, made.grandf):
        root = make(tmp_path / make.__name__)
        made.change(root, lambda told: None, encoding)
        assert open_dataset(make.__name__, root).sample(0).truth().masks


@pytest.mark.parametrize(
    "name", ["C:\\data\\val2014\\0.png", "val2014/0.png", "./0.png", "a/0.png"]
)
def test_names_of_other_systems_and_folders_find_their_pictures(tmp_path, name):
    root = made.coco(tmp_path)
    made.change(root, lambda told: told["images"][0].update(file_name=name))
    assert open_dataset("coco", root).sample(0).image == tmp_path / "val2014" / "0.png"


def test_lvis_names_its_pictures_by_address(tmp_path):
    root = made.coco(tmp_path)

    def as_lvis(told):
        for image in told["images"]:
            name = image.pop("file_name")
            image["coco_url"] = f"http://images.cocodataset.org/val2014/{name}"

    made.change(root, as_lvis)
    assert open_dataset("coco", root).sample(1).image == tmp_path / "val2014" / "1.png"


def test_several_annotation_files_have_to_be_told_apart(tmp_path):
    root = _own(tmp_path)
    made.write(root / "annotations" / "instances_other.json", {})
    with pytest.raises(SightlineError, match=r"instances_default\.json, instances_other\.json"):
        open_dataset("coco", root)


@pytest.mark.parametrize("part", ["images", "categories"])
def test_an_id_stands_for_one_entry(tmp_path, part):
    root = made.coco(tmp_path)
    made.change(root, lambda told: told[part].append(dict(told[part][0])))
    with pytest.raises(SightlineError, match=rf"entry \d+ of {part} has the id \d, as has"):
        open_dataset("coco", root)


# Masks of one name -------------------------------------------------------------------------------

HALVES = np.zeros((2, 4, 6), bool)
HALVES[0, :, :3], HALVES[1, :, 3:] = True, True


def test_masks_of_one_name_are_united():
    one, other = HALVES
    truth = Truth((4, 6), {1: one, 2: other, 5: one})
    names = {1: "a bus", 2: "Buses", 5: "dog"}
    names = {i: n.removeprefix("a ") for i, n in names.items()}
    categories, united = unite_names(names, truth, grammar("list", []))
    assert categories == {1: "bus", 5: "dog"}
    assert united.of(1).all()
    assert np.array_equal(united.of(5), one)
    broken = Truth((4, 6), {1: one, 5: one}, {2: ["entry 3"]})
    assert unite_names(names, broken, grammar("list", []))[1].of(1) is None


def test_two_phrases_of_one_noun_have_the_figures_of_one_mask(tmp_path):
    """A thing whose mask is cut in two, told as "a bus" and "the bus"."""
    _, whole = _evaluate("grandf", made.grandf(tmp_path / "whole", seeds=[0]), tmp_path / "a")
    root = made.grandf(tmp_path / "halves", seeds=[0])

    def halve(told):
        for entry in told:
            cut = {}
            for phrase, grounding in entry["groundings"].items():
                rle = grounding["rle_masks"][0]
                mask = np.zeros(np.prod(rle["size"]), bool)
                ends = np.cumsum(rle["counts"])
                for start, end in zip(ends[::2], ends[1::2], strict=False):
                    mask[start:end] = True
                mask = mask.reshape(rle["size"][::-1]).T
                upper = mask.copy()
                upper[mask.shape[0] // 2 :] = False
                for article, part in (("a", upper), ("the", mask & ~upper)):
                    name = phrase.replace("a ", f"{article} ", 1)
                    cut[name] = {"rle_masks": [made.run_lengths(part)]}
            entry["groundings"] = cut

    made.change(root, halve)
    code, report = _evaluate("grandf", root, tmp_path / "b")
    assert code == 0
    assert _objects(report) == _objects(whole)
    assert _objects(whole)[1] > 0


# Files of any form -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"x"', "[" * 100_000, "9" * 5000, '{"images": {}}']
)
@pytest.mark.parametrize("make", [made.coco, made.grandf])
def test_files_of_another_form_are_named(tmp_path, make, text):
    root = make(tmp_path)
    (file,) = root.rglob("*.json")
    file.write_text(text)
    if (make, text) == (made.grandf, "[]"):
        assert len(open_dataset("grandf", root)) == 0
        return
    with pytest.raises(SightlineError, match=file.name):
        open_dataset(make.__name__, root)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_absurd_numbers_take_no_memory(tmp_path):
    """In a process of its own, as the C library that was given them would take it down."""
    import subprocess

    root = made.coco(tmp_path)
    absurd = {"size": [8000, 8000], "counts": [1] * 9}

    def spoil(told):
        values = [v for v, _ in made.BROKEN_MASKS.values()]
        told["annotations"] += [
            {"image_id": 0, "category_id": 1, "segmentation": v} for v in (*values, absurd)
        ]

    made.change(root, spoil)
    script = (
        "import re, sys, resource; from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "from explainer.evaluation.datasets import open_dataset\n"
        "truth = open_dataset('coco', Path(sys.argv[1])).sample(0).truth()\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())\n"
        "print(len(truth.unusable[1]), int(peak[1]) >> 10)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], capture_output=True, text=True, timeout=60
    )
    count, megabytes = map(int, done.stdout.split())
    assert count == len(made.BROKEN_MASKS) + 1, done.stderr
    assert megabytes < 500


# Public reports about other tools ----------------------------------------------------------------


def _first(**values):
    return lambda told: told["annotations"][0].update(values)


def _with_part(part):
    return lambda told: told["annotations"][0]["segmentation"].append(part)


def _far_edges(told):
    width, height = (float(told["images"][0][side]) for side in ("width", "height"))
    return [0.0, height, width, height, width, 0.0]


def _without(part, key):
    return lambda told: [entry.pop(key, None) for entry in told[part]] and None


def _by_id(told):
    told["annotations"] = {str(i): entry for i, entry in enumerate(told["annotations"])}


def _of_another(told):
    told["annotations"].append(told["annotations"][0] | {"image_id": 1})


# What was reported of pycocotools and of tools built on it, and what is right here: the number of
# entries that are left out, or a part of the sentence that refuses the file.
REPORTS = {
    "cocoapi 1: corners on the far edges": (lambda told: _with_part(_far_edges(told))(told), 0),
    "yolact_pytorch 4: no segmentation in an entry": (
        lambda told: told["annotations"][0].pop("segmentation") and None,
        1,
    ),
    "Mask_RCNN 1439: annotations without ids": (_without("annotations", "id"), 0),
    "supervision 285: annotations that share an id": (_first(id=1), 0),
    "cocoapi 348: a part of two points": (_with_part([1.0, 2.0, 1.0, 5.0]), 0),
    "coco-annotator 169: a part of one point": (_with_part([4.0, 4.0]), 0),
    "mmdetection 3338: an empty part": (_with_part([]), 0),
    "COCO-Semantic-Segmentation 4: parts nested once more": (
        lambda told: _first(segmentation=[told["annotations"][0]["segmentation"]])(told),
        1,
    ),
    "yolact 156: one flat list of corners": (
        lambda told: _first(segmentation=told["annotations"][0]["segmentation"][0])(told),
        1,
    ),
    "yolact 156: ids of pictures as text": (_first(image_id="0"), 'image_id is "0"'),
    "LIVECell 23: annotations by their id": (_by_id, 0),
    "mask-rcnn-keras 16: LVIS without iscrowd": (_without("annotations", "iscrowd"), 0),
}


@pytest.mark.parametrize("report", REPORTS)
def test_what_was_reported_elsewhere_of_coco(tmp_path, report):
    edit, right = REPORTS[report]
    root = made.coco(tmp_path, as_mask=made.boxes)
    made.change(root, edit)
    if isinstance(right, str):
        with pytest.raises(SightlineError, match=right):
            open_dataset("coco", root)
        return
    truth = open_dataset("coco", root).sample(0).truth()
    assert sum(map(len, truth.unusable.values())) == right
    assert len(truth.masks) == len(made.things(0)) - right


def test_a_mask_of_another_picture_is_left_out(tmp_path):
    """yolact 103: run lengths of one picture listed with another of another size."""
    root = made.coco(tmp_path)
    made.change(root, _of_another)
    (reasons,) = open_dataset("coco", root).sample(1).truth().unusable.values()
    assert "run lengths are for" in reasons[0]


def test_empty_entries_of_grounded_captions_are_named(tmp_path):
    """CompBench 2: entries that hold nothing."""
    root = made.grandf(tmp_path)
    made.change(root, lambda told: told.insert(1, {}))
    data = open_dataset("grandf", root)
    assert data.sample(2).truth().masks
    with pytest.raises(SightlineError, match=r"entry 1 of .* has no groundings"):
        data.sample(1)
    assert data.known_nouns()
