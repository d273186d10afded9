"""The maps as an instrument: instant repaints, film, zoom, cross-hair, comparison and outline."""

from __future__ import annotations

import json

import numpy as np
import pytest

from explainer.export import colour_table
from explainer.methods import COMPARISON, METHODS
from explainer.methods.otsu import otsu
from explainer.methods.subjects import Span, explain_subject
from explainer.run import PROMPT
from explainer.web import payload, texts
from explainer.web.controls import MethodSettings
from explainer.web.map_entry import entry_of
from explainer.web.places import place_words

CHIP = ".sl-answer .sl-chip"
WORD = "document.querySelector('.sl-word').textContent"
STATE = "document.sightline.now"
DRAWN = """async act => {
  const view = document.querySelector('.sl-view'), times = [];
  const {subjects} = document.sightline.now;
  for (let i = 0; i < 24; i++) {
    await new Promise(done => setTimeout(done, 20));
    await new Promise(done => {
      let start;
      requestAnimationFrame(() => { start = performance.now(); });
      const painted = () => { times.push(performance.now() - start); done(); };
      view.addEventListener('drawn', painted, {once: true});
      document.sightline.set({peek: subjects[i % subjects.length]});
    });
  }
  document.sightline.set({peek: null});
  return times;
}"""


@pytest.fixture
def app(answer):
    return answer.app


@pytest.fixture
def visitor(answer):
    return answer.visitor


def heat(app, visitor, method, **knobs):
    """Return the heatmap of the chip that is shown."""
    run = app.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    return explain_subject(METHODS[method], run, Span(run.chips[chip].tokens), **knobs)


def assert_cells(visitor, method, steps, name="inferno") -> None:
    """The middle of each cell on the canvas has the colour of its step (21 x 21)."""
    shown = visitor.canvas(f"[data-method={method}] .sl-heat", name)
    middle = ((np.arange(21) + 0.5) * len(shown) / 21).astype(int)
    want = colour_table(name)[np.asarray(steps)].astype(int)
    assert np.abs(shown[middle][:, middle] - want).max() <= 40


def watched(visitor) -> list[str]:
    """Return a list that will hold the addresses of all that the page asks for."""
    calls: list[str] = []
    visitor.quiet()
    visitor.tab.listen("request", lambda request: calls.append(request.url))
    return calls


def press(visitor, *keys) -> None:
    for key in keys:
        visitor.page.keyboard.press(key)


def test_hovering_and_arrows_ask_for_nothing(app, visitor, capsys):
    page, calls = visitor.page, watched(visitor)
    page.hover(f"{CHIP} >> nth=4")
    visitor.settled("dog", WORD)
    assert page.inner_text(".sl-chip[aria-selected=true]") == "cat", "hovering chooses nothing"
    assert_cells(
        visitor, "msea_arc", payload.levels(heat(app, visitor, "msea_arc").parts[0].values)
    )
    page.mouse.move(2, 2)
    visitor.settled("cat", WORD)
    page.focus(".sl-chip[aria-selected=true]")
    press(visitor, "ArrowRight", "ArrowRight", "ArrowRight")
    visitor.settled("dog", WORD)
    assert_cells(visitor, "tam", payload.levels(heat(app, visitor, "tam").parts[0].values))
    assert [call for call in calls if "static/" in call] == []
    times = page.evaluate(DRAWN)
    with capsys.disabled():
        print(f"\nthree maps drawn: fastest {min(times):.1f} ms, median {np.median(times):.1f} ms")
    assert min(times) < 500, "a loose bound: the machine may be busy with other things"


