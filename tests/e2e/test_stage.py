"""The presentation on a stage: keys, the spot, the blank screen, and maps as large as fits."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

WORD = "document.querySelector('.sl-word').textContent"
RESHAPE = """ratio => {
  const {pictures} = document.sightline.now, [picture] = pictures.images;
  document.sightline.set({pictures: {...pictures, images: [{...picture, ratio}]}});
}"""
FRAMES = """() => [...document.querySelectorAll('.sl-maps .sl-frame')].map(frame => {
  const {left, top, right, bottom} = frame.getBoundingClientRect();
  return [left, top, right, bottom];
})"""
# The least share of the screen that three maps have to cover, by width / height of the picture.
SHARES = {3 / 2: 0.55, 16 / 9: 0.55, 2 / 3: 0.55, 1: 0.5, 3: 0.38}


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_a_talk_is_held_by_keys(app, visit, width, height):
    visitor = visit(f"{app.url}?example=1&present=1", width, height)
    page, press = visitor.page, visitor.page.keyboard.press
    visitor.wait_for_maps()
    size = page.locator(".sl-chip").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert size >= max(34, 0.04 * height), "words can be read from the last row"
    page.mouse.move(300, 200)
    spot = page.locator(".sl-spot").bounding_box()
    assert (spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2) == (300, 200)
    before = page.locator(".sl-chip[aria-selected=true]").inner_text()
    press("PageDown")
    page.wait_for_function(f"before => {WORD} !== before", arg=before)
    press("PageUp")
    visitor.settled(before, WORD)
    press("m")
    visitor.quiet()
    frames = [f for f in page.locator(".sl-frame").all() if f.is_visible()]
    assert len(frames) == 1
    assert frames[0].bounding_box()["height"] > 0.6 * height
    assert page.evaluate("document.documentElement.scrollHeight") <= height + 1
    press("h")
    assert not page.locator(".sl-answer").is_visible()
    press("h")
    press("b")
    assert page.locator(".sl-blank").bounding_box()["height"] == height
    press("x")
    assert not page.locator(".sl-blank").is_visible()
    press("l")
    assert not page.locator(".sl-spot").is_visible()
    press("f")
    assert page.evaluate("document.sightline.now.playing")
    press("f")
    assert not page.locator(".sl-panel").is_visible()
    press("s")
    map_end = page.evaluate("document.querySelector('.sl-map').getBoundingClientRect().bottom")
    assert 0 < map_end <= page.locator(".sl-panel").bounding_box()["y"]
    page.locator("[data-name=k] .sl-range").focus()
    press("ArrowRight")
    assert page.evaluate("document.sightline.now.panel.k") == 51, "the word stays"
    visitor.settled(before, WORD)
    press("s")
    press("p")
    assert not page.locator(".sl-spot").is_visible(), "the talk is over"


def test_maps_of_every_shape_use_the_screen(app, visit):
    visitor = visit(f"{app.url}?example=1&present=1", 1280, 720)
    page = visitor.page
    visitor.wait_for_maps()
    for (width, height), (ratio, least) in product([(1280, 720), (1920, 1080)], SHARES.items()):
        case = f"{visitor.dress('light', width, height)}, {ratio:.2f}"
        page.evaluate(RESHAPE, ratio)
        visitor.quiet()
        boxes = np.array(page.evaluate(FRAMES))
        sizes = boxes[:, 2:] - boxes[:, :2]
        assert sizes[:, 0] / sizes[:, 1] == pytest.approx(ratio, rel=0.01), case
        assert (boxes >= 0).all(), case
        assert (boxes[:, 2:] <= (width, height)).all(), case
        assert page.evaluate("document.documentElement.scrollHeight") <= height, case
        assert sizes.prod(axis=1).sum() / (width * height) > least, case
