"""The HTML file in a real browser: from disk, without a network, under its own strict policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from explainer.export import Chosen, Exhibit, Look, chips, colour_table, overlay
from explainer.methods import METHODS
from explainer.run import ANSWER, Run
from explainer.web.controls import SHOWN
from explainer.web.one_file import one_file
from explainer.web.places import place_words
from tests.e2e.conftest import DRAWN, sync_api
from tests.ui.fake import ANSWER_TEXTS, fake_run
from tests.ui.test_one_file import HOSTILE

GALLERY = Path(__file__).parents[2] / "assets" / "gallery"
CHIP = ".sl-answer .sl-chip"


@pytest.fixture
def opened(browser: sync_api.Browser, tmp_path: Path) -> Iterator[Callable[..., sync_api.Page]]:
    """A function that writes the file of a run and opens it; it may ask nobody for anything."""
    contexts, bad = [], []

    def open_file(run: Run, width: int = 1200, theme: str = "light") -> sync_api.Page:
        chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in SHOWN)
        path = tmp_path / "run.html"
        path.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)))))
        size = {"width": width, "height": 800}
        contexts.append(browser.new_context(viewport=size, color_scheme=theme, offline=True))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.on("console", lambda m: bad.append(m.text) if m.type == "error" else None)
        page.on("dialog", lambda dialog: bad.append("a dialog opened"))
        page.on("request", lambda r: None if r.url.startswith("data:") else asked.append(r.url))
        page.goto(path.as_uri())
        page.wait_for_selector(".sl-view[data-chip]")
        assert asked == [path.as_uri()]
        return page

    asked: list[str] = []
    yield open_file
    for context in contexts:
        context.close()
    assert bad == []
    assert len(asked) == len(contexts), "only the file itself"


def _canvas(page: sync_api.Page, method: str) -> np.ndarray:
    """Return (H, W, 4): the pixels of a map's canvas."""
    width, height, data = page.evaluate(
        "m => { const c = document.querySelector(`[data-method=${m}] .sl-heat`); "
        "return [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data]]; }",
        method,
    )
    return np.array(data, np.uint8).reshape(height, width, 4).astype(int)


def _word(page: sync_api.Page, text: str) -> None:
    page.wait_for_function(
        "want => document.querySelector('.sl-word').textContent === want", arg=text
    )


def test_canvases_are_what_python_computes(opened):
    run = fake_run()
    page = opened(run)
    token = int(run.indices(ANSWER)[4])
    page.click(f"{CHIP} >> nth=4")
    _word(page, "dog")
    for name in SHOWN:
        heat = METHODS[name](run, token)
        expected = overlay(run.image, heat, colour_table("inferno"), 1.0).astype(int)
        assert np.abs(_canvas(page, name)[..., :3] - expected).max() <= 16, "a step of the table"
    page.select_option("#sl-cover", "value")
    page.wait_for_function(
        "() => document.querySelector('.sl-bar').getContext('2d')"
        ".getImageData(0, 0, 1, 1).data[3] === 0"
    )
    for name in SHOWN:
        heat = METHODS[name](run, token)
        expected = overlay(run.image, heat, colour_table("inferno"), 1.0, cover="value").astype(int)
        pixels = _canvas(page, name)
        share = pixels[..., 3:] / 255
        laid = (1 - share) * run.image + share * pixels[..., :3]
        assert np.abs(laid - expected).max() <= 16, "a step of the table"


def test_chips_keys_hover_methods_and_opacity_work(opened):
    page = opened(fake_run())
    assert page.locator(CHIP).all_text_contents() == [t.strip() for t in ANSWER_TEXTS]
    _word(page, "cat")
    page.keyboard.press("Tab")
    page.focus(".sl-chip[aria-selected=true]")
    page.keyboard.press("ArrowRight")
    _word(page, "and")
    page.hover(f"{CHIP} >> nth=7")
    _word(page, "grass")
    page.mouse.move(1, 1)
    _word(page, "and")
    assert page.locator(".sl-map").count() == 3
    page.click(".sl-menu > summary >> nth=0")
    page.click(".sl-menu input[value=tam]")
    page.wait_for_function("() => document.querySelectorAll('.sl-map').length === 2")
    page.locator("[data-name=opacity] .sl-range").fill("0.2")
    opacity = "document.documentElement.style.getPropertyValue('--sl-heat')"
    assert page.evaluate(opacity) == "0.2"
    page.select_option("#sl-colours", "viridis")
    page.evaluate(DRAWN)
    seen = {tuple(c) for c in _canvas(page, "msea_arc")[..., :3].reshape(-1, 3).tolist()}
    assert seen <= {tuple(c) for c in colour_table("viridis").tolist()}


def test_several_pictures_and_a_phone_in_the_dark(opened):
    page = opened(fake_run(images=3), width=390, theme="dark")
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.click(".sl-shot >> nth=2")
    page.wait_for_function("() => document.querySelector('.sl-view').dataset.image === '2'")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(wide)


def test_hostile_words_are_drawn_as_they_are(opened):
    page = opened(fake_run(HOSTILE, prompt="</script><img src=x onerror=alert(1)>"))
    assert page.locator(CHIP).first.text_content() == HOSTILE[0]
    assert page.text_content("h1") == "</script><img src=x onerror=alert(1)>"


def test_bars_of_evidence_and_words_at_a_place_come_with_the_file(opened):
    """A recorded run of the gallery, which holds both."""
    run = Run.load(GALLERY / "fruit-emoji-qwen2-vl.npz")
    page = opened(run)
    assert page.locator(".sl-answer .sl-chip .sl-rests").count() == len(run.indices(ANSWER))
    page.hover("[data-method=tam] .sl-frame")
    page.wait_for_selector(".sl-line.sl-pointed")
    told = place_words(run)
    assert any(f"“{text}”" in page.inner_text(".sl-line") for text in told["texts"])


def test_what_the_file_does_not_hold_is_said(opened):
    page = opened(fake_run())
    page.evaluate("() => document.sightline.set({subject: {tokens: [12, 13], by: 'max'}})")
    page.wait_for_function(
        "() => document.querySelector('.sl-message').textContent.includes('open the run in')"
    )


def test_the_look_of_the_exhibit_is_the_look_of_the_file(browser, tmp_path):
    chosen = (Chosen(METHODS["tam"], METHODS["tam"].settings()),)
    run, path = fake_run(), tmp_path / "run.html"
    look = Look("viridis", opacity=0.3, cover="value", theme="dark")
    path.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)), look)))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector(".sl-view[data-chip]")
    assert page.input_value("#sl-colours") == "viridis"
    assert page.input_value("#sl-cover") == "value"
    assert page.evaluate("document.documentElement.style.getPropertyValue('--sl-heat')") == "0.3"
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    assert page.locator(".sl-map").count() == 1
    page.close()
