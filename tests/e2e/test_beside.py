"""More than a chip: candidates, typed words, contrasts, spans, template tokens, edited answers."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.export import colour_table
from explainer.methods import METHODS
from explainer.methods.subjects import Contrast, Span, Unsaid, candidates, explain_subject
from explainer.web import texts, token_text
from tests.e2e.test_chips import centre
from tests.ui.fake import FakeExplainer

CHIP = ".sl-answer .sl-chip"
WORD = "document.querySelector('.sl-word').textContent"
SELECTED = "[...document.querySelectorAll('.sl-chip[aria-selected=true]')].map(c => c.textContent)"
CAT, DOG = 1, 4  # numbers in the answer, and of the boxes that light up
DIVERGING = colour_table("RdBu_r").astype(int)


def begun(app, visit, chip: int = CAT):
    """Return a visitor who has an answer with this word chosen, and its run and token."""
    visitor = visit(app.url)
    visitor.explain()
    return choose(app, visitor, chip)


def choose(app, visitor, chip: int = CAT):
    """Choose a word of an answer; return the visitor, and the word's run and token."""
    visitor.page.click(f"{CHIP} >> nth={chip}")
    visitor.wait_for_maps()
    visitor.page.wait_for_selector(".sl-candidate")
    run = app.store.get(visitor.page.evaluate("document.sightline.now.run"))
    number = int(visitor.page.get_attribute(f"{CHIP} >> nth={chip}", "data-chip"))
    return visitor, run, run.chips[number].tokens[0]


def drawn(visitor, word: str) -> None:
    visitor.settled(word, WORD)
    visitor.page.wait_for_function(
        "() => !document.querySelector('.sl-view:is(.sl-late, .sl-busy)')"
    )


def signed(visitor, method: str, x: float, y: float) -> float:
    """Return the value, -1 to 1, of a pixel in diverging colours."""
    distance = np.abs(DIVERGING - np.array(visitor.pixel(method, x, y))).sum(axis=1)
    assert distance.min() == 0, "not a colour of the table"
    return float(distance.argmin()) / 127.5 - 1


def test_candidates_are_told_explained_and_set_against_what_was_said(answer):
    visitor, run, token = choose(answer.app, answer.visitor)
    page, other = visitor.page, candidates(run, token)[0]
    shown = page.locator(".sl-candidate").all_text_contents()
    name, chance = other.text.strip(), texts.share(other.probability)
    assert f"{name}{chance}≠" in shown
    assert any(s.startswith("cat") for s in shown), "what was said is among them"

    page.click(f".sl-could-word:has-text('{name}') >> nth=0")
    drawn(visitor, name)
    assert "in place of “cat”" in page.inner_text(".sl-line")
    assert "sl-place" in page.get_attribute(f"{CHIP} >> nth={CAT}", "class").split()
    heat = explain_subject(METHODS["logit_lens"], run, Unsaid(token, (other.token_id,)))
    assert visitor.brightness("logit_lens", *peak(heat)) > 0.95

    page.click(f"{CHIP} >> nth={CAT}")
    page.click(f".sl-candidate:has-text('{name}') .sl-not >> nth=0")
    drawn(visitor, f"cat, not {name}")
    contrast = Contrast(Span((token,)), Unsaid(token, (other.token_id,)))
    for method in ("msea_arc", "tam", "logit_lens"):
        values = explain_subject(METHODS[method], run, contrast).values
        for row, column in ((2, 6), (10, 10), (17, 3)):  # 21 cells of 16 pixels
            place = (column + 0.5) / 21, (row + 0.5) / 21
            got, want = signed(visitor, method, *place), values[row, column]
            if abs(want) < 0.1:  # nearly clear: a canvas does not keep which of the two colours
                got, want = abs(got), abs(want)
            assert got == pytest.approx(want, abs=0.06)
    page.click(f".sl-candidate:has-text('{name}') .sl-not >> nth=0")
    drawn(visitor, "cat")


def peak(heat) -> tuple[float, float]:
    row, column = np.unravel_index(heat.values.argmax(), heat.values.shape)
    return (column + 0.5) / 21, (row + 0.5) / 21


def test_a_typed_word_is_brought_and_set_against_the_chosen_one(app, visit):
    visitor, _, _ = begun(app, visit)
    visitor.page.fill(".sl-type", "dog")
    visitor.page.press(".sl-type", "Enter")
    drawn(visitor, "dog")
    assert app.explainer.brought == [" dog"]
    assert "with a space before it" in visitor.page.inner_text(".sl-line")
    assert visitor.brightness("logit_lens", *centre(DOG)) > 0.5
    assert visitor.brightness("logit_lens", *centre(CAT)) < 0.4
    visitor.page.click(f"{CHIP} >> nth={CAT}")
    visitor.page.click(".sl-typed .sl-not")
    drawn(visitor, "cat, not dog")
    assert app.explainer.brought == [" dog"], "once"
    for method in ("msea_arc", "tam", "logit_lens"):
        assert signed(visitor, method, *centre(CAT)) > 0.4
        assert signed(visitor, method, *centre(DOG)) < -0.4
    visitor.page.fill(".sl-type", "x" * 100)
    assert visitor.page.input_value(".sl-type") == "x" * 100


