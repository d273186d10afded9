"""Answer at a glance, as a person sees it."""

from __future__ import annotations

from explainer.ui.sections.glance import words
from tests.e2e.test_accessibility import serious
from tests.ui.fake import ANSWER_TEXTS

NEEDS, FREE = (f".sl-glance-{name} .sl-glance-word" for name in ("needs", "free"))
CASES = [("light", 1440, 900), ("dark", 1440, 900), ("dark", 390, 800)]


def test_words_are_ranked_and_chosen_by_a_click(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    visitor.explain()
    assert page.locator(".sl-glance-word").count() == 0  # folded: nothing is asked for
    page.click(f"text={words.FOLD['title']}")
    page.wait_for_selector(NEEDS)
    needed, free = (page.locator(f"{path} [dir]").all_text_contents() for path in (NEEDS, FREE))
    assert needed == ["A"]
    assert sorted([*needed, *free]) == sorted(t.strip() for t in ANSWER_TEXTS if t != ".")
    assert free[-1] == "cat"  # less likely with the picture
    assert page.inner_text(".sl-glance-said").startswith("The answer rests ")
    page.select_option(".sl-glance-bar select >> nth=1", "picture")
    shown = ".sl-glance-word [dir]"
    assert page.locator(shown).all_text_contents() == ["A"]
    page.select_option(".sl-glance-bar select >> nth=1", "all")
    page.select_option(".sl-glance-bar select >> nth=0", "said")
    said = [t.strip() for t in ANSWER_TEXTS if t != "."]
    assert page.locator(shown).all_text_contents() == said
    page.click(f"{FREE} >> text=grass")
    visitor.wait_for_maps()
    assert page.inner_text(".sl-chip[aria-selected=true]") == "grass"
    assert page.locator(".sl-glance-word[aria-pressed=true] [dir]").all_text_contents() == ["grass"]
    page.click(".sl-answer .sl-chip >> nth=0")
    page.wait_for_selector(f"{NEEDS}[aria-pressed=true]")
    for number, (theme, width, height) in enumerate(CASES):
        case = visitor.dress(theme, width, height)
        page.locator(f"{FREE} >> nth={number}").click()
        visitor.wait_for_maps()
        assert page.locator(".sl-glance-word[aria-pressed=true]").count() == 1, case
        assert serious(visitor) == [], case
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), case
        page.locator(".sl-glance").scroll_into_view_if_needed()
        visitor.shot(f"glance-{width}x{height}-{theme}")


def test_another_answer_is_ranked_anew(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    page.click(f"text={words.FOLD['title']}")
    assert page.inner_text(".sl-glance-said") == words.FOLD["waiting"]
    visitor.explain()
    page.wait_for_selector(NEEDS)
    visitor.explain(1)
    page.wait_for_selector(NEEDS)
    page.wait_for_function(
        "document.querySelector('.sl-glance-said').textContent.startsWith('The answer')"
    )
