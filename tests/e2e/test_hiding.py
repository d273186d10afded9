"""Hide a region: the numbers on the page, asking again, and the way back."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from explainer.methods import METHODS
from explainer.probing.hiding import change
from explainer.probing.regions import HOW, hidden, shown_by, within_box
from explainer.run import ANSWER
from explainer.ui.sections.hiding import words as hiding_words
from explainer.web import texts
from tests.e2e.test_accessibility import serious
from tests.ui.fake import SIDE

CHIP = ".sl-answer .sl-chip"
RESULT = ".sl-whatif-result:not([hidden], .sl-late)"
CAT = 1  # number in the answer
BOX = ((0.2, 0.1), (0.6, 0.4))  # two corners
MEASURE = hiding_words.FOLD["measure"]


def opened(app, visit):
    """Return a visitor who has the word cat chosen and the section open, and its run and token."""
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.click(f"{CHIP} >> nth={CAT}")
    visitor.wait_for_maps()
    visitor.page.wait_for_selector(".sl-rests")  # nothing moves after this
    visitor.page.click(".sl-whatif > summary")
    visitor.page.select_option(".sl-whatif-bar select >> nth=2", "black")
    run = app.store.get(visitor.page.evaluate("document.sightline.now.run"))
    return visitor, run, int(run.indices(ANSWER)[CAT])


def measure(visitor) -> list[str]:
    """Hide and compare; return the numbers of the chosen word."""
    visitor.page.click(f"text={hiding_words.FOLD['measure']}")
    visitor.page.wait_for_selector(RESULT)
    return visitor.page.inner_text(".sl-whatif-line")


def line(app, run, token: int, method: str, how: str) -> str:
    """Return what Python says of the word."""
    regions = HOW[how](shown_by(METHODS[method](run, token)))
    found = change(run, [token], app.explainer.probabilities_without(run, regions, "black"))
    shown, gone, control = map(texts.share, (found.shown, found.hidden, found.control))
    return f"cat {shown} → {gone} (control: {control})"


def test_the_numbers_are_those_of_python(app, visit):
    visitor, run, token = opened(app, visit)
    page = visitor.page
    assert not page.is_visible(".sl-whatif-result")
    assert measure(visitor) == line(app, run, token, "msea_arc", "hide")
    assert "“cat”" in page.inner_text(".sl-whatif-verdict")
    assert page.locator(".sl-whatif-shots img").count() == 2
    visitor.shot("whatif-1440")
    visitor.dress("light", 390, 844)
    visitor.still()
    visitor.shot("whatif-390")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = page.locator(".sl-whatif-shots").bounding_box()
    assert box["x"] + box["width"] <= 390
    visitor.dress("light", 1440, 900)

    page.select_option(".sl-whatif-bar select >> nth=0", "keep")
    assert page.locator(".sl-whatif-result.sl-late").count() == 1
    page.select_option(".sl-whatif-bar select >> nth=1", "logit_lens")
    assert measure(visitor) == line(app, run, token, "logit_lens", "keep")

    page.click(f"{CHIP} >> nth=4")
    visitor.wait_for_maps()
    assert page.locator(".sl-whatif-result.sl-late").count() == 1, "it is about another word"
    page.focus(f"text={MEASURE}")
    page.keyboard.press("Enter")
    page.wait_for_selector(RESULT)
    assert page.inner_text(".sl-whatif-line").startswith("dog ")
    assert serious(visitor) == []


def test_asking_again_and_going_back(app, visit):
    visitor, run, token = opened(app, visit)
    page, first = visitor.page, visitor.page.evaluate("document.sightline.now.run")
    page.select_option(".sl-whatif-bar select >> nth=2", "mean")
    page.click(f"text={hiding_words.FOLD['again']}")
    page.wait_for_selector(".sl-message[data-kind=error]")  # the picture has one colour
    assert "looks the same with this region covered (mean colour)" in visitor.message()
    page.select_option(".sl-whatif-bar select >> nth=2", "black")
    page.click(f"text={hiding_words.FOLD['again']}")
    page.wait_for_selector(".sl-masked:not([hidden])")
    visitor.wait_for_maps()
    assert "MSEA + ARC shows for “cat”" in page.inner_text(".sl-masked span")
    key = page.evaluate("document.sightline.now.run")
    masked = app.store.get(key)
    assert key != first
    place = shown_by(METHODS["msea_arc"](run, token))
    np.testing.assert_array_equal(masked.image, hidden(run, place, "black")[0])
    assert page.locator(CHIP).count() == len(masked.indices(ANSWER))
    assert serious(visitor) == []

    page.focus(".sl-masked button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sl-masked", state="hidden")
    visitor.wait_for_maps()
    assert page.evaluate("document.sightline.now.run") == first
    assert page.inner_text(f"{CHIP}[aria-selected=true]") == "cat"
    assert page.evaluate("document.activeElement.textContent") == "cat"


def test_a_rectangle_is_drawn_by_pointer_and_by_keyboard(app, visit):
    visitor, run, token = opened(app, visit)
    page = visitor.page
    page.select_option(".sl-whatif-bar select >> nth=0", "box")
    assert page.is_disabled(f"text={hiding_words.FOLD['measure']}")
    frame = page.locator("[data-method=tam] .sl-frame").bounding_box()
    at = [(frame["x"] + u * frame["width"], frame["y"] + v * frame["height"]) for u, v in BOX]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=4)
    page.mouse.up()
    assert page.locator(".sl-box:visible").count() == 3, "it is marked on every map"
    said = measure(visitor)
    sent = page.evaluate("document.querySelector('.sl-box').getAttribute('style')")
    shares = [float(share) / 100 for share in re.findall(r"([\d.]+)%", sent)]
    corners = [shares[0], shares[1], shares[0] + shares[2], shares[1] + shares[3]]
    np.testing.assert_allclose(corners, np.ravel(BOX), atol=0.01)
    place = within_box(run, tuple(corner * SIDE for corner in corners))
    found = change(
        run, [token], app.explainer.probabilities_without(run, HOW["hide"](place), "black")
    )
    assert f"→ {texts.share(found.hidden)} (" in said
    visitor.shot("whatif-box")

    page.click(f"text={hiding_words.FOLD['draw']}")
    page.focus("[data-method=msea_arc] .sl-frame")
    for key in ("ArrowLeft", "Enter", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.activeElement.textContent === '" + MEASURE + "'")
    page.keyboard.press("Enter")
    page.wait_for_selector(RESULT)
    page.select_option(".sl-whatif-bar select >> nth=0", "hide")
    assert page.locator(".sl-box:visible").count() == 0


def test_stop_brings_the_answer_back(app, visit):
    visitor, _, _ = opened(app, visit)
    page, first = visitor.page, visitor.page.evaluate("document.sightline.now.run")
    app.explainer.delay = 0.5
    page.click(f"text={hiding_words.FOLD['again']}")
    page.wait_for_selector(".sl-live .sl-chip")
    page.click("#sl-stop")
    page.wait_for_function(
        "want => document.querySelector('.sl-message').textContent === want", arg=texts.STOPPED_BACK
    )
    visitor.settled(first, "document.sightline.now.run")
    assert page.is_hidden(".sl-masked")


def test_what_was_opened_without_its_model_says_what_is_needed(app, visit, tmp_path):
    visitor, run, _ = opened(app, visit)
    replace(run, model_id="org/another").save(tmp_path / "run.npz")
    visitor.page.click("#sl-recorded button.label-wrap")
    old = visitor.page.evaluate("document.sightline.now.run")
    visitor.page.set_input_files("#sl-recorded input[type=file]", tmp_path / "run.npz")
    visitor.page.wait_for_function("old => document.sightline.now.run !== old", arg=old)
    visitor.wait_for_maps()
    visitor.page.click(f"text={hiding_words.FOLD['measure']}")
    visitor.page.wait_for_selector(".sl-whatif-said[data-kind=error]")
    assert "org/another, which is not loaded" in visitor.page.inner_text(".sl-whatif-said")
