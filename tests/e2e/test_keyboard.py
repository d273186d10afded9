"""The whole page by keyboard alone: every part is reached, shows the focus, and lets it go."""

from __future__ import annotations

from tests.e2e.visitor import Visitor
from tests.ui.fake import ANSWER_TEXTS

WORD = "document.querySelector('.sl-word').textContent"
# What has the focus: whether it matches the selector, whether one sees that it has the focus and
# where it is, whether it had it before on this walk, and its name.
HERE = """selector => {
  const here = document.activeElement, style = getComputedStyle(here);
  if (here === document.body) return {body: true};
  const {left, top, right, bottom, width, height} = here.getBoundingClientRect();
  return {
    there: here.matches(selector),
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inSight: width > 0 && height > 0 && right > 0 && bottom > 0 && left < innerWidth
      && top < innerHeight && here.checkVisibility({visibilityProperty: true}),
    again: here.walk === (here.walk = window.walk),
    name: `${here.tagName} ${here.className} ${here.ariaLabel ?? here.innerText?.slice(0, 40)}`,
  };
}"""
FOLD, ACCORDION = "#sl-folds summary:not(details details > *)", ".label-wrap"
PROMPT = "#sl-prompt textarea"


class Walker:
    """Somebody without a mouse."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.press = visitor.page.keyboard.press

    def go(self, selector: str, key: str = "Tab") -> list[str]:
        """Press Tab, or Shift+Tab, until something has the focus; return what was passed.

        Everything on the way shows that it has the focus, and none holds it. Beyond the last stop
        the way goes on at the first one.
        """
        self.page.evaluate("window.walk = (window.walk ?? 0) + 1")
        names: list[str] = []
        while True:
            self.press(key)
            here = self.page.evaluate(HERE, selector)
            if here.get("body"):
                continue
            assert here["outlined"], f"one does not see the focus on {here['name']}"
            assert here["inSight"], f"out of sight: {here['name']}"
            assert not here["again"], f"came back to {here['name']} before {selector}"
            names.append(here["name"])
            if here["there"]:
                return names


def test_the_whole_page_by_keyboard_alone(app, visit):
    visitor = visit(app.url)
    page, walker = visitor.page, Walker(visitor)
    go, press = walker.go, walker.press

    # Ask
    go(".sl-example")
    press("Enter")
    visitor.wait_for_maps()
    visitor.wait_for_all_maps()

    # Words
    go(".sl-answer .sl-chip", "Shift+Tab")
    press("Home")
    for text in ANSWER_TEXTS:
        visitor.settled(text.strip(), WORD)
        press("ArrowRight")
    press("Home")
    press("ArrowRight")
    visitor.settled("cat", WORD)

    # Methods
    go(".sl-toolbar .sl-menu > summary")
    press("Enter")
    go("input[value=tam]")
    press("Space")
    page.wait_for_function("() => document.querySelectorAll('.sl-map').length === 2")
    press("Escape")
    assert page.evaluate("document.activeElement.matches('.sl-menu > summary')")

    # Maps
    go(".sl-frame")
    press("ArrowRight")
    page.wait_for_selector(".sl-across:visible")
    press("Escape")

    # Sliders
    go("#sl-k")
    press("ArrowRight")
    visitor.wait_for_maps()
    assert page.evaluate("document.sightline.now.panel.k") == 51

    # Folds: what is in one that was opened is passed on the way to the next
    for fold, count in ((FOLD, 6), (ACCORDION, 4)):
        assert page.locator(f"{fold}:visible").count() == count
        for _ in range(count):
            go(f"{fold}:not(.open, [open] > *)")
            press("Enter")
            visitor.quiet()
        assert page.locator(f"{fold}:is(.open, [open] > *)").count() == count

    # Presentation
    go(".sl-present-button", "Shift+Tab")
    press("Enter")
    page.wait_for_selector("#sl-ask", state="hidden")
    go(".sl-answer .sl-chip")
    press("PageDown")
    press("p")
    page.wait_for_selector("#sl-ask", state="visible")

    # A question of one's own, after all the page with everything open, and back
    go(PROMPT)
    forth, back = go(PROMPT), go(PROMPT, "Shift+Tab")
    assert len(forth) > 100
    assert back == [*forth[-2::-1], forth[-1]]
    press("Control+a")
    page.keyboard.type("What is it?")
    press("Enter")
    visitor.settled("What", "document.querySelector('.sl-prompt .sl-chip').textContent")
    visitor.wait_for_maps()
    assert visitor.message() == ""
