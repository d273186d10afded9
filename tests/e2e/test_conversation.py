"""Conversations and long answers, as a person sees them."""

from __future__ import annotations

from explainer.ui.sections.conversation import words
from tests.e2e.test_accessibility import serious
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer

FIELD, THREAD = ".sl-further textarea", ".sl-thread .sl-group"
SAID = "".join(ANSWER_TEXTS)


def test_a_further_question_keeps_what_was_said(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    assert not page.is_visible("#sl-further"), "there is nothing to go on with"
    visitor.explain()
    first = page.evaluate("document.sightline.now.run")
    page.click(f"text={words.FOLD['title']}")
    page.fill(FIELD, "And where is it?")
    page.press(FIELD, "Enter")
    page.wait_for_function(f"!['{first}', null].includes(document.sightline.now.run)")
    visitor.wait_for_maps()
    assert page.input_value(FIELD) == ""
    roles = page.locator(f"{THREAD} .sl-role").all_text_contents()
    assert roles == ["Prompt 1", "Answer 1"]
    rows = page.locator(THREAD)
    assert rows.nth(1).locator(".sl-chip").all_text_contents() == SAID.split()
    place = page.evaluate(
        "document.querySelector('.sl-thread').compareDocumentPosition("
        "document.querySelector('.sl-answer')) & Node.DOCUMENT_POSITION_FOLLOWING"
    )
    assert place, "the thread stands above the answer"
    page.evaluate("document.querySelector('.sl-thread').open = true")
    rows.nth(1).locator(".sl-chip >> nth=1").click()
    visitor.wait_for_maps()
    assert "word of an earlier answer" in page.inner_text(".sl-line")
    for theme, width, height in (("light", 1440, 900), ("dark", 390, 800)):
        case = visitor.dress(theme, width, height)
        assert serious(visitor) == [], case
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), case
        visitor.shot(f"conversation-{width}x{height}-{theme}")
    page.click(f"text={words.FOLD['anew']}")
    page.wait_for_function("document.sightline.now.run === null")
    assert page.locator(".sl-tokens .sl-chip").count() == 0
    visitor.explain()
    assert page.locator(THREAD).count() == 0


def test_a_long_answer_is_folded_by_sentence(serve, visit):
    sentence = (" The", " cat", " sits", " on", " the", " grass", ".")
    visitor = visit(serve(FakeExplainer(sentence * 25)).url)
    page = visitor.page
    visitor.explain()
    assert page.locator(".sl-sentence").count() == 25
    assert page.inner_text(".sl-sentence >> nth=1 >> summary") == "The cat sits on the grass."
    opened = "[...document.querySelectorAll('.sl-sentence')].map(one => one.open).indexOf(true)"
    assert page.evaluate(opened) == 0, "the one with the chosen word"
    page.click(".sl-answer .sl-chip >> nth=0")
    for _ in sentence:
        page.keyboard.press("ArrowRight")
    visitor.wait_for_maps()
    assert page.locator(".sl-sentence[open]").count() == 2, "arrow keys go on in the next sentence"
    visitor.shot("long-answer")