def test_words_are_joined_by_shift_by_keys_and_by_dragging(answer):
    visitor, _, _ = choose(answer.app, answer.visitor)
    page, together = visitor.page, "cat and a dog"
    page.click(f"{CHIP} >> nth={DOG}", modifiers=["Shift"])
    drawn(visitor, together)
    assert page.evaluate(SELECTED) == ["cat", "and", "a", "dog"]
    assert visitor.brightness("logit_lens", *centre(CAT)) > 0.5
    assert visitor.brightness("logit_lens", *centre(DOG)) > 0.5
    page.select_option(".sl-by select", "first")
    page.wait_for_function("() => document.sightline.now.entry.subject.by === 'first'")
    drawn(visitor, together)
    assert visitor.brightness("logit_lens", *centre(CAT)) > 0.5
    assert visitor.brightness("logit_lens", *centre(DOG)) < 0.4

    page.click(f"{CHIP} >> nth={CAT}")
    drawn(visitor, "cat")
    assert page.is_hidden(".sl-by")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    drawn(visitor, "cat and a")
    page.keyboard.press("Shift+ArrowLeft")
    drawn(visitor, "cat and")
    page.keyboard.press("ArrowRight")
    drawn(visitor, "a")

    page.hover(f"{CHIP} >> nth={DOG}")
    page.mouse.down()
    page.hover(f"{CHIP} >> nth={DOG - 1}")
    page.hover(f"{CHIP} >> nth={CAT}")
    assert page.evaluate(SELECTED) == ["cat", "and", "a", "dog"], "marked while dragging"
    page.mouse.up()
    drawn(visitor, together)


def test_a_double_click_or_a_button_takes_the_whole_word(serve, visit):
    visitor, _, _ = begun(serve(FakeExplainer((" dog", "gy", " cat"))), visit, chip=0)
    page = visitor.page
    page.dblclick(f"{CHIP} >> nth=1")
    drawn(visitor, "doggy")
    page.click("text=Whole word")
    drawn(visitor, "dog")
    page.click("text=Whole word")
    drawn(visitor, "doggy")
    page.click(f"{CHIP} >> nth=2")
    drawn(visitor, "cat")
    assert page.is_hidden("text=Whole word")


def test_tokens_of_the_template_are_shown_on_demand(answer):
    visitor, run, _ = choose(answer.app, answer.visitor)
    page = visitor.page
    assert page.locator(".sl-template .sl-chip").count() == 0
    page.click(".sl-beside .sl-tools >> text=Template")
    assert visitor.chips("template") == [
        token_text.visible(c.text) for c in run.chips if c.role == 0
    ]
    page.click(".sl-template .sl-chip >> nth=2")
    drawn(visitor, visitor.chips("template")[2])
    assert texts.PLACES["template"] in page.inner_text(".sl-line")
    page.click(".sl-beside .sl-tools >> text=Template")
    assert page.locator(".sl-template .sl-chip").count() == 0


def test_an_edited_answer_is_read_and_explained(app, visit):
    visitor, run, _ = begun(app, visit)
    page = visitor.page
    page.click("text=Edit answer")
    assert page.input_value(".sl-answer-text") == run.answer.strip()
    page.keyboard.press("Escape")
    assert page.is_hidden(".sl-editor")
    page.keyboard.press("Enter")  # the button has the focus again
    page.fill(".sl-answer-text", "<b>One</b> dog.")
    page.click("text=Explain this answer")
    page.wait_for_function(f"() => document.querySelector('{CHIP}').textContent === '<b>One</b>'")
    visitor.wait_for_maps()
    assert visitor.chips() == ["<b>One</b>", "dog."]
    assert app.explainer.forced == ["<b>One</b> dog."]
    assert page.is_hidden(".sl-editor")
    assert len(app.store) == 2, "the answer before it is kept"


def test_the_row_is_one_stop_of_the_tab_key(answer):
    visitor, _, _ = choose(answer.app, answer.visitor)
    page = visitor.page
    assert page.locator(".sl-could button[tabindex='0']").count() == 1
    page.focus(".sl-could button[tabindex='0']")
    page.keyboard.press("End")
    label = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(label).startswith("Why this and not")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.sightline.now.entry.subject.minus")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "sl-type"