def test_the_maps_of_a_slider_never_stand_under_another_number(app, visitor):
    page = visitor.page
    page.evaluate(
        "() => { window.drawn = [];"
        "document.querySelector('.sl-view').addEventListener('drawn', () => {"
        "  const {entry, panel} = document.sightline.now;"
        "  window.drawn.push([panel.k, [...entry.maps[0].parts[0].cells]]); }); }"
    )
    for value in ("10", "20", "30"):
        page.fill("[data-name=k] .sl-number", value)
        page.keyboard.press("Enter")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    drawn = page.evaluate("window.drawn")
    assert drawn[-1][0] == 30
    for k, cells in drawn:
        steps = payload.levels(heat(app, visitor, "msea_arc", k=k).parts[0].values).ravel()
        assert np.abs(np.array(cells) - steps.astype(int)).max() <= 1
    calls = watched(visitor)
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", WORD)
    steps = payload.levels(heat(app, visitor, "msea_arc", k=30).parts[0].values)
    assert_cells(visitor, "msea_arc", steps)
    assert [call for call in calls if "static/" in call] == []


def test_until_evidence_comes_the_last_maps_are_marked(visitor):
    page, held = visitor.page, []
    page.route("**/static/evidence/**", lambda route: held.append(route))
    page.click(".sl-example >> nth=1")
    page.wait_for_selector(".sl-view.sl-late")
    assert "saturate" in page.evaluate(
        "getComputedStyle(document.querySelector('.sl-frame')).filter"
    )
    visitor.until(lambda: held)
    held[0].continue_()
    page.wait_for_selector(".sl-view:not(.sl-late)")
    assert len(held) == 1, "it is asked for once"


def test_evidence_that_does_not_come_is_said_and_asked_for_again(visitor):
    page = visitor.page
    page.route("**/static/evidence/**", lambda route: route.abort())
    page.click(".sl-example >> nth=1")
    visitor.settled(texts.UNREACHABLE, "document.querySelector('.sl-message').textContent")
    assert page.locator(".sl-map").count() == 3, "the last maps stay"
    page.unroute("**/static/evidence/**")
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("", "document.querySelector('.sl-message').textContent")
    visitor.settled("dog", WORD)
    visitor.complaints[:] = [c for c in visitor.complaints if "Failed to load" not in c]


def test_a_run_that_is_gone_is_said_and_what_was_sent_goes_on(app, visitor):
    page, run = visitor.page, visitor.page.get_attribute(".sl-view", "data-run")
    gone = {"status": 404, "json": {"detail": texts.EXPIRED}}
    page.route(f"**/static/evidence/{run}*", lambda route: route.fulfill(**gone))
    at = app.store.get(run).chips[-1].tokens[0]
    page.evaluate("at => document.sightline.set({subject: {at, ids: [22]}})", at)
    visitor.settled(texts.EXPIRED, "document.querySelector('.sl-message').textContent")
    page.click(f"{CHIP} >> nth=4")
    visitor.settled("dog", WORD)
    page.fill("[data-name=k] .sl-number", "20")
    page.keyboard.press("Enter")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    steps = payload.levels(heat(app, visitor, "msea_arc", k=20).parts[0].values)
    assert_cells(visitor, "msea_arc", steps)
    visitor.complaints[:] = [c for c in visitor.complaints if "Failed to load" not in c]


def test_what_is_said_of_a_word_is_what_python_says(app, visitor):
    page, run = visitor.page, app.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    at, first = run.chips[-1].tokens[0], run.chips[0].tokens[0]
    other = {"at": at, "ids": [int(run.topk[at, 1])]}
    span = {"tokens": [at - 2, at - 1], "by": "mean"}
    chip = {"chip": payload.first_chip(run)}
    prompt = {"chip": next(i for i, c in enumerate(run.chips) if c.role == PROMPT)}
    template = {"tokens": [first], "by": "max"}
    for subject in (chip, prompt, template, span, other, {"plus": chip, "minus": other}):
        want = entry_of(run, subject, MethodSettings(()))
        page.evaluate("subject => document.sightline.set({subject})", subject)
        visitor.settled(want.word, WORD)
        assert page.evaluate(f"{STATE}.entry.line") == want.line


