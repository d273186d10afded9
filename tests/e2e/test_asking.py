"""Methods that ask the model once more for each word, as panels like all others."""

from __future__ import annotations

import pytest

from explainer.methods import find_method
from explainer.methods.subjects import Span, explain_subject
from explainer.web import payload, texts
from tests.e2e.test_explorer import CHIP, WORD, assert_cells

MENU = ".sl-menu:has(input[value=grad_cam]) > summary"
WAITING, DRAWN = "[data-method=grad_cam].sl-without", "[data-method=grad_cam]:not(.sl-without)"


@pytest.fixture
def visitor(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    visitor.wait_for_all_maps()
    return visitor


def tick(visitor, *methods: str) -> None:
    visitor.page.click(MENU)
    assert texts.VIEW["asking"] in visitor.page.inner_text(".sl-asking")
    for method in methods:
        visitor.page.check(f"input[value={method}]")
    visitor.page.keyboard.press("Escape")


def steps(app, visitor):
    """Return what Python draws of the shown chip, as steps of the colour table."""
    run = app.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    heat = explain_subject(find_method("grad_cam"), run, Span(run.chips[chip].tokens))
    return payload.levels(heat.parts[0].values)


def test_grad_cam_is_computed_for_the_chosen_word_alone(app, visitor):
    page, asked = visitor.page, app.explainer.attributed
    tick(visitor, "grad_cam")
    page.wait_for_selector(DRAWN)
    assert_cells(visitor, "grad_cam", steps(app, visitor))
    visitor.wait_for_all_maps()
    assert len(asked) == 1, "the other words' maps are brought without it"
    page.hover(f"{CHIP} >> nth=7")
    page.wait_for_selector(WAITING)
    visitor.settled("grass", WORD)
    assert page.inner_text(f"{WAITING} .sl-absent").startswith("Not computed for this word")
    assert page.locator("[data-method=tam] .sl-heat").is_visible()
    visitor.quiet()
    assert len(asked) == 1, "pointing asks nothing"
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", WORD)
    page.mouse.move(2, 2)
    page.wait_for_selector(DRAWN)
    assert_cells(visitor, "grad_cam", steps(app, visitor))
    assert len(asked) == 2
    assert visitor.message() == ""
    visitor.shot("asking")


def wait_for_words(visitor, words: str) -> None:
    visitor.page.wait_for_function(
        "words => document.querySelector('.sl-message').textContent.includes(words)", arg=words
    )


def ask_eagle(app, visitor) -> None:
    """Show EAGLE, of which a reading takes long from now on, and wait until they are counted.

    Make them quick again only when what comes after has begun: what is ended could be done before.
    """
    app.explainer.delay = 1.0
    tick(visitor, "eagle")
    wait_for_words(visitor, " of 12 ")


def test_readings_are_counted_and_can_be_stopped_and_begun_again(app, visitor):
    page, act = visitor.page, visitor.page.locator(".sl-told .sl-tool")
    ask_eagle(app, visitor)
    assert act.inner_text() == texts.VIEW["end"]
    assert page.locator(".sl-view.sl-busy").count() == 0, "other maps stay bright"
    visitor.shot("making")
    act.click()
    visitor.settled(texts.VIEW["ended"], "document.querySelector('.sl-message').textContent")
    assert app.explainer.attributed == []
    page.wait_for_selector("[data-method=eagle].sl-without")
    visitor.shot("ended")
    act.click()  # at once: the model may still be about its last reading
    wait_for_words(visitor, " of 12 ")
    app.explainer.delay = 0
    page.wait_for_selector("[data-method=eagle]:not(.sl-without)")
    assert page.inner_text("[data-method=eagle] .sl-note") == "rests on the picture: 0.62"
    assert page.locator(".sl-told").is_hidden()
    assert len(app.explainer.attributed) == 1


def test_another_word_or_question_ends_what_is_made_for_the_last_one(app, visitor):
    page, explainer = visitor.page, app.explainer
    ask_eagle(app, visitor)
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("", "document.querySelector('.sl-message').textContent")
    wait_for_words(visitor, " of 12 ")
    explainer.delay = 0
    page.wait_for_selector("[data-method=eagle]:not(.sl-without)")
    shown = page.get_attribute(".sl-view", "data-run")
    run = app.store.get(shown)
    assert [run.tokens.texts[t] for _, t in explainer.attributed] == [" dog"]
    explainer.delay = 1.0
    page.click(f"{CHIP} >> nth=7")
    wait_for_words(visitor, "EAGLE")
    page.click(".sl-example >> nth=1")
    wait_for_words(visitor, "Answering")
    explainer.delay = 0
    page.wait_for_function("run => ![run, null].includes(document.sightline.now.run)", arg=shown)
    page.wait_for_selector("[data-method=eagle]:not(.sl-without)")
    assert " grass" not in [run.tokens.texts[t] for _, t in explainer.attributed]


def test_quick_steps_ask_for_the_word_at_their_end(app, visitor):
    page = visitor.page
    tick(visitor, "grad_cam")
    page.wait_for_selector(DRAWN)
    page.focus(".sl-chip[aria-selected=true]")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    visitor.settled("dog", WORD)
    page.wait_for_selector(DRAWN)
    visitor.wait_for_all_maps()
    run = app.store.get(page.get_attribute(".sl-view", "data-run"))
    assert [run.tokens.texts[t] for _, t in app.explainer.attributed] == [" cat", " dog"]


def test_a_method_without_a_map_says_why_beside_the_others(app, visitor):
    page = visitor.page
    tick(visitor, "archi_surgery", "attention")
    page.wait_for_selector("[data-method=attention]:not(.sl-without)")
    page.wait_for_selector(".sl-message[data-kind=error]")
    assert "CLIP's vision tower" in visitor.message()
    visitor.quiet()
    assert [name for name, _ in app.explainer.attributed] == ["attention"]
    page.click(".sl-could-word[aria-pressed=false] >> nth=0")
    page.wait_for_selector("[data-method=attention].sl-without")
    assert "explains recorded words only" in page.inner_text("[data-method=attention] .sl-absent")
    assert page.locator("[data-method=tam] .sl-heat").is_visible()
