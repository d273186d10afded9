"""Chips and maps in a real browser: what is chosen is what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explainer.evaluation.synthetic import grid_rects
from explainer.export import DIVERGING as TABLES
from explainer.export import Look, colour_table
from explainer.methods import METHODS
from explainer.run import Run, View
from tests.ui.fake import ANSWER_TEXTS, SIDE, FakeExplainer, box_of

CHIP = ".sl-answer .sl-chip"
FOCUSED = "document.activeElement.textContent"
CHOSEN = "document.querySelector('.sl-chip[aria-selected=true]').textContent"
WORD = "document.querySelector('.sl-word').textContent"


def centre(index: int) -> tuple[float, float]:
    x0, y0, x1, y1 = box_of(index)
    return (x0 + x1) / 2 / SIDE, (y0 + y1) / 2 / SIDE


def test_every_click_lights_up_the_place_of_its_word(answer):
    visitor = answer.visitor
    assert visitor.chips() == [t.strip() for t in ANSWER_TEXTS]
    for i in range(len(ANSWER_TEXTS)):
        visitor.page.click(f"{CHIP} >> nth={i}")
        visitor.wait_for_maps()
        for method in ("msea_arc", "tam", "logit_lens"):
            assert visitor.brightness(method, *centre(i)) > 0.5
            assert visitor.brightness(method, *centre((i + 5) % 16)) < 0.4
    assert visitor.page.inner_text(".sl-word") == "."
    assert "fake-model" in visitor.page.inner_text(".sl-line")


def test_the_first_content_word_is_chosen_and_template_tokens_are_not_shown(answer):
    visitor = answer.visitor
    assert visitor.page.inner_text(".sl-chip[aria-selected=true]") == "cat"
    assert visitor.chips("prompt") == ["Describe", "it."]
    assert visitor.page.locator(".sl-chip").count() == len(ANSWER_TEXTS) + 2


def test_the_chosen_chip_is_filled(answer):
    visitor = answer.visitor
    colour = "e => getComputedStyle(e).backgroundColor"
    chosen = visitor.page.locator(".sl-chip[aria-selected=true]").evaluate(colour)
    assert chosen != visitor.page.locator(CHIP).first.evaluate(colour)
    assert chosen == "rgb(67, 56, 202)"


def test_keys_choose_and_carry_the_focus(answer):
    visitor = answer.visitor
    page = visitor.page
    page.focus(".sl-chip[aria-selected=true]")
    for key, word in [
        ("ArrowRight", "and"), ("ArrowLeft", "cat"), ("End", "."), ("ArrowRight", "."),
        ("Home", "A"), ("ArrowLeft", "A"), ("ArrowDown", "Describe"), ("End", "it."),
        ("ArrowUp", "A"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        for expression in (FOCUSED, CHOSEN, WORD):
            visitor.settled(word, expression)
    visitor.wait_for_maps()
    assert page.locator(".sl-chip[tabindex='0']").count() == 1, "one stop for the Tab key"


def test_twenty_fast_keys_end_on_the_right_word(serve, visit):
    app = serve(FakeExplainer(texts=tuple(f" w{i}" for i in range(24))))
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.focus(".sl-chip[aria-selected=true]")
    visitor.page.evaluate(
        "() => { for (let i = 0; i < 20; i++) document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true})); }"
    )
    visitor.settled("w20", CHOSEN)
    visitor.settled("w20", WORD)


def test_a_tap_chooses(app, visit):
    page = visit(app.url, 390, 844, has_touch=True).page
    page.tap(".sl-example >> nth=0")
    page.wait_for_selector(f"{CHIP}[aria-selected=true]")
    page.tap(f"{CHIP} >> nth=4")
    page.wait_for_function(f"() => {WORD} === 'dog'")


HOSTILE = (
    "<img src=x onerror=alert(1)>", "${1+1}", "`${alert(1)}`", "{{value}}", "{{#each}}", "\\u0041",
    "</script><script>alert(1)</script>", "\u202eabc",
    "👩‍🚀", "مرحبا", "\x00", " ", "\n", "&amp;", "'\"=",
)  # fmt: skip
DRAWN = (*HOSTILE[:10], "␀", "␣", "⏎", *HOSTILE[13:])


def test_hostile_tokens_are_shown_as_they_are(serve, visit):
    visitor = visit(serve(FakeExplainer(texts=HOSTILE)).url)
    page = visitor.page
    page.click(".sl-example >> nth=0")
    visitor.wait_for_maps()
    page.fill("#sl-prompt textarea", "<b>${1+1}</b> {{value}} `x`")
    page.click("#sl-run")
    page.wait_for_function(
        "() => document.querySelector('.sl-prompt .sl-chip')?.textContent === '<b>${1+1}</b>'"
    )
    visitor.wait_for_maps()
    assert visitor.chips() == list(DRAWN)
    for i, word in enumerate(DRAWN):
        page.click(f"{CHIP} >> nth={i}")
        visitor.settled(word, WORD)
    assert page.locator(".sl-tokens img, .sl-view script, .sl-status b").count() == 0
    visitor.shot("hostile")


def test_a_very_long_prompt_is_no_trap(app, visit):
    visitor = visit(app.url)
    visitor.page.click(".sl-example >> nth=0")
    visitor.wait_for_maps()
    visitor.page.fill("#sl-prompt textarea", "x" * 100_000)
    visitor.page.click("#sl-run")
    visitor.page.wait_for_function(
        "() => document.querySelector('.sl-prompt .sl-chip')?.textContent.length === 100000"
    )
    visitor.wait_for_maps()
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def expected(heat, x: int, y: int, size: int, table) -> np.ndarray:
    """Return the colour of one canvas pixel, worked out here from the map's values."""
    h, w = heat.shape
    fx, fy = (x + 0.5) / size * w - 0.5, (y + 0.5) / size * h - 0.5
    fx, fy = min(max(fx, 0), w - 1), min(max(fy, 0), h - 1)
    x0, y0 = int(fx), int(fy)
    x1, y1 = min(x0 + 1, w - 1), min(y0 + 1, h - 1)
    top = heat[y0, x0] * (1 - (fx - x0)) + heat[y0, x1] * (fx - x0)
    bottom = heat[y1, x0] * (1 - (fx - x0)) + heat[y1, x1] * (fx - x0)
    return table[int(top * (1 - (fy - y0)) + bottom * (fy - y0) + 0.5)]


