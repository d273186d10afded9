"""Feed damaged run files, links, knobs and annotations to their readers.

    python -m tests.fuzz.records runs --minutes 10
    python -m tests.fuzz.records links --minutes 10
    python -m tests.fuzz.records knobs --minutes 10
    python -m tests.fuzz.records annotations --minutes 10

What is promised of each example is said in `harness`.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from explainer.errors import SightlineError
from explainer.evaluation.datasets import open_dataset
from explainer.methods import COMPARISON, METHODS
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.ui.sections.links.links import Links
from explainer.web import texts
from explainer.web.controls import option_value, panel_value, read_settings
from tests.fuzz.harness import Reader, main
from tests.fuzz.media import damaged
from tests.inputs import datasets
from tests.ui.fake import FakeExplainer, fake_run, with_layers

# Values of any kind, and those on which readers of JSON stumble.
ODD = st.sampled_from(
    [
        *(None, True, 0, -1, 1, 2**31, 2**64, 10**400, 1e-300, 1e300, float("nan"), float("inf")),
        *("", "\x00", "\ud800", "猫", "NaN", "1e999", "-", "0.5,", "t", "9" * 5000, "x" * 2001),
        *([], {}),
    ]
)
VALUES = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


# Run files ---------------------------------------------------------------------------------------


def run_seeds() -> list[Mapping[str, bytes]]:
    """Return the members of small run files of several kinds."""
    runs = [fake_run(size=(48, 40)), with_layers(fake_run(size=(40, 40))), fake_run(images=2)]
    return [_members(run) for run in runs]


def _members(run: Run) -> dict[str, bytes]:
    buffer = io.BytesIO()
    run.save(buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@st.composite
def damaged_runs(draw: st.DrawFn, seeds: Sequence[Mapping[str, bytes]]) -> bytes:
    """Draw a run file with damaged members, a changed header, or bytes changed as a whole."""
    members = dict(draw(st.sampled_from(seeds)))
    kind = draw(st.sampled_from(["member", "header", "file"]))
    name = draw(st.sampled_from(sorted(members)))
    if kind == "member":
        members[name] = draw(damaged([members[name]]))
    elif kind == "header":
        header = json.loads(_array(members["header.npy"]).tobytes())
        told = json.dumps(draw(changed(header))).encode("utf-8", "replace")
        buffer = io.BytesIO()
        np.save(buffer, np.frombuffer(told, np.uint8))
        members["header.npy"] = buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return draw(damaged([buffer.getvalue()])) if kind == "file" else buffer.getvalue()


def _array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def read_run(data: bytes) -> None:
    """Open a run file, and explain a word of what was opened."""
    run = Run.load(io.BytesIO(data))
    METHODS["tam"](run, len(run.tokens) - 1)


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Draw JSON with one to three of its parts replaced, left out, or repeated."""
    told = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        told = _change(draw, told, 0)
    return told


def _change(draw: st.DrawFn, value: Any, depth: int) -> Any:
    inner = value if isinstance(value, (dict, list)) and value else None
    if inner is None or depth > 6 or draw(st.integers(0, 5)) == 0:
        return draw(VALUES)
    keys = sorted(inner) if isinstance(inner, dict) else list(range(len(inner)))
    key = draw(st.sampled_from(keys))
    action = draw(st.sampled_from(["change", "change", "change", "drop", "repeat"]))
    if action == "drop":
        del inner[key]
    elif action == "repeat" and isinstance(inner, list):
        inner.append(inner[key])
    else:
        inner[key] = _change(draw, inner[key], depth + 1)
    return inner


# Links -------------------------------------------------------------------------------------------

_NAMES = str.split(
    "prompt model tokens temperature seed layers example layer word against scales k beta weights "
    "methods msea_arc.clip tam.window nosuch.option opacity colours normalisation drawing contour "
    "speed present"
)
_PARTS = st.sampled_from(
    str.split(
        "1 0 -1 0.5 1e9 1e400 nan inf auto 0.5,0.75 0.5:2 12 t1,2 t1:mean 7=cat 7:first=x tam "
        "msea_arc logit_lens inferno token , : = . / + % all even last"
    )
)


