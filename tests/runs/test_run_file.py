"""Files from strangers: what is wrong with them is said, and nothing is unpacked for nothing."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explainer.errors import RunError
from explainer.run import NOTHING_SAID, Conversation, Evidence, Layer, Run, Turn
from explainer.run.archive import MOST_MEMBERS
from explainer.run.checks import _check_shares, _check_states
from tests.runs.test_run import DATA, RUN, assert_equal, make, rewritten

FULL = make()


def full() -> Run:
    """Return a run with all that a file can hold."""
    layer = Layer(1, FULL.scales, FULL.states, FULL.topk, FULL.candidate_probs, FULL.probs)
    words = np.zeros((len(FULL.scales[0].states), 5), np.int32) + np.arange(5, dtype=np.int32)
    evidence = Evidence(("black", "mean"), np.full((2, 8), 0.25, np.float32))
    without = np.full((3, 8), 0.5, np.float32)
    said = Conversation("be brief", (Turn("what?", "a cat"), Turn("and it?", "asleep")))
    full = replace(FULL, visual_topk=words, evidence=evidence, sources=without, conversation=said)
    return replace(full, layer=2, layers=(layer,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    full().save(tmp_path / "run.npz")
    return tmp_path / "run.npz"


def header_of(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return json.loads(file["header"].tobytes())


def with_header(path: Path, **changes: Any) -> None:
    told = json.dumps(header_of(path) | changes).encode()
    rewritten(path, header=np.frombuffer(told, np.uint8))


def test_all_that_a_run_can_hold_lives_through_a_file_object(path):
    buffer = io.BytesIO()
    full().save(buffer)
    buffer.seek(0)
    for back in (Run.load(path), Run.load(buffer)):
        assert_equal(back, full())
        np.testing.assert_array_equal(back.visual_topk, full().visual_topk)
        np.testing.assert_array_equal(back.evidence.probs, full().evidence.probs)
        assert back.evidence.fills == ("black", "mean")
        np.testing.assert_array_equal(back.sources, full().sources)
        assert back.conversation == full().conversation
        assert back.layer_numbers == (1, 2)
        assert_equal(back.at_layer(1), full().at_layer(1))


def test_a_run_of_version_2_is_read_without_words_evidence_and_layers():
    run = Run.load(DATA / "run-v2.npz")
    assert run.labels == ("left", "")
    assert run.alphas == (1.0, 0.5)
    assert [(v.image, v.grid) for v in run.scales[0].views] == [
        (0, (4, 5)),
        (0, (2, 2)),
        (1, (3, 4)),
    ]
    assert (run.visual_topk, run.evidence, run.layer, run.layers) == (None, None, None, ())
    assert run.conversation == NOTHING_SAID


def test_a_run_of_version_3_is_read_without_a_conversation(path):
    header = {k: v for k, v in header_of(path).items() if k not in ("system", "turns")}
    told = json.dumps({**header, "version": 3}).encode()
    rewritten(path, header=np.frombuffer(told, np.uint8))
    assert_equal(Run.load(path), replace(full(), conversation=NOTHING_SAID))


# Sizes -------------------------------------------------------------------------------------------


def test_a_file_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(path):
    with pytest.raises(RunError, match="unpacks to"):
        Run.load(path, max_bytes=10_000)
    rewritten(path, states=np.zeros((100_000, 1000), np.float16))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(20_000_000))
    assert path.stat().st_size < 300_000_000
    with pytest.raises(RunError, match=r"unpacks to 2\d\d MB"):
        Run.load(path, max_bytes=100_000_000)


def test_a_file_that_takes_too_much_in_use_is_refused_before_it_is_unpacked(path):
    rewritten(path, scale1_states=np.zeros((200_000, FULL.states.shape[1]), np.float16))
    rewritten(path, unembedding_rows=np.zeros((40_000, FULL.states.shape[1]), np.float16))
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match=r"takes 64,0\d\d MB in use"):
            Run.load(path, max_bytes=256_000_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_reading_a_file_takes_little_more_than_its_arrays(path):
    rows = np.zeros((3_000_000, 8), np.float16)
    rewritten(path, layers_states=np.zeros((1, 3_000_000, 8), np.float16), states=rows)
    size = 2 * rows.nbytes
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match="expected float16"):
            Run.load(path, max_bytes=2_000_000_000)
        assert size < tracemalloc.get_traced_memory()[1] < size + 8_000_000
    finally:
        tracemalloc.stop()


def test_checking_values_takes_little_memory():
    states = np.zeros((200_000, 64), np.float16)
    tracemalloc.start()
    try:
        _check_states("the states", states)
        _check_shares("shares", states)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        states[-1, -1] = np.inf
        for check in (_check_states, _check_shares):
            with pytest.raises(RunError):
                check("them", states)
    finally:
        tracemalloc.stop()


def test_large_pictures_are_refused_before_any_is_decoded(path):
    picture = io.BytesIO()
    Image.new("RGB", (9_000, 9_000)).save(picture, "PNG")
    rewritten(path, image0_png=np.frombuffer(picture.getvalue(), np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(RunError, match="9000 x 9000"):
            Run.load(path, max_bytes=256_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def npy(header: str, data: bytes = b"") -> bytes:
    told = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(told)) + told + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (99999999999, 8)}"), "says it"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"12345678"), "no array"),
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (-1, 8)}"), "damaged"),
        (npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1,1,1,1,1)}", b"12"), "no array"),
        (npy("{'descr': '<f2', 'fortran_order': False"), "damaged"),
        (b"\x93NUMPY\x02\x00" + bytes(80), "another format"),
        (b"", "damaged"),
    ],
)
def test_arrays_that_lie_about_themselves_are_refused(path, content, words):
    with zipfile.ZipFile(path) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if n != "states.npy"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**kept, "states.npy": content}.items():
            archive.writestr(name, data)
    with pytest.raises(RunError, match=words):
        Run.load(path)


def _add(name: str, times: int = 1) -> Callable[[Path], None]:
    def add(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            for i in range(times):
                archive.writestr(name.format(i=i), b"x")

    return add


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "change",
    [
        _add("states.npy"),  # twice
        _add("../../etc/passwd"),
        _add("readme.txt"),
        _add("more{i}.npy", MOST_MEMBERS + 1),
        _add("x" * 60_000 + ".npy"),
    ],
)
def test_archives_of_other_things_are_refused(path, change):
    change(path)
    with pytest.raises(RunError, match="is not a recorded run"):
        Run.load(path)


def test_a_picture_larger_than_any_is_refused_before_it_is_drawn(path):
    buffer = io.BytesIO()
    Image.new("RGB", (9000, 9000)).save(buffer, "PNG")
    rewritten(path, image0_png=np.frombuffer(buffer.getvalue(), np.uint8))
    with pytest.raises(RunError, match="9000 x 9000"):
        Run.load(path)


# Values ------------------------------------------------------------------------------------------


def changed(array: np.ndarray, at: tuple, value: float) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"states": changed(RUN.states, (3, 2), np.nan)}, "text states"),
        ({"scale1_states": changed(RUN.scales[1].states, (0, 0), np.inf)}, "scale 0.5"),
        ({"unembedding_rows": changed(RUN.unembedding.rows, (0, 0), np.nan)}, "rows"),
        ({"unembedding_bias": changed(RUN.unembedding.bias, 0, np.inf)}, "bias"),
        ({"probs": changed(RUN.probs, 2, np.inf)}, "infinite"),
        ({"probs": changed(RUN.probs, 2, 1.5)}, "0 to 1"),
        ({"candidate_probs": changed(RUN.candidate_probs, (2, 0), np.nan)}, "0 to 1"),
        ({"topk": changed(RUN.topk, (3, 1), RUN.topk[3, 0])}, "twice"),
        ({"topk": changed(RUN.topk, (3, 1), -7)}, "invalid id"),
        ({"topk": RUN.topk[:, :0]}, "topk"),
        ({"ids": changed(RUN.tokens.ids, 2, 10**6)}, "no unembedding row"),
        ({"positions": RUN.tokens.positions - 5}, "counted from 0"),
        ({"scale0_rects": np.full((30, 4), np.nan, np.float32)}, "covers any of"),
        ({"scale0_rects": np.full((30, 4), 1e9, np.float32)}, "far off"),
        ({"visual_topk": np.full((30, 5), 10**6, np.int32)}, "without text"),
        ({"evidence": np.full((2, 8), np.nan, np.float32)}, "evidence"),
        ({"evidence": np.zeros((2, 7), np.float32)}, "evidence"),
        ({"sources": np.full((3, 8), 1.5, np.float32)}, "sources"),
        ({"sources": np.zeros((2, 8), np.float32)}, "sources"),
        ({"layers_states": np.full((1, 20, 8), np.inf, np.float16)}, "text states"),
    ],
)
def test_values_that_no_recording_makes_are_refused(path, changes, words):
    rewritten(path, **changes)
    with pytest.raises(RunError, match=words):
        Run.load(path)


def _scale(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [told, {"alpha": 0.5, "base_id": 0, "views": [[0, 3, 3]]}]


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"scales": "all"}},
        {"settings": {"words": {"cat": ["x"]}}},
        {"settings": {"seed": float("nan")}},
        {"settings": []},
        {"version": 5},
        {"turns": [["a prompt"]]},
        {"turns": [["a prompt", "an answer"]] * 33},
        {"turns": 7},
        {"texts": []},
        {"evidence": ["black", "black"]},
        {"layer": 0},
        {"layers": [{"number": 2, "base_ids": [0, 0]}]},
        {"layers": [{"number": 1, "base_ids": [10**6, 0]}]},
        {"layers": [{"number": 1, "base_ids": [0]}]},
        {"scales": _scale({"alpha": 1.0, "base_id": 10**6, "views": [[0, 5, 6]]})},
        {"scales": _scale({"alpha": 1.0, "base_id": 0, "views": [[0, -5, -6]]})},
        {"scales": _scale({"alpha": 1.0, "base_id": 0, "views": [[7, 5, 6]]})},
        {"prompt": {"a": 1}, "settings": {"versions": [1]}},
    ],
    ids=str,
)
def test_headers_that_no_recording_writes_are_refused(path, changes):
    with_header(path, **changes)
    with pytest.raises(RunError, match="is not a recorded run"):
        Run.load(path)


def test_a_header_of_great_depth_or_length_is_refused(path):
    rewritten(path, header=np.frombuffer(b"[" * 100_000, np.uint8))
    with pytest.raises(RunError):
        Run.load(path)
    rewritten(path, header=np.full(17 << 20, ord(" "), np.uint8))
    with pytest.raises(RunError, match="header"):
        Run.load(path)


def test_flipped_bytes_raise_nothing_else(path):
    whole, rng = path.read_bytes(), np.random.default_rng(5)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(len(whole), size=rng.integers(1, 12)):
            damaged[at] = rng.integers(256)
        try:
            Run.load(io.BytesIO(damaged))
        except RunError:
            continue