def test_the_answer_plays_like_a_film(visitor):
    page = visitor.page
    page.select_option(".sl-speed", "8")
    page.focus(".sl-chip[aria-selected=true]")
    press(visitor, " ")
    assert page.get_attribute(".sl-play", "aria-label") == texts.PLAYING["pause"]
    visitor.settled("grass", WORD)
    visitor.settled(".", WORD)
    visitor.settled(texts.PLAYING["play"], "document.querySelector('.sl-play').ariaLabel")
    page.click(".sl-play")  # from the start
    visitor.settled("and", WORD)
    page.click(".sl-play")
    word = page.inner_text(".sl-word")
    visitor.quiet()  # no timer is left that would go on
    assert page.inner_text(".sl-word") == word, "paused"


def test_all_maps_zoom_and_pan_as_one(visitor):
    page = visitor.page
    frame = page.locator("[data-method=tam] .sl-frame")
    box = frame.bounding_box()
    stages = "[...document.querySelectorAll('.sl-stage')].map(s => getComputedStyle(s).transform)"
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.wait_for_function(f"() => {STATE}.zoom.scale > 4")
    zoom = page.evaluate(f"{STATE}.zoom")
    assert zoom["x"] < 0.4, "it zooms towards the pointer"
    assert len(set(page.evaluate(stages))) == 1
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4 + 60, box["y"] + box["height"] / 4, steps=4)
    page.mouse.up()
    moved = page.evaluate(f"{STATE}.zoom.x")
    assert moved == pytest.approx(zoom["x"] - 60 / box["width"] / zoom["scale"], abs=0.01)
    assert page.inner_text(".sl-whole").startswith(f"{zoom['scale']:.1f}".replace(".0", ""))
    frame.dblclick()
    assert page.evaluate(f"{STATE}.zoom.scale") == 1
    press(visitor, "+", "+", "-")
    assert page.evaluate(f"{STATE}.zoom.scale") == pytest.approx(1.5)
    press(visitor, "0")
    assert page.evaluate(f"{STATE}.zoom.scale") == 1
    assert not page.is_visible(".sl-whole")


def test_the_cross_hair_says_place_values_and_words(app, visitor):
    page = visitor.page
    box = page.locator("[data-method=tam] .sl-frame").bounding_box()
    row, column = 5, 8
    place = [(column + 0.5) / 21, (row + 0.5) / 21]
    page.mouse.move(box["x"] + box["width"] * place[0], box["y"] + box["height"] * place[1])
    run = app.store.get(page.get_attribute(".sl-view", "data-run"))
    told = place_words(run)
    at = (row * 21 + column) * 5
    says = [told["texts"][i] for i in told["images"][0]["words"][at : at + 5]]
    line = texts.VIEW["placeSays"].format(
        x=round(100 * place[0]), y=round(100 * place[1]), words=" ".join(f"“{w}”" for w in says)
    )
    visitor.settled(line, "document.querySelector('.sl-line').textContent")
    for method in ("msea_arc", "tam", "logit_lens"):
        value = heat(app, visitor, method).values[row, column]
        shown = float(page.inner_text(f"[data-method={method}] .sl-value"))
        assert shown == pytest.approx(value, abs=0.006)
    visitor.shot("cross-hair")
    page.mouse.move(2, 2)
    assert "fake-model" in page.inner_text(".sl-line")
    page.focus("[data-method=msea_arc] .sl-frame")
    press(visitor, "ArrowRight", "ArrowDown")
    assert page.locator(".sl-across:visible").count() == 3
    assert "MSEA + ARC" in page.text_content(".sl-view .sl-heard"), (
        "keys are answered to those who listen"
    )


