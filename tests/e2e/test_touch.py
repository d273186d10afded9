"""Fingers on maps and words, and the keys that move a map: what a hand without a mouse does."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from tests.e2e.test_chips import centre

CHIP = ".sl-answer .sl-chip"
WORD = "document.querySelector('.sl-word').textContent"
ZOOM = "document.sightline.now.zoom"
CAT, DOG, ON = 1, 4, 5  # numbers in the answer, and of the boxes that light up
TAM = "[data-method=tam] .sl-frame"


def tap_cat(visitor) -> None:
    visitor.page.tap(f"{CHIP} >> nth={CAT}")
    visitor.wait_for_maps()


@pytest.fixture
def phone(look):
    """A visitor with fingers, who looks at the maps of "cat"."""
    visitor = look(tap_cat, 390, 844, has_touch=True, is_mobile=True).visitor
    visitor.page.locator(TAM).evaluate("map => map.scrollIntoView({block: 'center'})")
    visitor.still()
    return visitor


def touch(visitor, kind: str, points: Sequence[tuple[float, float]]) -> None:
    """Put fingers where `points` say, or take them away."""
    if not hasattr(visitor, "fingers"):
        visitor.fingers = visitor.tab.devtools()
    points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
    visitor.fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def pinch(visitor, box, place, way, spread=(15, 60)) -> None:
    """Move two fingers apart around a place of a frame, along `way`, from and to so many pixels."""
    x, y = box["x"] + place[0] * box["width"], box["y"] + place[1] * box["height"]

    def fingers(apart: float) -> list[tuple[float, float]]:
        return [(x - way[0] * apart, y - way[1] * apart), (x + way[0] * apart, y + way[1] * apart)]

    touch(visitor, "touchStart", fingers(spread[0])[:1])
    touch(visitor, "touchStart", fingers(spread[0]))
    for apart in np.linspace(*spread, 10):
        touch(visitor, "touchMove", fingers(float(apart)))
    touch(visitor, "touchEnd", [])


def seen(visitor, box) -> np.ndarray:
    """Return the pixels (H, W, 3) that the screen shows in a box."""
    shot = Image.open(io.BytesIO(visitor.page.screenshot(clip=box)))
    return np.asarray(shot.convert("RGB"), float)


def warmth(pixels: np.ndarray, x: float, y: float) -> float:
    """Return how much redder than blue the picture is around a place, as hot parts of a map are."""
    height, width = pixels.shape[:2]
    at = (
        slice(int(y * height) - 6, int(y * height) + 6),
        slice(int(x * width) - 6, int(x * width) + 6),
    )
    return float((pixels[..., 0] - pixels[..., 2])[at].mean())


WAYS = {"across": (1, 0), "askew": (0.7, 0.7), "along": (0, 1)}


def test_two_fingers_zoom_all_maps_where_they_are(phone):
    page, place = phone.page, centre(ON)
    page.tap(f"{CHIP} >> nth={ON}")
    phone.wait_for_maps()
    page.locator(TAM).scroll_into_view_if_needed()
    phone.still()
    box, scrolled = page.locator(TAM).bounding_box(), page.evaluate("scrollY")
    beside = (place[0] + 0.2, place[1])
    before = seen(phone, box)
    assert warmth(before, *place) > 60 > warmth(before, *beside)
    stages = "[...document.querySelectorAll('.sl-stage')].map(s => getComputedStyle(s).transform)"
    for name, way in WAYS.items():
        pinch(phone, box, place, way)
        zoom = page.evaluate(ZOOM)
        assert zoom["scale"] == pytest.approx(4, rel=0.15), name
        still = page.evaluate("[scrollY, visualViewport.scale]")
        assert still == [scrolled, 1], f"{name}: and not the page"
        after = seen(phone, box)
        assert warmth(after, *place) > 60, f"{name}: the place between the fingers stays"
        assert warmth(after, *beside) > 60, f"{name}: what is hot there is larger now"
        assert len(set(page.evaluate(stages))) == 1, name
        pinch(phone, box, place, way, (60, 12))
        assert page.evaluate(ZOOM)["scale"] == 1, name
        assert np.abs(seen(phone, box) - before).mean() < 2, name


def test_one_finger_moves_a_map_that_is_zoomed(phone):
    page = phone.page
    box = page.locator(TAM).bounding_box()
    pinch(phone, box, centre(CAT), (1, 0))
    zoom = page.evaluate(ZOOM)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch(phone, "touchStart", [(x, y)])
    for step in range(1, 9):
        touch(phone, "touchMove", [(x - 5 * step, y)])
    touch(phone, "touchEnd", [])
    assert page.evaluate(ZOOM)["x"] == pytest.approx(
        zoom["x"] + 40 / box["width"] / zoom["scale"], abs=0.02
    )


def test_a_finger_extends_what_is_chosen(phone):
    page = phone.page
    page.tap(f"{CHIP} >> nth={CAT}")
    page.tap(".sl-touch")
    assert page.get_attribute(".sl-touch", "aria-pressed") == "true"
    page.tap(f"{CHIP} >> nth={DOG}")
    phone.settled("cat and a dog", WORD)
    page.wait_for_selector(".sl-view:not(.sl-late, .sl-busy)")
    assert page.locator(f"{CHIP}[aria-selected=true]").count() == 4
    for place in (CAT, DOG):
        assert phone.brightness("logit_lens", *centre(place)) > 0.5
    page.tap(".sl-touch")
    page.tap(f"{CHIP} >> nth={DOG}")
    phone.settled("dog", WORD)
    phone.wait_for_maps()
    assert phone.brightness("logit_lens", *centre(CAT)) < 0.4


def test_shift_and_arrows_move_a_map_that_is_zoomed(answer):
    visitor = answer.visitor
    page, frame = visitor.page, visitor.page.locator(TAM)
    page.click(f"{CHIP} >> nth={CAT}")
    visitor.wait_for_maps()
    frame.focus()
    for _ in range(4):
        page.keyboard.press("+")
    scale = 1.5**4
    page.evaluate(f"document.sightline.set({{zoom: {{scale: {scale}, x: .5, y: .5}}}})")
    box = frame.bounding_box()
    assert warmth(seen(visitor, box), 0.5, 0.5) < 30, "the middle of the picture is cold"
    for key, (x, y) in {
        "ArrowLeft": (-1, 0), "ArrowUp": (0, -1), "ArrowRight": (1, 0), "ArrowDown": (0, 1),
    }.items():  # fmt: skip
        was = page.evaluate(ZOOM)
        page.keyboard.press(f"Shift+{key}")
        now = page.evaluate(ZOOM)
        assert (now["x"] - was["x"], now["y"] - was["y"]) == pytest.approx(
            (0.1 * x / scale, 0.1 * y / scale)
        )
    target = centre(CAT)
    for _ in range(30):
        now = page.evaluate(ZOOM)
        if now["y"] - target[1] > 0.02:
            page.keyboard.press("Shift+ArrowUp")
        if now["x"] - target[0] > 0.02:
            page.keyboard.press("Shift+ArrowLeft")
    here = page.evaluate(ZOOM)
    shown = (np.array(target) - (here["x"], here["y"])) * scale + 0.5
    assert warmth(seen(visitor, box), *shown) > 60, "the cat came into view"


def test_on_a_phone_words_stay_in_reach_and_maps_are_a_swipe_apart(phone):
    page = phone.page
    assert page.evaluate("document.documentElement.scrollHeight") < 2600
    assert page.evaluate("scrollY") > 0, "the map was scrolled to"
    box, chip = page.locator(TAM).bounding_box(), page.locator(f"{CHIP} >> nth={DOG}")
    assert 0 <= chip.bounding_box()["y"] < box["y"]
    chip.tap()
    phone.settled("dog", WORD)
    phone.wait_for_maps()
    row = "document.querySelector('.sl-maps')"
    before, y = page.evaluate(f"{row}.scrollLeft"), box["y"] + box["height"] / 2
    touch(phone, "touchStart", [(300, y)])
    for x in range(290, 40, -10):
        touch(phone, "touchMove", [(x, y)])
    touch(phone, "touchEnd", [])
    page.wait_for_function(f"before => {row}.scrollLeft > before + 100", arg=before)
    assert phone.brightness("logit_lens", *centre(DOG)) > 0.5


def test_on_a_phone_sliders_lie_behind_a_button(phone):
    page, button = phone.page, phone.page.locator(".sl-panel-fold")
    slider = page.locator("[data-name=k] .sl-range")
    assert not slider.is_visible()
    button.tap()
    assert slider.is_visible()
    assert button.get_attribute("aria-expanded") == "true"
    button.tap()
    assert not slider.is_visible()
    upload = page.locator("#sl-image input[type=file]").first
    assert upload.get_attribute("accept") == "image/*", "for which phones offer their camera"
