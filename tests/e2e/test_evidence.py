"""How much words rest on the picture, and maps of other layers, as a person sees them."""

from __future__ import annotations

import pytest

from explainer.methods import METHODS
from explainer.web import texts, token_text
from tests.ui.fake import ANSWER_TEXTS

LAST = ".sl-answer .sl-chip >> nth=-1"


@pytest.fixture
def measured(answer):
    """A visitor whose words have their bars."""
    return answer.visitor


def test_bars_come_after_the_maps_and_say_what_they_mean(measured):
    page = measured.page
    first, second = page.locator(".sl-answer .sl-chip").all()[:2]
    assert "relies on the picture for" in first.get_attribute("aria-label")
    assert (
        float(first.locator(".sl-rests").evaluate("e => e.style.getPropertyValue('--share')")) > 0
    )
    assert "less likely with the picture" in second.get_attribute("title")
    assert page.locator(".sl-against").count() == 1
    assert measured.chips() == list(map(token_text.visible, ANSWER_TEXTS))  # bars are no text
    assert page.locator(".sl-prompt .sl-rests").count() == 0


def test_words_are_ordered_and_filtered_by_the_picture(measured):
    page, said = measured.page, measured.chips()
    page.click(".sl-evidence summary")
    page.select_option(".sl-evidence select", "rests")
    assert sorted(measured.chips()) == sorted(said)
    assert measured.chips()[0] == said[0]
    page.check(".sl-evidence input[type=checkbox]")
    kept = measured.chips()
    assert len(kept) < len(said)
    page.uncheck(".sl-evidence input[type=checkbox]")
    page.select_option(".sl-evidence select", "said")
    assert measured.chips() == said
    page.locator(LAST).press("ArrowLeft")
    measured.wait_for_maps()


def test_stop_after_measuring_brings_the_answer_back(measured):
    assert measured.page.evaluate("document.sightline.now.run") is not None
    measured.page.click(".sl-answer .sl-chip >> nth=2")
    measured.wait_for_maps()
    assert measured.page.locator(".sl-rests").count() == len(ANSWER_TEXTS)


def test_every_answer_gets_its_bars(measured):
    first = measured.page.evaluate("document.sightline.now.run")
    measured.explain(1)
    measured.page.wait_for_function("run => document.sightline.now.run !== run", arg=first)
    measured.page.wait_for_selector(".sl-rests")
    assert measured.page.locator(".sl-rests").count() == len(ANSWER_TEXTS)


def test_a_layer_is_looked_at_by_the_slider(app, visit):
    visitor = visit(app.url)
    page = visitor.page
    assert not page.is_visible("[data-name=layer]")
    page.click(f"text={texts.DECODING}")
    page.click(f"label:has-text('{texts.LAYERS}') input, [aria-label='{texts.LAYERS}']")
    page.locator("ul[role=listbox] li").last.click()  # all of them
    visitor.settled(texts.LAYERS_NO_PICTURE, "document.querySelector('#sl-memory').innerText")
    visitor.explain()
    page.wait_for_function(
        "() => document.querySelector('#sl-memory').innerText.includes('3.0 MB')"
    )
    page.wait_for_selector("[data-name=layer]")
    assert "Layer of 3" in page.inner_text("[data-name=layer]")
    line = ".sl-line"
    assert "layer" not in page.inner_text(line)
    page.fill("[data-name=layer] .sl-number", "1")
    page.press("[data-name=layer] .sl-number", "Tab")
    page.wait_for_function(
        "() => document.querySelector('.sl-line').textContent.includes('layer 1 of 3')"
    )
    visitor.wait_for_maps()
    (key,) = list(app.store._runs)
    run = app.store.get(key)
    chip = int(page.get_attribute(".sl-view", "data-chip"))
    token = run.chips[chip].tokens[0]
    early = METHODS["logit_lens"](run.at_layer(1), token).values
    late = METHODS["logit_lens"](run, token).values
    row, column = divmod(int((early - late).argmax()), early.shape[1])
    shown = visitor.brightness(
        "logit_lens", (column + 0.5) / early.shape[1], (row + 0.5) / early.shape[0]
    )
    assert shown == pytest.approx(float(early[row, column]), abs=0.06)
    page.wait_for_function("() => /layer=1/.test(location.search)")
    assert "layers=all" in page.url
    other = visit(page.url)
    other.wait_for_maps()
    other.settled("1", "document.querySelector('[data-name=layer] .sl-number').value")
    assert "layer 1 of 3" in other.page.inner_text(".sl-line")
    page.click("[data-name=layer] .sl-reset")
    page.wait_for_function(
        "() => !document.querySelector('.sl-line').textContent.includes('layer')"
    )