@st.composite
def queries(draw: st.DrawFn) -> Any:
    """Draw what a page may send of its address, and of what the browser remembers."""
    text = st.lists(_PARTS, max_size=4).map("".join) | st.text(max_size=12) | VALUES
    query = draw(st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=6), text, max_size=5))
    kept = {"panel": panel_value(), "options": option_value()}
    told = {"query": query, "run": draw(st.sampled_from(["key", "none"]) | VALUES)}
    told |= {"remembered": draw(st.none() | changed(kept)), "subject": draw(VALUES)}
    return draw(st.just(told) | VALUES)


def link_reader() -> Callable[[Any], None]:
    """Return a reader of links that tells defects of ours from sentences."""
    store = RunStore()
    store.put("key", fake_run())
    links = Links(Models.of_one(FakeExplainer()), store, ())

    def read(told: Any) -> None:
        for door in (links.restore, links.chosen, links.written, links.parameters):
            answer = door(told)
            assert texts.BROKEN not in str(answer.get("text", "")), (door.__name__, answer)
            json.dumps(answer)

    return read


# Knobs -------------------------------------------------------------------------------------------


@st.composite
def knob_values(draw: st.DrawFn) -> Any:
    """Draw a method, and texts or values for its knobs."""
    method = draw(st.sampled_from([*METHODS.values(), *COMPARISON.values()]))
    knobs = {k.name: draw(VALUES | _PARTS) for k in method.knobs if draw(st.booleans())}
    return method, knobs, draw(changed(panel_value())), draw(changed(option_value()))


def read_knobs(drawn: Any) -> None:
    """Check knobs as Python, the command line, and the page give them."""
    method, knobs, panel, options = drawn
    refused = 0
    for read in (
        lambda: method.settings(**knobs),
        lambda: [k.check(k.parse(knobs[k.name])) for k in method.knobs if _is_text(knobs, k.name)],
        lambda: read_settings(panel, options),
    ):
        try:
            read()
        except SightlineError:
            refused += 1
    if refused == 3:
        raise SightlineError("all of them")


def _is_text(knobs: Mapping[str, Any], name: str) -> bool:
    return isinstance(knobs.get(name), str)


# Annotations -------------------------------------------------------------------------------------


def annotation_seeds() -> list[tuple[str, Path, Any]]:
    """Return small data sets: what they are, where they lie, and their annotations."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    made = [
        ("coco", datasets.coco(folder / "coco", seeds=(0,))),
        ("coco", datasets.coco(folder / "boxes", 6, as_mask=datasets.boxes, seeds=(0,))),
        ("grandf", datasets.grandf(folder / "grandf", 3, seeds=(0,))),
    ]
    return [(name, root, json.loads(next(root.rglob("*.json")).read_text())) for name, root in made]


@st.composite
def annotations(draw: st.DrawFn, seeds: Sequence[tuple[str, Path, Any]]) -> Any:
    """Draw a data set with changed annotations, or with damaged bytes of them."""
    name, root, told = draw(st.sampled_from(seeds))
    if draw(st.integers(0, 4)) == 0:
        return name, root, draw(damaged([json.dumps(told).encode()]))
    text = json.dumps(draw(changed(told)))
    return name, root, text.encode("utf-8", "replace")


def read_annotations(drawn: Any) -> None:
    """Open a data set and read the masks of its samples."""
    name, root, data = drawn
    next(root.rglob("*.json")).write_bytes(data)
    dataset = open_dataset(name, root)
    refused: list[Exception] = []
    for i in range(min(3, len(dataset))):
        try:
            truth = dataset.sample(i).truth()
            assert all(mask.shape == truth.shape for mask in truth.masks.values())
        except SightlineError as error:
            refused.append(error)
    list(dataset.names())
    dataset.known_nouns()
    if refused:
        raise refused[0]


READERS = {
    "runs": Reader(read_run, lambda: damaged_runs(run_seeds())),
    "links": Reader(link_reader(), queries),
    "knobs": Reader(read_knobs, knob_values),
    "annotations": Reader(read_annotations, lambda: annotations(annotation_seeds())),
}

if __name__ == "__main__":
    main(__doc__.splitlines()[0], READERS, None)
