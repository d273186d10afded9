"""Files that visitors leave behind: bounded, gone once recorded, and never gone while in use."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.run.store import RunStore
from explainer.ui import uploads as module
from explainer.ui.doors import Refused
from explainer.ui.handlers import RecordedRun
from explainer.ui.uploads import Uploads
from explainer.web import texts
from tests.attack.conftest import META, Server
from tests.ui.fake import fake_run


def photo(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def record(server: Server, path: str, prompt: str) -> dict:
    body = {"picture": {"path": path, "meta": META}, "prompt": prompt}
    kind, told = server.call("record", body, "call/v2")
    assert kind == "complete", told
    return told[0]


def test_an_upload_is_gone_once_recorded_and_can_be_asked_about_again(server):
    before = {p for p in server.uploads.rglob("*") if p.is_file()}
    path = server.upload(photo(1), "a photo.png")
    first = record(server, path, "What is this?")
    assert {p for p in server.uploads.rglob("*") if p.is_file()} <= before, "nothing is left"
    assert record(server, path, "What is this?")["run"] == first["run"]
    other = record(server, path, "And this?")["run"]
    images = [server.store.get(key).images[0] for key in (first["run"], other)]
    np.testing.assert_array_equal(*images)
    np.testing.assert_array_equal(images[0], np.asarray(Image.open(io.BytesIO(photo(1)))))
    assert {p for p in server.uploads.rglob("*") if p.is_file()} <= before
    shown = server.http.get(f"{server.url}gradio_api/file={path}")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(shown.content))), images[0])


def test_several_pictures_come_back_in_their_order(server):
    paths = [server.upload(photo(seed), f"{seed}.png") for seed in (2, 3)]
    files = [{"path": path, "meta": META} for path in paths]
    body = {"picture": files[0], "more": files[1:], "prompt": "Both?"}
    for prompt in ("Both?", "Again?"):
        kind, told = server.call("record", {**body, "prompt": prompt}, "call/v2")
        assert kind == "complete", told
        for path, seed in zip(paths, (2, 3), strict=True):
            shown = server.http.get(f"{server.url}gradio_api/file={path}").content
            there = np.asarray(Image.open(io.BytesIO(shown)))
            np.testing.assert_array_equal(there, np.asarray(Image.open(io.BytesIO(photo(seed)))))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path.resolve()


def put(folder: Path, number: int, age: float, size: int = 1000) -> Path:
    path = folder / f"{number:064x}" / "a.png"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_oldest_go_first_and_never_what_is_used_or_waits(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    files = [put(folder, i, age=1000 - i) for i in range(8)]
    uploads = Uploads(RunStore())
    uploads.waiting = lambda: [str(files[1])]
    with uploads.using([str(files[0])]):
        uploads.sweep()
        assert [i for i, file in enumerate(files) if file.exists()] == [0, 1, 7]
        assert len(list(folder.iterdir())) == 3, "nor is an empty folder left"
    monkeypatch.setattr(module, "MOST_BYTES", 1500)
    uploads.waiting = tuple
    uploads.sweep()
    assert [i for i, file in enumerate(files) if file.exists()] == [7]


def test_what_was_asked_for_just_now_stays_and_old_files_go_by_themselves(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 2)
    new, old = [put(folder, i, age=0) for i in range(3)], put(folder, 9, age=module.OLDEST + 10)
    asked = put(folder, 10, age=module.OLDEST + 20)
    uploads = Uploads(RunStore())
    uploads.find(str(asked))
    uploads.sweep()
    assert all(file.exists() for file in (*new, asked))
    assert not old.exists()


def test_a_full_folder_takes_no_upload_and_one_with_room_does(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 2500)
    uploads, files = Uploads(RunStore()), [put(folder, i, age=0) for i in range(3)]
    with pytest.raises(Refused, match="no room"):
        uploads.check_room()
    for file in files:
        os.utime(file, (time.time() - 2 * module.GRACE,) * 2)
    uploads.check_room()
    assert sum(file.exists() for file in files) == 2


def test_a_file_that_another_request_uses_is_not_deleted_under_it(folder):
    path, store = put(folder, 1, age=0), RunStore()
    uploads, run = Uploads(store), fake_run()
    store.put("k" * 32, run)
    with uploads.using([str(path)]):
        list(uploads.giving_up(iter([RecordedRun(run, "k" * 32)]), str(path), None))
        assert path.exists()
    assert not path.exists()
    np.testing.assert_array_equal(np.asarray(Image.open(uploads.find(str(path)))), run.images[0])


def test_a_file_had_back_stays_between_the_steps_of_a_request(folder):
    path, store = put(folder, 1, age=0), RunStore()
    uploads, run = Uploads(store), fake_run()
    store.put("k" * 32, run)
    steps = [RecordedRun(run, "k" * 32)]
    list(uploads.giving_up(iter(steps), str(path)))
    assert not path.exists()
    for _ in range(2):  # what the page shows while it waits is a step of its own
        with uploads.using([str(path)]):
            uploads.find(str(path))
        assert path.exists()
    list(uploads.giving_up(iter(steps), str(path)))
    assert not path.exists(), "recorded again"


def test_pictures_of_examples_stay_after_their_run_has_expired(folder):
    path, store = put(folder, 1, age=0), RunStore()
    run = fake_run()
    uploads = Uploads(store, [run.images[0]])
    list(uploads.giving_up(iter([RecordedRun(run, "k" * 32)]), str(path)))
    assert uploads.find(str(path)) == path.resolve()


def test_without_its_run_a_file_is_not_had_back(folder):
    path, store = put(folder, 1, age=0), RunStore(max_bytes=1)
    uploads, run = Uploads(store), fake_run()
    store.put("k" * 32, run)
    list(uploads.giving_up(iter([RecordedRun(run, "k" * 32)]), str(path)))
    store.put("l" * 32, run)  # which makes the other go
    for wanted in (path, path.with_name("b.png"), folder / ".." / "a.png", "a\0", 3):
        with pytest.raises(Refused) as refused:
            uploads.find(wanted if isinstance(wanted, int) else str(wanted))
        assert str(refused.value) == texts.NO_UPLOAD
    assert not path.exists()
