"""Opening recorded runs: files of visitors, whatever is in them, and the gallery."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explainer.errors import ModelError
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.model_pool import Models
from explainer.serving.no_models import NoModels
from explainer.ui.evidence import message_of
from explainer.ui.gallery import load_gallery
from explainer.ui.handlers import Handlers
from explainer.ui.missing import Missing
from explainer.ui.sections.recorded.opening import MOST_BYTES, Opening
from explainer.web import controls
from tests.evidence_reader import read
from tests.ui.fake import FakeExplainer, fake_run

PANEL, OPTIONS = controls.panel_value(), controls.option_value()
GALLERY = Path(__file__).parents[2] / "assets" / "gallery"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    fake_run().save(tmp_path / "run.npz")
    return tmp_path / "run.npz"


def _scales(store: RunStore, opened) -> list[float]:
    """Return the scales in the evidence that a browser gets of an opened run."""
    header, _ = read(message_of(store.get(opened.bar["run"]), None))
    return [scale["alpha"] for scale in header["scales"]]


def test_an_uploaded_run_is_a_run_like_any_other(saved):
    store = RunStore()
    opened = Opening(store).upload(str(saved), PANEL)
    assert [c["text"] for c in opened.bar["chips"] if c["role"] == "answer"][1] == "cat"
    assert opened.backdrop["run"] == opened.bar["run"]
    assert opened.view["kind"] == "note"
    assert opened.panel == PANEL
    assert _scales(store, opened) == [1.0, 0.5, 0.75]


def test_the_same_file_is_the_same_run_and_names_cannot_be_guessed(saved):
    store = RunStore()
    keys = {Opening(store).upload(str(saved), PANEL).bar["run"] for _ in range(2)}
    assert len(keys) == 1
    assert len(store) == 1
    assert Opening(RunStore()).upload(str(saved), PANEL).bar["run"] not in keys


def test_sliders_move_to_the_scales_that_were_read(tmp_path):
    run = fake_run()
    small = replace(run.scales[1], alpha=0.6)
    replace(run, scales=(run.scales[0], small)).save(tmp_path / "run.npz")
    store = RunStore()
    opened = Opening(store).upload(str(tmp_path / "run.npz"), PANEL)
    assert controls.read_alphas(opened.panel) == (0.6, 1.0)
    assert len(opened.panel["alphas"]) == len(PANEL["alphas"])
    assert _scales(store, opened) == [1.0, 0.6]
    assert Opening(store).upload(str(tmp_path / "run.npz"), {"odd": 1}).panel == {"odd": 1}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY", b"x" * 1000])
def test_what_is_no_run_is_said_and_the_page_stays(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    store = RunStore()
    opened = Opening(store).upload(str(tmp_path / "bad.npz"), PANEL)
    assert "is not a recorded run" in opened.notice["text"]
    assert (opened.bar, opened.view, opened.backdrop, len(store)) == ({}, {}, {}, 0)


def test_too_large_a_file_is_not_read(tmp_path):
    with open(tmp_path / "large.npz", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    opened = Opening(RunStore()).upload(str(tmp_path / "large.npz"), PANEL)
    assert "larger than 64 MB" in opened.notice["text"]


def test_a_file_that_unpacks_to_more_than_the_store_holds_is_refused(saved):
    opened = Opening(RunStore(100_000)).upload(str(saved), PANEL)
    assert opened.notice["kind"] == "error"


@pytest.mark.parametrize("odd", [None, 3, ["a"], {"path": "/etc/passwd"}])
def test_odd_requests_are_refused(odd):
    opened = Opening(RunStore()).upload(odd, PANEL)
    assert opened.notice["kind"] == "error"
    assert Opening(RunStore()).choose(odd, PANEL).notice["kind"] == "error"


def test_a_new_scale_needs_the_model_that_recorded_the_run(saved):
    store = RunStore()
    opened = Opening(store).upload(str(saved), PANEL)
    more = {**PANEL, "alphas": [[0.9, True], *PANEL["alphas"][1:]]}
    handlers = Handlers(FakeExplainer(), store)
    assert "refresh" in [*Missing(handlers).bring(opened.bar, more, OPTIONS)][-1]
    run = store.get(opened.bar["run"])
    store.put(opened.bar["run"], replace(run, model_id="org/other", scales=run.scales[:3]))
    last = [*Missing(handlers).bring(opened.bar, more, OPTIONS)][-1]
    assert "org/other, which is not loaded" in last["text"]


def test_without_a_model_recorded_runs_open_and_asking_is_refused_in_words(saved):
    store, models = RunStore(), NoModels()
    models.start()
    handlers = Handlers(models, store)
    opened = Opening(store).upload(str(saved), PANEL)
    assert _scales(store, opened) == [1.0, 0.5, 0.75]
    more = {**PANEL, "alphas": [[0.9, True], *PANEL["alphas"][1:]]}
    last = [*Missing(handlers).bring(opened.bar, more, OPTIONS)][-1]
    assert "start Sightline with that model" in last["text"]
    image = np.zeros((8, 8, 3), np.uint8)
    pages = [*handlers.record(image, "What?", opened.bar, 4, 0, 0, PANEL, OPTIONS)]
    assert pages[-1].view["text"].startswith("No model is loaded here")
    assert pages[-1].bar["run"] == opened.bar["run"], "what was open stays"
    with pytest.raises(ModelError, match="nothing new can be asked"):
        [*models.load("none")]
    assert isinstance(models, Models)


# The gallery -------------------------------------------------------------------------------------


def test_the_gallery_opens_by_number(saved):
    (saved.parent / "gallery.json").write_text(json.dumps([{"run": "run.npz", "label": "Cats"}]))
    gallery = load_gallery(saved.parent)
    assert (gallery[0].label, gallery[0].prompt) == ("Cats", "Describe it.")
    assert load_gallery(saved.parent / "nowhere") == []
    opening = Opening(RunStore(), gallery)
    assert opening.choose(0, PANEL).bar["run"]
    assert opening.choose(1, PANEL).notice["kind"] == "error"
    assert opening.choose(True, PANEL).notice["kind"] == "error"


def test_the_gallery_of_the_repository_opens_and_is_small():
    listed = json.loads((GALLERY / "gallery.json").read_text("utf-8"))
    assert 4 <= len(listed) <= 6
    assert {p.name for p in GALLERY.glob("*.npz")} == {told["run"] for told in listed}
    assert sum(p.stat().st_size for p in GALLERY.iterdir()) < 3_000_000
    models = {Run.load(GALLERY / told["run"]).model_id for told in listed}
    assert models == {"emoji-qwen2-vl", "emoji-internvl", "emoji-llava"}
    store = RunStore()
    opening = Opening(store, load_gallery(GALLERY))
    for i in range(len(listed)):
        assert 1.0 in _scales(store, opening.choose(i, PANEL))