def test_methods_are_chosen_from_the_registry(app, visitor):
    page = visitor.page
    page.click("#sl-view .sl-menu >> nth=0")
    shown = page.locator("#sl-view .sl-menu").first.locator(".sl-check span").all_inner_texts()
    assert shown == [method.label for method in (*METHODS.values(), *COMPARISON.values())]
    for name in ("tam", "logit_lens"):
        page.uncheck(f".sl-check input[value={name}]")
    page.check(".sl-check input[value=mean_mitigation]")
    page.keyboard.press("Escape")
    visitor.settled(
        "msea_arc,mean_mitigation",
        "[...document.querySelectorAll('.sl-map')].map(m => m.dataset.method).join()",
    )
    visitor.wait_for_maps()
    steps = payload.levels(heat(app, visitor, "mean_mitigation").parts[0].values)
    assert_cells(visitor, "mean_mitigation", steps)
    page.click("text=Method options")
    assert page.locator(".sl-method h3").all_inner_texts() == ["MSEA + ARC", "Mean mitigation"]
    visitor.shot("methods")


def test_two_methods_alternate_and_their_difference_is_signed(app, visitor):
    page = visitor.page
    page.select_option("#sl-cover", "all")  # opaque: a PNG keeps their colours exactly
    how = page.locator(".sl-compare select").first
    how.select_option("difference")
    page.wait_for_selector("[data-method=difference]")
    gap = heat(app, visitor, "msea_arc").values - heat(app, visitor, "tam").values
    ticks = page.locator("[data-method=difference] .sl-ticks span").all_inner_texts()
    assert float(ticks[2]) == pytest.approx(np.abs(gap).max(), abs=0.01)
    steps = np.clip(np.round(127.5 + 127.5 * gap / np.abs(gap).max()), 0, 255).astype(int)
    assert_cells(visitor, "difference", steps, "RdBu_r")
    visitor.shot("difference")
    page.click(".sl-compare .sl-tool")
    visitor.settled("TAM − MSEA + ARC", "document.querySelector('figcaption strong').textContent")
    how.select_option("blink")
    for label in ("TAM", "MSEA + ARC", "TAM"):
        visitor.settled(label, "document.querySelector('figcaption strong').textContent")
    assert page.locator(".sl-map").count() == 1
    how.select_option("side")
    page.wait_for_function("() => document.querySelectorAll('.sl-map').length === 3")


def test_squares_outline_and_full_strength(app, visitor):
    page = visitor.page
    page.click("#sl-view .sl-menu >> nth=1")
    sheet = page.locator("#sl-view .sl-menu").nth(1)
    sheet.locator("select").first.select_option("cells")
    sheet.locator("input[type=checkbox]").check()
    levels = payload.levels(heat(app, visitor, "logit_lens").parts[0].values)
    page.wait_for_selector("[data-method=logit_lens] .sl-outline[d]")
    table = colour_table("inferno")
    cell = page.evaluate("document.querySelector('.sl-heat').width") / 21
    for row, column, shift in ((3, 4, 0.1), (3, 4, 0.9), (12, 7, 0.1), (20, 20, 0.9)):
        at = [(column + shift) * cell / (21 * cell), (row + shift) * cell / (21 * cell)]
        assert visitor.pixel("logit_lens", *at) == tuple(table[levels[row, column]])
    above = levels > otsu(levels)
    edges = int(np.abs(np.diff(np.pad(above, 1).astype(int), axis=0)).sum())
    path = page.get_attribute("[data-method=logit_lens] .sl-outline", "d")
    assert path.count("H") == edges, "the outline runs along the cells above Otsu's threshold"
    sheet.locator("select").nth(1).select_option("token")
    visitor.wait_for_maps()
    norms = {p.strip() for p in page.locator(".sl-norm:visible").all_inner_texts()}
    visitor.settled(
        "1",
        "new Set([...document.querySelectorAll('.sl-map .sl-norm')].map(n => n.textContent)).size",
    )
    assert norms
    visitor.shot("outline")


def test_what_is_remembered_is_plain(visitor):
    values = visitor.page.evaluate(f"JSON.stringify({STATE})")
    assert json.loads(values)["methods"] == ["msea_arc", "tam", "logit_lens"]
