"""How the page looks: two themes, three widths, and how fast it is."""

from __future__ import annotations

import statistics

import pytest

from explainer.commands import browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_one_line_answer_needs_no_scrolling(answer, theme):
    visitor = answer.visitor
    visitor.dress(theme, 1440, 900)
    visitor.still()
    visitor.shot(f"1440x900-{theme}")
    assert visitor.page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert visitor.page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    ink = rgb(visitor, "getComputedStyle(document.querySelector('.sl-line')).color")
    paper = rgb(
        visitor,
        "getComputedStyle(document.querySelector('.gradio-container'))"
        ".getPropertyValue('--body-background-fill')",
    )
    assert contrast(ink, paper) > 4.5


def rgb(visitor, expression: str) -> list[int]:
    """Return a CSS colour, however it is written, as the browser paints it."""
    return visitor.page.evaluate(
        "() => { const c = document.createElement('canvas').getContext('2d');"
        f"c.fillStyle = {expression}; c.fillRect(0, 0, 1, 1);"
        "return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3); }"
    )


def contrast(ink: list[int], paper: list[int]) -> float:
    """Return the contrast ratio of WCAG 2."""

    def light(colour: list[int]) -> float:
        parts = [v / 255 for v in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(ink), light(paper)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_telephone_scrolls_down_only_and_in_a_sensible_order(app, visit):
    visitor = visit(app.url, 390, 844)
    visitor.shot("390-start")
    visitor.explain()
    visitor.shot("390")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390
    parts = [
        ".sl-tokens",
        ".sl-maps",
        ".sl-panel",
        "#sl-image",
        "#sl-prompt",
        "#sl-run",
        ".sl-examples",
    ]
    tops = [visitor.page.locator(p).bounding_box()["y"] for p in parts]
    assert tops == sorted(tops)
    assert 0 <= tops[1] < 844, "the page went back up to the answer"
    visitor.page.click("text=Method options")
    visitor.page.wait_for_selector("select[name='tam.mode']")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == 390


def test_at_200_percent_words_and_maps_come_first_and_nothing_is_cut_off(answer):
    """A screen of 1440 x 900 pixels that is enlarged twice has 720 x 450 (WCAG 1.4.10)."""
    visitor, page = answer.visitor, answer.visitor.page
    visitor.dress("light", 720, 450)
    visitor.still()
    page.evaluate("scrollTo(0, 0)")
    visitor.shot("720x450")
    chips, maps, ask = (
        page.locator(part).bounding_box() for part in (".sl-answer", ".sl-maps", "#sl-ask")
    )
    assert chips["y"] + chips["height"] < maps["y"] < 450 - 100, "in sight without scrolling"
    assert maps["y"] + maps["height"] < ask["y"]
    assert page.evaluate("document.documentElement.scrollWidth") == 720
    cut = page.locator("[class^=sl-]:is(button, summary, select, input, p, figure):visible")
    beyond = "nodes => nodes.map(n => [n.className, n.getBoundingClientRect()])"
    assert cut.evaluate_all(f"{beyond}.filter(([, b]) => b.left < 0 || b.right > 720)") == []


def test_what_is_folded_takes_one_line_of_a_usual_screen(answer):
    folds = answer.visitor.page.locator("#sl-folds > :visible")
    assert folds.count() == 6
    assert len({fold.bounding_box()["y"] for fold in folds.all()}) == 1


def test_a_large_screen(answer):
    visitor = answer.visitor
    visitor.dress("light", 1920, 1080)
    visitor.still()
    visitor.shot("1920x1080")
    assert visitor.page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_maps_follow_quickly(app, visit, capsys):
    visitor = visit(app.url)
    visitor.explain()
    for name, kind, until, _ in browser.ACTS:
        visitor.page.wait_for_function(browser.ALL_HERE)
        took = browser.latencies(visitor.page, kind, until, 5)
        median, most = statistics.median(took.times), max(took.frames)
        told = f"{name}: median {median:.0f} ms, slowest {max(took.times):.0f} ms, {most} frames"
        with capsys.disabled():
            print(f"\n{told}")
        assert median < 5000, "a loose bound: the machine may be busy"
        if until == "computed":
            assert took.requests == 0, "all maps are in the browser by then"
            assert 1 <= most <= 3, "the bar is 1; a busy machine may miss it"
