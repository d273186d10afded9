"""Methods that ask the model once more for each word, as panels like all others."""

from __future__ import annotations

import pytest

from explainer.methods import find_method
from explainer.subjects import Span, explain_subject
from explainer.ui import payload, texts
from tests.e2e.test_explorer import CHIP, WORD, assert_cells

MENU = ".sl-menu:has(input[value=grad_cam]) > summary"
WAITING, DRAWN = "[data-method=grad_cam].sl-without", "[data-method=grad_cam]:not(.sl-without)"


@pytest.fixture
def served(serve):
    return serve()


@pytest.fixture
def visitor(served, visit):
    visitor = visit(served.url)
    visitor.explain()
    visitor.wait_for_all_maps()
    return visitor


def tick(visitor, *methods: str) -> None:
    visitor.page.click(MENU)
    assert texts.VIEW["asking"] in visitor.page.inner_text(".sl-asking")
    for method in methods:
        visitor.page.check(f"input[value={method}]")
    visitor.page.keyboard.press("Escape")


def steps(served, visitor):
    """Return what Python draws of the shown chip, as steps of the colour table."""
    run = served.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    heat = explain_subject(find_method("grad_cam"), run, Span(run.chips[chip].tokens))
    return payload.levels(heat.parts[0].values)


def test_grad_cam_is_computed_for_the_chosen_word_alone(served, visitor):
    page, asked = visitor.page, served.explainer.attributed
    tick(visitor, "grad_cam")
    page.wait_for_selector(DRAWN)
    assert_cells(visitor, "grad_cam", steps(served, visitor))
    visitor.wait_for_all_maps()
    assert len(asked) == 1, "the other words' maps are brought without it"
    page.hover(f"{CHIP} >> nth=7")
    page.wait_for_selector(WAITING)
    visitor.settled("grass", WORD)
    assert page.inner_text(f"{WAITING} .sl-absent").startswith("Not computed for this word")
    assert page.locator("[data-method=tam] .sl-heat").is_visible()
    page.wait_for_timeout(500)
    assert len(asked) == 1, "pointing asks nothing"
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", WORD)
    page.mouse.move(2, 2)
    page.wait_for_selector(DRAWN)
    assert_cells(visitor, "grad_cam", steps(served, visitor))
    assert len(asked) == 2
    assert visitor.message() == ""
    visitor.shot("asking")


def test_quick_steps_ask_for_the_word_at_their_end(served, visitor):
    page = visitor.page
    tick(visitor, "grad_cam")
    page.wait_for_selector(DRAWN)
    page.focus(".sl-chip[aria-selected=true]")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    visitor.settled("dog", WORD)
    page.wait_for_selector(DRAWN)
    visitor.wait_for_all_maps()
    run = served.store.get(page.get_attribute(".sl-view", "data-run"))
    assert [run.tokens.texts[t] for _, t in served.explainer.attributed] == [" cat", " dog"]


def test_a_method_without_a_map_says_why_beside_the_others(served, visitor):
    page = visitor.page
    tick(visitor, "archi_surgery", "attention")
    page.wait_for_selector("[data-method=attention]:not(.sl-without)")
    page.wait_for_selector(".sl-message[data-kind=error]")
    assert "CLIP's vision tower" in visitor.message()
    page.wait_for_timeout(700)
    assert [name for name, _ in served.explainer.attributed] == ["attention"]
    page.click(".sl-could-word[aria-pressed=false] >> nth=0")
    page.wait_for_selector("[data-method=attention].sl-without")
    assert "explains what was said" in page.inner_text("[data-method=attention] .sl-absent")
    assert page.locator("[data-method=tam] .sl-heat").is_visible()