def test_the_canvas_shows_the_values_in_the_colours_of_the_table(answer):
    visitor = answer.visitor
    run = answer.app.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    table = colour_table(Look().colours)
    for method in ("msea_arc", "tam", "logit_lens"):
        heat = METHODS[method](run, run.chips[chip].tokens[0])
        levels = np.round(heat.values * 255)
        shown = visitor.canvas(f"[data-method={method}] .sl-heat")
        size = len(shown)
        cell = size // 21
        for row in range(21):  # at the centre of each cell stands the value of that cell
            for column in range(21):
                x, y = column * cell + cell // 2, row * cell + cell // 2
                own = table[int(levels[row, column])].astype(int)
                assert np.abs(shown[y, x] - own).max() <= 40
    rng = np.random.default_rng(0)
    for x, y in rng.integers(0, size, (300, 2)):
        want = expected(levels, x, y, size, table)
        assert np.abs(shown[y, x] - want).max() <= 6, "one step of rounding at most"


def test_signed_maps_use_the_diverging_table(answer):
    assert Look().diverging in TABLES
    visitor, page = answer.visitor, answer.visitor.page
    page.click("text=Method options")
    page.select_option("select[name='logit_lens.show']", "signed")
    visitor.settled(
        "−10+1", "document.querySelector('[data-method=logit_lens] .sl-ticks').textContent"
    )
    table = {tuple(c) for c in colour_table(Look().diverging).tolist()}
    colours = {visitor.pixel("logit_lens", x, y) for x in (0.1, 0.4, 0.7) for y in (0.2, 0.5, 0.8)}
    assert colours <= table
    assert len(colours) > 3


def test_what_the_model_did_not_see_is_hatched(serve, visit):
    app = serve(_Padded())
    visitor = visit(app.url)
    visitor.explain()
    hatch = {(128, 128, 128), (48, 48, 48)}
    seen = {visitor.pixel("tam", 0.5 + d / 200, 0.5) for d in range(20)}
    unseen = {visitor.pixel("tam", 0.5 + d / 200, 0.05) for d in range(20)}
    assert unseen == hatch
    assert not seen & hatch


class _Padded(FakeExplainer):
    """As after a centre crop: the upper and lower sixth of the picture were not seen."""

    def stream(self, image, prompt, **options):
        for item in super().stream(image, prompt, **options):
            if isinstance(item, Run):
                rect = (0.0, SIDE / 6, float(SIDE), SIDE * 5 / 6)
                scales = tuple(replace(s, views=(_within(rect, *s.views),)) for s in item.scales)
                yield replace(item, scales=scales)
            else:
                yield item


def _within(rect, view: View) -> View:
    return replace(view, rects=grid_rects(view.grid, rect))


def test_roles_and_names_for_those_who_do_not_see(answer):
    visitor = answer.visitor
    page = visitor.page
    for row in page.locator(".sl-group").all():  # a row has tools as well, a listbox options only
        assert row.get_attribute("role") == "group"
        assert row.locator("[role=listbox] .sl-chip").count() == row.locator(".sl-chip").count()
    assert page.locator(".sl-chip[role=option]").count() == page.locator(".sl-chip").count()
    for canvas in page.locator(".sl-map .sl-heat").all():
        assert canvas.get_attribute("role") == "img"
        assert "“cat”" in canvas.get_attribute("aria-label")
    assert page.locator("input[type=range]:not([aria-label]):visible").count() == 0
    page.focus(".sl-chip[aria-selected=true]")
    page.keyboard.press("ArrowRight")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
