"""Several pictures and videos in a real browser: the strip chooses which one the maps show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.methods import METHODS
from explainer.methods.subjects import Span, explain_subject
from explainer.web import payload
from tests.e2e.pages import App
from tests.e2e.visitor import Visitor
from tests.media.test_video import clip
from tests.ui.fake import SIDE

SHOWN = ("msea_arc", "tam", "logit_lens")
IMAGE = "document.querySelector('.sl-view').dataset.image"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two pictures of different shape and a video."""
    paths = [tmp_path / "dark.png", tmp_path / "light.png", tmp_path / "clip.mp4"]
    Image.fromarray(np.full((SIDE, SIDE, 3), 60, np.uint8)).save(paths[0])
    Image.fromarray(np.full((SIDE // 2, SIDE, 3), 190, np.uint8)).save(paths[1])
    paths[2].write_bytes(clip(40, codec="libx264"))
    return paths


def ask(visitor: Visitor, first: Path | None, more: list[Path]) -> None:
    page = visitor.page
    if first:
        page.set_input_files("#sl-image input[type=file]", first)
        page.wait_for_selector("#sl-image img")
    page.click("#sl-more-pictures .label-wrap")
    page.set_input_files("#sl-files input[type=file]", more)
    page.wait_for_selector("#sl-files .file-preview")
    page.click("#sl-run")
    visitor.wait_for_maps()


def assert_shows(visitor: Visitor, app: App, image: int) -> None:
    """The canvases hold what Python computes for this image, interpolated between cells."""
    page = visitor.page
    run = app.store.get(page.get_attribute(".sl-view", "data-run"))
    chip = int(page.get_attribute(".sl-view", "data-chip"))
    for name in SHOWN:
        heat = explain_subject(METHODS[name], run, Span(run.chips[chip].tokens))
        levels = payload.levels(heat.parts[image].values, heat.signed) / 255
        canvas = f"document.querySelector('[data-method={name}] .sl-heat')"
        width, height = page.evaluate(f"[{canvas}.width, {canvas}.height]")
        for x, y in ((0.1, 0.1), (0.5, 0.5), (0.3, 0.9), (0.9, 0.9), (0.65, 0.25)):
            rows, columns = _weights(y, height, len(levels)), _weights(x, width, levels.shape[1])
            got = visitor.brightness(name, x, y)
            assert got == pytest.approx(float(rows @ levels @ columns), abs=2 / 255)


def _weights(share: float, pixels: int, cells: int) -> np.ndarray:
    """Return the weights of cells at the pixel that lies at this share of an axis."""
    centre = (int(share * pixels) + 0.5) / pixels * cells - 0.5
    return np.maximum(0, 1 - np.abs(np.clip(centre, 0, cells - 1) - np.arange(cells)))


def test_the_strip_stands_above_the_maps_on_a_phone(app, visit, files):
    visitor = visit(app.url, 390, 844)
    ask(visitor, files[0], [files[1]])
    page = visitor.page
    strip, maps = (page.locator(name).bounding_box() for name in (".sl-strip", ".sl-maps"))
    assert strip["y"] + strip["height"] <= maps["y"]
    visitor.shot("several-390")
    page.set_viewport_size({"width": 1440, "height": 900})
    strip, maps = (page.locator(name).bounding_box() for name in (".sl-strip", ".sl-maps"))
    assert maps["y"] + maps["height"] <= strip["y"]


def test_the_strip_chooses_the_picture_that_maps_show(app, visit, files):
    visitor = visit(app.url)
    ask(visitor, files[0], [files[1]])
    page = visitor.page
    shots = page.locator(".sl-shot")
    assert shots.count() == 2
    assert [s.strip() for s in shots.all_inner_texts()] == ["picture 1", "picture 2"]
    assert_shows(visitor, app, 0)
    shots.nth(1).click()
    visitor.settled("1", IMAGE)
    assert_shows(visitor, app, 1)
    ratio = page.evaluate("getComputedStyle(document.querySelector('.sl-frame')).aspectRatio")
    assert ratio.split()[0] == "2"
    page.click(".sl-answer .sl-chip >> nth=4")
    visitor.wait_for_maps()
    assert page.get_attribute(".sl-view", "data-image") == "1", "the picture stays chosen"
    assert_shows(visitor, app, 1)
    visitor.shot("two-pictures")


def test_keys_choose_pictures_and_bars_say_how_strong_they_are(app, visit, files):
    visitor = visit(app.url)
    ask(visitor, None, files[:2])
    page = visitor.page
    page.focus(".sl-shot[aria-selected=true]")
    for key, image in [
        ("ArrowRight", 1),
        ("ArrowRight", 1),
        ("Home", 0),
        ("End", 1),
        ("ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        visitor.settled(str(image), IMAGE)
        assert page.evaluate("document.activeElement.dataset.image") == str(image)
        assert_shows(visitor, app, image)
    assert page.locator(".sl-shot[tabindex='0']").count() == 1
    run = app.store.get(page.get_attribute(".sl-view", "data-run"))
    chip = int(page.get_attribute(".sl-view", "data-chip"))
    parts = explain_subject(METHODS["msea_arc"], run, Span(run.chips[chip].tokens)).parts
    for i, part in enumerate(parts):
        width = page.evaluate(f"document.querySelectorAll('.sl-peak i')[{i}].style.width")
        assert float(width.removesuffix("%")) == pytest.approx(100 * part.values.max(), abs=1)


def test_a_video_shows_its_frames_and_a_new_picture_has_no_strip(app, visit, files):
    visitor = visit(app.url)
    ask(visitor, None, [files[2]])
    page = visitor.page
    assert page.locator(".sl-shot").count() == 8
    assert "frames 1 and 3, 0:00.0 to" in page.inner_text(".sl-shot >> nth=0")
    assert "16 of its 40 frames" in page.inner_text("#sl-notice")
    page.click(".sl-shot >> nth=3")
    visitor.settled("3", IMAGE)
    assert_shows(visitor, app, 3)
    visitor.shot("video")
    page.click(".sl-example >> nth=0")
    page.wait_for_selector(".sl-strip", state="hidden")
    visitor.wait_for_maps()
    assert page.locator("#sl-files .file-preview").count() == 0
    assert page.get_attribute(".sl-view", "data-image") == "0"


def test_a_phone_needs_no_sideways_scroll_for_many_frames(app, visit, files):
    visitor = visit(app.url, width=390, height=844)
    ask(visitor, None, [files[2]])
    wide = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    visitor.shot("video-390")
