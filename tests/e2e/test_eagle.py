"""Parts that words need, as a person sees them."""

from __future__ import annotations

import pytest

from explainer.ui.sections.eagle import words

PICTURE = ".sl-eagle-picture[src^=data]"


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_parts_are_shown_searched_and_hidden(app, visit, theme, width):
    visitor = visit(app.url, width, 900, theme)
    page = visitor.page
    visitor.explain()
    page.click(f"#sl-folds >> text={words.FOLD['title']}")
    page.wait_for_selector(PICTURE)
    assert "parts; a search reads the picture" in page.inner_text(".sl-eagle-line")
    assert page.is_disabled("text=" + words.FOLD["correct"])
    page.select_option(".sl-eagle-bar select >> nth=1", "cells")
    page.select_option(".sl-eagle-bar select >> nth=2", "16")
    page.click(f".sl-eagle-bar >> text={words.FOLD['search']}")
    page.wait_for_function(
        "document.querySelector('.sl-eagle-line').textContent.startsWith('“cat”')"
    )
    page.wait_for_selector(".sl-eagle .sl-figures tbody tr >> nth=6")
    assert words.CHANCE in page.inner_text(".sl-eagle .sl-figures tbody tr:last-child")
    page.click(f"text={words.FOLD['correct']}")
    page.wait_for_selector(".sl-eagle-answer >> nth=1")
    assert page.evaluate("document.activeElement.className") == "sl-eagle-line"
    assert "“cat” stays with 12 parts" in page.inner_text(".sl-eagle-line")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator(".sl-eagle").scroll_into_view_if_needed()
    visitor.shot(f"eagle-{width}-{theme}")


def test_a_search_is_stopped_and_its_map_stays(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    visitor.explain()
    page.click(f"#sl-folds >> text={words.FOLD['title']}")
    page.wait_for_selector(PICTURE)
    page.select_option(".sl-eagle-bar select >> nth=1", "cells")
    page.select_option(".sl-eagle-bar select >> nth=2", "16")
    page.wait_for_function("document.querySelector('.sl-eagle-line').textContent.startsWith('16 ')")
    parts = page.get_attribute(".sl-eagle-picture", "src")
    app.explainer.delay, app.explainer.needs = 0.2, 16
    page.click(f".sl-eagle-bar >> text={words.FOLD['search']}")
    page.wait_for_function(
        "parts => document.querySelector('.sl-eagle-picture').src !== parts", arg=parts
    )
    assert page.is_disabled(f".sl-eagle-bar >> text={words.FOLD['search']}")
    page.keyboard.press("Enter")  # Stop has the focus
    page.wait_for_selector(".sl-eagle .sl-work", state="hidden")
    assert page.inner_text(".sl-eagle .sl-work-said") == words.FOLD["stopped"]
    assert page.get_attribute(".sl-eagle-picture", "src") != parts, "the map so far stays"
    assert not page.is_visible(".sl-eagle .sl-figures"), "an order that was not found has no table"
    assert page.is_disabled(f"text={words.FOLD['correct']}")
    assert page.evaluate("document.activeElement.textContent") == words.FOLD["stopped"]
    page.keyboard.press("Enter")  # a second time, by mistake: nothing begins again
    assert page.is_enabled(f".sl-eagle-bar >> text={words.FOLD['search']}")
    app.explainer.delay = 0
    page.click(f".sl-eagle-bar >> text={words.FOLD['search']}")
    page.wait_for_selector(".sl-eagle .sl-figures tbody tr >> nth=6")
    assert page.inner_text(".sl-eagle-line").startswith("“cat”")
