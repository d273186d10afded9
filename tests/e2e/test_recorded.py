"""Opening recorded runs and saving files, by click."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from explainer.export import fonts
from explainer.run import Run
from explainer.run.store import RunStore
from explainer.serving.no_models import NoModels
from explainer.ui.gallery import GalleryRun, load_gallery
from explainer.ui.handlers import PageExample
from explainer.ui.layout import build_demo, launch_options
from tests.e2e.pages import pictures
from tests.ui.fake import ANSWER_TEXTS, fake_run

CHIP = ".sl-answer .sl-chip"
SHOWN = ".sl-view[data-chip]:not([data-chip=''])"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """A page without a model, with one recorded run to open."""
    folder = tmp_path_factory.mktemp("gallery")
    fake_run().save(folder / "a.npz")
    (folder / "gallery.json").write_text(json.dumps([{"run": "a.npz", "label": "Animals"}]))
    with served(load_gallery(folder)) as page:
        yield page


@pytest.fixture
def full(empty: Gallery) -> Iterator[Gallery]:
    """The same with examples, so that the fold of recorded answers begins closed."""
    with served(empty.gallery, pictures()) as page:
        yield page


@dataclass
class Gallery:
    """A page with recorded answers."""

    url: str
    gallery: Sequence[GalleryRun]


@contextmanager
def served(
    gallery: Sequence[GalleryRun], examples: Sequence[PageExample] = ()
) -> Iterator[Gallery]:
    """Serve a page without a model."""
    demo = build_demo(NoModels(), RunStore(), about="No model.", gallery=gallery, examples=examples)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield Gallery(url, gallery)
    demo.close(verbose=False)


@pytest.mark.parametrize("where", ["empty", "full"])
def test_the_page_opens_with_maps_of_a_recorded_answer(where, visit, request):
    visitor = visit(request.getfixturevalue(where).url)
    page = visitor.page
    page.wait_for_selector(SHOWN)
    assert visitor.brightness("tam", 126 / 336, 42 / 336) > 0.5, "of the first content word"
    assert visitor.message().endswith("Click another word.")
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", "document.querySelector('.sl-word').textContent")
    assert visitor.message() == ""
    visitor.quiet()
    assert "prompt" not in page.url, "what a person asks is in the address, and nobody has asked"


def test_a_page_that_is_asked_for_something_opens_nothing_else(empty, visit):
    visitor = visit(f"{empty.url}?prompt=What+is+it")
    visitor.settled("What is it", "document.querySelector('#sl-prompt textarea').value")
    visitor.quiet()
    assert visitor.chips() == []


def test_the_gallery_opens_without_a_model(empty, visit):
    visitor = visit(empty.url)
    page = visitor.page
    page.click("#sl-gallery .sl-example")
    page.wait_for_selector(SHOWN)
    assert visitor.chips() == [t.strip() for t in ANSWER_TEXTS]
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", "document.querySelector('.sl-word').textContent")
    assert visitor.brightness("tam", 42 / 336, 126 / 336) > 0.5
    page.locator("[data-name=k] .sl-range").fill("20")
    page.wait_for_function("() => !document.querySelector('.sl-view.sl-late')")
    page.locator("[data-name=alpha1] .sl-range").fill("0.9")
    page.wait_for_function(
        "() => document.querySelector('.sl-message').textContent.includes('No model is loaded')"
    )


def test_a_file_opens_with_sliders_at_its_scales(app, visit, tmp_path):
    run = fake_run((" one", " two"), "Count.")
    scales = (run.scales[0], replace(run.scales[1], alpha=0.6))
    replace(run, scales=scales, model_id="org/elsewhere").save(tmp_path / "two.npz")
    visitor = visit(app.url)
    page = visitor.page
    page.click("#sl-recorded button.label-wrap")
    page.set_input_files("#sl-recorded input[type=file]", tmp_path / "two.npz")
    page.wait_for_selector(SHOWN)
    assert visitor.chips() == ["one", "two"]
    assert "org/elsewhere" in visitor.message()
    assert page.input_value("[data-name=alpha1] .sl-number") == "0.6"
    (tmp_path / "bad.npz").write_bytes(b"no run")
    page.set_input_files("#sl-recorded input[type=file]", tmp_path / "bad.npz")
    visitor.settled("error", "document.querySelector('#sl-notice .sl-notice').dataset.kind")
    assert visitor.chips() == ["one", "two"], "what was open stays"


def test_what_no_font_draws_is_said_before_saving(app, visit, tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "find_undrawable", lambda text: [c for c in text if c == "🦊"])
    fake_run((" a", " 🦊")).save(tmp_path / "fox.npz")
    page = visit(app.url).page
    page.click("#sl-recorded button.label-wrap")
    page.set_input_files("#sl-recorded input[type=file]", tmp_path / "fox.npz")
    page.wait_for_selector(SHOWN)
    page.click(".sl-save-menu > summary")
    page.wait_for_selector(".sl-save-menu >> text=🦊 (U+1F98A), so pictures spell the code point")


def test_files_are_saved_and_a_saved_run_opens_again(app, visit, tmp_path):
    visitor = visit(app.url)
    visitor.explain()
    page = visitor.page
    page.click(".sl-save-menu > summary")
    saved = {}
    for name in ("png", "svg", "html", "json", "npz", "webp"):
        with page.expect_download() as download:
            page.click(f"[data-format={name}]")
        saved[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[name])
        visitor.settled(
            "false", "document.querySelector('.sl-save').classList.contains('sl-waiting')"
        )
    assert saved["png"].name == "sightline-cat.png"
    assert np.asarray(Image.open(saved["png"])).shape[1] == 1920
    assert b">\xe2\x80\x9ccat\xe2\x80\x9d<" in saved["svg"].read_bytes()
    assert len(json.loads(saved["json"].read_text())["subjects"]) == len(ANSWER_TEXTS)
    assert Image.open(saved["webp"]).n_frames == len(ANSWER_TEXTS)
    assert Run.load(saved["npz"]).answer == "".join(ANSWER_TEXTS)
    page.goto(saved["html"].as_uri())
    page.wait_for_selector(SHOWN)
    assert visitor.chips() == [t.strip() for t in ANSWER_TEXTS]
    visitor.foreign.clear()  # the file itself
