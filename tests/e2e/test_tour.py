"""The tour: offered and not forced, by keys, on a phone, in both themes, and remembered."""

from __future__ import annotations

from explainer.ui.sections.tour import words
from tests.e2e.test_accessibility import serious

STEPS = list(words.TOUR["steps"].values())
CARD, RING, BUTTON = ".sl-tour-card", ".sl-tour-ring", ".sl-tour button"
SCRIPT = "static/folds/tour_steps"
HELD = "document.activeElement.matches('{place}')"
# What the ring is around, in the order of the steps.
PARTS = [".sl-answer", ".sl-maps", ".sl-panel", ".sl-opened > summary", ".sl-proof > summary"]


def shown(visitor) -> str:
    """Return the heading of the step that is shown."""
    return visitor.page.inner_text(f"{CARD} h2")


def test_the_tour_is_offered_goes_by_keys_and_is_remembered(app, visit):
    visitor = visit(app.url)
    page, press = visitor.page, visitor.page.keyboard.press
    asked = []
    visitor.tab.listen("request", lambda request: asked.append(request.url))
    visitor.explain()
    assert page.inner_text(BUTTON) == words.TOUR["offer"]
    assert page.locator(CARD).count() == 0, "it does not begin by itself"
    assert not [url for url in asked if SCRIPT in url]
    page.focus(BUTTON)
    press("Enter")
    page.wait_for_selector(CARD)
    for step in STEPS:
        assert shown(visitor) == step["title"]
        visitor.settled("true", HELD.format(place=CARD))
        press("ArrowRight")
    assert shown(visitor) == STEPS[-1]["title"]
    press("Home")
    assert shown(visitor) == STEPS[0]["title"]
    page.click(".sl-answer .sl-chip >> nth=4")  # the page stays usable
    visitor.settled("dog", "document.querySelector('.sl-word').textContent")
    press("ArrowRight")
    visitor.settled("on", "document.querySelector('.sl-word').textContent")
    assert shown(visitor) == STEPS[0]["title"], "arrows on a chip are the chip's"
    page.focus(CARD)
    press("Escape")
    assert page.locator(f"{CARD}, {RING}").count() == 0
    visitor.settled("true", HELD.format(place=BUTTON))
    assert page.inner_text(BUTTON) == words.TOUR["again"]
    page.reload()
    page.wait_for_selector(BUTTON)
    assert page.inner_text(BUTTON) == words.TOUR["again"]


def test_a_link_begins_the_tour_and_every_step_can_be_read(app, visit):
    visitor = visit(f"{app.url}?tour=1&example=1")
    page = visitor.page
    page.wait_for_selector(CARD)
    assert_steps_can_be_read(visitor, "light", 1440, 900)
    visitor.settled("true", "!location.search.includes('tour')")
    for case in (("dark", 390, 844), ("light", 720, 450)):
        visitor.dress(*case)
        page.click(BUTTON)
        assert_steps_can_be_read(visitor, *case)


def assert_steps_can_be_read(visitor, theme: str, width: int, height: int) -> None:
    """Walk through the steps of a tour that has just begun."""
    page = visitor.page
    for number, (step, part) in enumerate(zip(STEPS, PARTS, strict=True)):
        assert shown(visitor) == step["title"]
        visitor.still()
        card, ring = page.locator(CARD).bounding_box(), page.locator(RING).bounding_box()
        assert card["x"] >= 0
        assert card["x"] + card["width"] <= width
        assert card["y"] >= 0
        assert card["y"] + card["height"] <= height
        target = page.locator(part).first.bounding_box()
        assert ring["y"] <= target["y"] < height, "in sight, with a ring around it"
        assert ring["height"] >= target["height"]
        visitor.shot(f"tour-{width}-{theme}-{number}")
        if number == 0:
            assert serious(visitor) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click(".sl-tour-next")
    assert page.locator(CARD).count() == 0
