"""For everybody: no serious finding of axe-core in our parts, room for fingers, calm on request."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

OURS = "[class^=sl-], [class*=' sl-']"
# What Gradio's own parts are known for is theirs to mend.
FINDINGS = "([part, rules]) => axe.run(part, rules).then(found => found.violations)"
RULES = {"resultTypes": ["violations"], "rules": {"page-has-heading-one": {"enabled": False}}}


# Scripts of folds are loaded when they are opened; until then a message stands in them.
FOLDS_BUILT = "!document.querySelector('details > p.sl-caption[role=status]')"


def serious(visitor, part: str = "html") -> list[str]:
    """Return the serious findings inside of our elements in a part, each with its HTML."""
    visitor.still()
    if not visitor.page.evaluate("'axe' in window"):
        visitor.page.evaluate(Axe().axe_script)
    found = visitor.page.evaluate(FINDINGS, [part, RULES])
    inside = "selector => document.querySelector(selector)?.closest(`" + OURS + "`) !== null"
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
        if len(node["target"]) == 1 and visitor.page.evaluate(inside, node["target"][0])
    ]


DESK = [
    ("light", 1440, 900),
    ("dark", 1440, 900),
    ("dark", 720, 450),  # a usual screen at 200 %
]
PHONE = [("light", 390, 844), ("dark", 390, 844)]


def assert_nothing_serious(visitor, cases, part: str = "html") -> None:
    """Look at the open page, or a part of it, in each theme and size."""
    for case in cases:
        name = visitor.dress(*case)
        assert serious(visitor, part) == [], name


@pytest.mark.parametrize("cases", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(app, visit, cases):
    theme, width, height = cases[0]
    visitor = visit(app.url, width, height, theme)
    assert_nothing_serious(visitor, cases)
    visitor.dress(*cases[0])
    visitor.explain()
    for fold in visitor.page.locator("summary:visible").all():
        if fold.evaluate("e => e.closest('.sl-menu') === null"):
            fold.click()
    visitor.page.wait_for_function(FOLDS_BUILT)
    visitor.page.keyboard.press("?")
    visitor.page.wait_for_selector(".sl-dialog[open]")
    assert_nothing_serious(visitor, cases, ".sl-dialog[open]")
    visitor.page.keyboard.press("Escape")
    assert_nothing_serious(visitor, cases)
    visitor.shot(f"open-{cases[-1][1]}-{cases[-1][0]}")


def test_axe_finds_nothing_serious_in_a_presentation(app, visit):
    visitor = visit(f"{app.url}?example=1&present=1", 1280, 720)
    visitor.wait_for_maps()
    assert not visitor.page.locator("#sl-ask").is_visible()
    assert_nothing_serious(visitor, [("light", 1280, 720), ("dark", 1280, 720)])


def test_every_canvas_and_chip_has_a_name(answer):
    visitor = answer.visitor
    told = visitor.page.get_attribute("[data-method=msea_arc] .sl-heat", "aria-label")
    assert "MSEA + ARC map of “cat”: strongest in the" in told
    assert "stands out" in told
    names = visitor.page.locator(".sl-chip").evaluate_all(
        "chips => chips.map(c => c.getAttribute('aria-label'))"
    )
    assert all(names)


def test_buttons_are_called_what_is_written_on_them(app, visit):
    """Who speaks to the computer says what stands there (WCAG 2.5.3)."""
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    visitor.page.wait_for_function(FOLDS_BUILT)
    called = visitor.page.locator("button[class*=sl-][aria-label]:visible").evaluate_all(
        "nodes => nodes.map(n => [n.innerText.trim(), n.getAttribute('aria-label')])"
    )
    assert called
    words = [(text, name) for text, name in called if any(c.isalpha() for c in text)]
    assert [w for w in words if w[0].split("\n")[0].lower() not in w[1].lower()] == []


def test_what_is_tapped_is_as_large_as_a_finger(app, visit):
    page = visit(app.url, 390, 844, has_touch=True, is_mobile=True).page
    page.tap(".sl-example >> nth=0")
    page.wait_for_selector(".sl-chip[aria-selected=true]")
    small = page.locator(".sl-chip:visible, .sl-small:visible, .sl-reset:visible").evaluate_all(
        "nodes => nodes.map(n => n.getBoundingClientRect())"
        ".filter(b => b.width < 24 || b.height < 24).length"
    )
    assert small == 0
    height = page.locator(".sl-answer .sl-chip").first.bounding_box()["height"]
    assert height >= 44
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_nothing_moves_for_those_who_ask_for_calm(app, visit):
    visitor = visit(app.url)
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.explain()
    moving = visitor.page.evaluate(
        "() => document.getAnimations()"
        ".filter(a => a.effect.target?.closest('[class*=sl-]')).length"
    )
    assert moving == 0
