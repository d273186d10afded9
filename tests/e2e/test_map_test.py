"""Test this map: curves and figures on the page, stopping, and small screens."""

from __future__ import annotations

from dataclasses import replace

from explainer.methods import METHODS
from explainer.probing.curves import CurvePlan
from explainer.probing.map_test import RANDOM, prove
from explainer.run import ANSWER
from explainer.ui.sections.map_test import words as map_test_words
from explainer.web import texts
from explainer.web.controls import SHOWN
from tests.e2e.test_accessibility import serious
from tests.ui.fake import FakeExplainer

CHIP = ".sl-answer .sl-chip"
MEASURE = ".sl-proof-bar button"
RESULT = ".sl-proof-result:not([hidden], .sl-late) table"


def opened(app, visit):
    """Return a visitor who has the first word chosen and the section open."""
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.wait_for_selector(".sl-rests")  # the first word is probable from now on
    visitor.page.click(f"{CHIP} >> nth=0")
    visitor.wait_for_maps()
    visitor.page.click(".sl-proof > summary")
    visitor.page.select_option(".sl-proof-bar select >> nth=0", "black")
    return visitor


def test_the_curves_are_those_of_python(app, visit):
    visitor = opened(app, visit)
    page = visitor.page
    assert not page.is_visible(".sl-proof-result")
    page.click(MEASURE)
    page.wait_for_selector(RESULT)
    assert page.evaluate("document.activeElement.className") == "sl-proof-line"
    run = app.store.get(page.evaluate("document.sightline.now.run"))
    token = int(run.indices(ANSWER)[0])
    maps = {METHODS[name].label: METHODS[name](run, token) for name in SHOWN}
    proof = prove(FakeExplainer(), run, [token], maps, CurvePlan("black"))
    rows = page.locator(".sl-proof-numbers tbody tr").all_inner_texts()
    assert [row.split("\t")[0].strip() for row in rows] == [*maps, map_test_words.CHANCE]
    for row, curves in zip(rows, [*proof.curves.values(), proof.chance], strict=True):
        areas = [curves.figures()[name] for name in ("insertion", "deletion")]
        assert row.split("\t")[2:] == [f"{area:.2f}" for area in (*areas, curves.reliance)]
    assert page.inner_text(".sl-proof-line") == "A " + map_test_words.LINE.format(
        empty="< 0.1 %", whole="90.0 %"
    )
    assert "follows the maps of MSEA + ARC, TAM and Logit lens" in page.inner_text(
        ".sl-proof-verdict"
    )
    drawn = page.locator(".sl-plot").evaluate_all(
        "plots => plots.map(p => [p.querySelectorAll('path.sl-line').length, "
        "p.querySelectorAll('.sl-band').length, p.getAttribute('aria-label')])"
    )
    assert [plot[:2] for plot in drawn] == [[len(SHOWN) + 1, 1]] * 2
    sample, name = ".sl-proof-numbers .sl-sample", ".sl-proof-numbers th[scope=row]"
    line, row = page.locator(sample).first.bounding_box(), page.locator(name).first.bounding_box()
    assert row["height"] < 3 * line["height"], "a sample of the line stands beside the name"
    assert all("Probability of “A” by MSEA + ARC, TAM, Logit lens, Random" in d[2] for d in drawn)
    visitor.shot("proof-1440")
    assert serious(visitor) == []
    visitor.dress("dark", 390, 844)
    visitor.still()
    visitor.shot("proof-390")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    wide = "e => e.scrollWidth <= e.clientWidth"
    assert page.locator(".sl-proof-numbers").evaluate(wide), "the whole table is seen"
    stroke = page.locator(".sl-plot .sl-line-0").first.evaluate("e => getComputedStyle(e).stroke")
    assert stroke == "rgb(108, 188, 245)", "lighter than on white"
    assert serious(visitor) == []


def test_what_was_measured_is_late_once_something_else_is_chosen(app, visit):
    visitor = opened(app, visit)
    page = visitor.page
    page.click(MEASURE)
    page.wait_for_selector(RESULT)
    page.select_option(".sl-proof-bar select >> nth=1", "20")
    assert page.locator(".sl-proof-result.sl-late").count() == 1
    page.select_option(".sl-proof-bar select >> nth=1", "10")
    assert page.locator(".sl-proof-result.sl-late").count() == 0
    page.click(f"{CHIP} >> nth=6")
    visitor.wait_for_maps()
    assert page.locator(".sl-proof-result.sl-late").count() == 1, "it is about another word"
    page.focus(MEASURE)
    page.keyboard.press("Enter")
    page.wait_for_selector(RESULT)
    assert page.inner_text(".sl-proof-line").startswith("the ")
    page.click(".sl-prompt .sl-chip >> nth=0")
    visitor.wait_for_maps()
    page.click(MEASURE)
    page.wait_for_selector(".sl-proof .sl-work-said[data-kind=error]")
    assert "words of the answer" in page.inner_text(".sl-proof .sl-work-said")
    assert not page.is_visible(".sl-proof-result")


def test_it_can_be_stopped_and_begun_again(app, visit):
    visitor = opened(app, visit)
    page = visitor.page
    app.explainer.delay = 0.4
    page.click(MEASURE)
    page.wait_for_function("document.querySelector('.sl-proof .sl-work progress').value > 0")
    readings = (len(SHOWN) + RANDOM) * 20
    assert f"of {readings} readings" in page.inner_text(".sl-proof .sl-work-count")
    assert page.is_disabled(MEASURE)
    page.keyboard.press("Enter")  # Stop has the focus
    page.wait_for_selector(".sl-proof .sl-work", state="hidden")
    assert page.inner_text(".sl-proof .sl-work-said") == map_test_words.STOPPED
    assert not page.is_visible(".sl-proof-result")
    assert page.evaluate("document.activeElement.textContent") == map_test_words.STOPPED
    page.keyboard.press("Enter")  # a second time, by mistake: nothing begins again
    assert page.is_enabled(MEASURE)
    app.explainer.delay = 0
    page.click(MEASURE)
    page.wait_for_selector(RESULT)
    assert not page.is_visible(".sl-proof .sl-work-said")
    assert not page.is_visible(".sl-proof .sl-work")


def test_without_its_model_a_recorded_answer_says_what_is_needed(app, visit, tmp_path):
    visitor = opened(app, visit)
    page, old = visitor.page, visitor.page.evaluate("document.sightline.now.run")
    replace(app.store.get(old), model_id="org/another").save(tmp_path / "run.npz")
    page.click("#sl-recorded button.label-wrap")
    page.set_input_files("#sl-recorded input[type=file]", tmp_path / "run.npz")
    page.wait_for_function("old => document.sightline.now.run !== old", arg=old)
    visitor.wait_for_maps()
    page.click(MEASURE)
    page.wait_for_selector(".sl-proof .sl-work-said[data-kind=error]")
    assert "org/another, which is not loaded" in page.inner_text(".sl-proof .sl-work-said")


def test_a_server_that_takes_no_more_is_told_of(app, visit):
    visitor = opened(app, visit)
    page = visitor.page
    full = {"status": 503, "body": '{"detail": "Queue is full"}', "content_type": "text/json"}
    page.route("**/queue/join*", lambda route: route.fulfill(**full))
    page.click(MEASURE)
    page.wait_for_selector(".sl-proof .sl-work-said[data-kind=error]")
    assert page.inner_text(".sl-proof .sl-work-said") == texts.UNREACHABLE
    page.unroute("**/queue/join*")
    visitor.complaints.clear()  # the browser's own word on the 503
    page.click(MEASURE)
    page.wait_for_selector(RESULT)
