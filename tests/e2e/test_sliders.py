"""Sliders: however one is moved, the maps end in the state that it shows."""

from __future__ import annotations

import pytest

from explainer.export import Look, colour_table
from explainer.export.colours import add_cover
from explainer.methods import METHODS
from explainer.web import payload

FRAME = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
# Moves a slider back and forth, and draws every so many moves.
MOVE = """async ([moves, stride]) => {
  const slider = document.querySelector('[data-name=k] input[type=range]');
  for (let i = 0; i < moves; i++) {
    slider.value = 1 + i % 97;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    if (i % stride === stride - 1) await new Promise(requestAnimationFrame);
  }
}"""


def dial(visitor, name):
    return visitor.page.locator(f".sl-dial[data-name={name}]")


def values(visitor, name) -> tuple[str, str]:
    return (
        dial(visitor, name).locator("input[type=range]").input_value(),
        dial(visitor, name).locator("input[type=number]").input_value(),
    )


def ends_with(app, visitor, scales=(0.5, 0.75, 1.0), k=50, beta=None) -> None:
    """Wait until MSEA + ARC shows the map for these knobs, pixel by pixel."""
    key = visitor.page.get_attribute(".sl-view", "data-run")
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    run = app.store.get(key)
    heat = METHODS["msea_arc"](run, run.chips[chip].tokens[0], scales=scales, k=k, beta=beta)
    levels = payload.levels(heat.parts[0].values, heat.signed)
    size = visitor.page.evaluate("document.querySelector('.sl-heat').width")
    cell = size / 21
    points = [(c, r) for c in range(0, 21, 2) for r in range(0, 21, 2)]
    at = [[int((c + 0.5) * cell), int((r + 0.5) * cell)] for c, r in points]
    table = add_cover(colour_table("inferno"), heat.signed, Look().cover)
    want = [table[levels[r, c]].tolist() for c, r in points]
    visitor.page.wait_for_function(
        """([at, want]) => {
          const canvas = document.querySelector('[data-method=msea_arc] .sl-heat');
          const p = canvas.getContext('2d');
          return at.every(([x, y], i) => {
            const got = p.getImageData(x, y, 1, 1).data;
            return want[i].every((v, j) =>
              Math.abs(v * want[i][3] - got[j] * got[3]) <= 30 * 255);  // as they are mixed
          });
        }""",
        arg=[at, want],
    )


@pytest.fixture
def app(answer):
    return answer.app


@pytest.fixture
def visitor(answer):
    return answer.visitor


def test_k_by_keys_typing_and_reset(app, visitor):
    page, k = visitor.page, dial(visitor, "k")
    k.locator("input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert values(visitor, "k") == ("53", "53")
    page.keyboard.press("Home")
    assert values(visitor, "k") == ("1", "1")
    ends_with(app, visitor, k=1)
    k.locator("input[type=number]").fill("120")
    page.keyboard.press("Enter")
    assert values(visitor, "k") == ("120", "120")
    ends_with(app, visitor, k=120)
    k.locator("input[type=number]").fill("999")
    page.keyboard.press("Tab")
    assert values(visitor, "k") == ("200", "200")
    ends_with(app, visitor, k=200)
    k.locator(".sl-reset").click()
    assert values(visitor, "k") == ("50", "50")
    ends_with(app, visitor)


def test_beta_by_dragging_and_back_to_automatic(app, visitor):
    page, beta = visitor.page, dial(visitor, "beta")
    slider, switch = beta.locator("input[type=range]"), beta.locator("input[type=checkbox]")
    automatic = values(visitor, "beta")
    assert switch.is_checked()
    assert f"β = {float(automatic[1]):.2f}" in page.inner_text("[data-method=msea_arc] .sl-note")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for i in range(30):
        page.mouse.move(box["x"] + box["width"] * (0.5 + i / 60), box["y"] + box["height"] / 2)
    page.mouse.up()
    shown = float(values(visitor, "beta")[0])
    assert shown > 1.7
    assert not switch.is_checked()
    ends_with(app, visitor, beta=shown)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert float(values(visitor, "beta")[0]) == pytest.approx(shown - 0.05)
    ends_with(app, visitor, beta=shown - 0.05)
    beta.locator(".sl-reset").click()
    assert switch.is_checked()
    ends_with(app, visitor)
    visitor.settled(automatic[1], "document.querySelector('[data-name=beta] .sl-number').value")
    switch.uncheck()
    assert float(values(visitor, "beta")[0]) == pytest.approx(float(automatic[1]), abs=0.026)


def test_scales_can_be_switched_but_not_all_off(app, visitor):
    page = visitor.page
    switches = [dial(visitor, f"alpha{i}").locator("input[type=checkbox]") for i in (1, 2, 3)]
    switches[0].uncheck()
    ends_with(app, visitor, scales=(0.75, 1.0))
    switches[1].uncheck()
    ends_with(app, visitor, scales=(1.0,))
    switches[2].uncheck()
    page.wait_for_function(
        "() => document.querySelector('.sl-message').textContent.includes('scale')"
    )
    assert page.get_attribute(".sl-message", "role") == "alert"
    ends_with(app, visitor, scales=(1.0,))
    switches[0].check()
    ends_with(app, visitor, scales=(0.5,))
    assert visitor.message() == ""


def test_a_new_scale_is_read_once_and_kept(serve, visit):
    app = serve()
    visitor = visit(app.url)
    visitor.explain()
    visitor.quiet()
    queued = []
    visitor.tab.listen(
        "request", lambda r: queued.append(r.url) if "/queue/join" in r.url else None
    )
    first = dial(visitor, "alpha1")
    first.locator("input[type=range]").focus()
    for _ in range(4):
        visitor.page.keyboard.press("ArrowRight")
    assert values(visitor, "alpha1") == ("0.7", "0.7")
    visitor.page.wait_for_selector(".sl-busy")
    visitor.page.wait_for_selector(".sl-view:not(.sl-busy)")
    ends_with(app, visitor, scales=(0.7, 0.75, 1.0))
    assert app.explainer.added == [0.7], "scales that were only passed are not read"
    assert len(queued) == 1
    first.locator(".sl-reset").click()
    ends_with(app, visitor)
    first.locator("input[type=number]").fill("0.7")
    visitor.page.keyboard.press("Enter")
    ends_with(app, visitor, scales=(0.7, 0.75, 1.0))
    dial(visitor, "k").locator(".sl-reset").click()
    visitor.page.click(".sl-answer .sl-chip >> nth=4")
    visitor.wait_for_maps()
    assert len(queued) == 1, "recorded scales, sliders and clicks never queue"
    dial(visitor, "alpha4").locator("input[type=checkbox]").check()
    visitor.page.wait_for_selector(".sl-busy")
    visitor.page.wait_for_selector(".sl-view:not(.sl-busy)")
    ends_with(app, visitor, scales=(0.7, 0.75, 1.0, 1.25))
    assert app.explainer.added == [0.7, 1.25]


def test_opacity_and_colours_stay_in_the_browser(app, visitor):
    page, calls = visitor.page, []
    visitor.quiet()
    visitor.tab.listen("request", lambda request: calls.append(request.url))
    opacity = dial(visitor, "opacity")
    heat = "getComputedStyle(document.querySelector('.sl-heat')).opacity"
    opacity.locator("input[type=range]").focus()
    page.keyboard.press("End")
    visitor.settled("1", heat)
    opacity.locator(".sl-reset").click()
    visitor.settled("0.75", heat)
    table = {tuple(c) for c in colour_table("viridis").tolist()}
    page.select_option("#sl-colours", "viridis")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert visitor.pixel("tam", 0.3, 0.3) in table
    assert calls == []


def test_a_preset_sets_its_options_and_the_maps_follow(app, visitor):
    page = visitor.page
    page.click("text=Method options")
    page.select_option("select[name='msea_arc.preset']", "paper")
    for name, value in METHODS["msea_arc"].presets["paper"].items():
        assert page.input_value(f"[name='msea_arc.{name}']") == str(value)
    run = app.store.get(page.get_attribute(".sl-view", "data-run"))
    visitor.settled(
        METHODS["msea_arc"](run, 9, preset="paper").normalisation,
        "document.querySelector('[data-method=msea_arc] .sl-norm').textContent",
    )  # fmt: skip
    page.select_option("select[name='tam.mode']", "published")
    visitor.quiet()
    assert visitor.message() == ""
    page.select_option("select[name='tam.normalisation']", "token")
    page.wait_for_function("() => document.querySelector('.sl-message').dataset.kind === 'error'")
    page.select_option("select[name='tam.mode']", "corrected")
    page.wait_for_function("() => document.querySelector('.sl-message').textContent === ''")
    visitor.shot("options")


def test_no_knob_asks_the_server_for_anything(app, visitor):
    """Neither by pointer nor by key: nor would a hall of people who drag."""
    page, calls = visitor.page, []
    page.click("text=Method options")
    visitor.quiet()
    visitor.tab.listen("request", lambda request: calls.append(request.url))
    for name in ("k", "beta"):
        slider = dial(visitor, name).locator("input[type=range]")
        box = slider.bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
        page.mouse.down()
        for i in range(40):
            page.mouse.move(box["x"] + box["width"] * i / 40, box["y"] + box["height"] / 2)
        page.mouse.up()
        page.keyboard.press("ArrowRight")
    dial(visitor, "k").locator(".sl-reset").click()
    dial(visitor, "beta").locator(".sl-reset").click()
    dial(visitor, "alpha2").locator("input[type=checkbox]").uncheck()
    ends_with(app, visitor, scales=(0.5, 1.0))
    dial(visitor, "alpha2").locator("input[type=checkbox]").check()
    for name, value in (("fuse", "max"), ("normalisation", "answer"), ("preset", "paper")):
        page.select_option(f"select[name='msea_arc.{name}']", value)
        page.evaluate(FRAME)
    page.fill("input[name='msea_arc.window']", "7")
    page.keyboard.press("Enter")
    page.evaluate(FRAME)
    assert page.evaluate("document.sightline.now.entry.maps.length") == 3
    assert calls == []


def test_a_hall_that_drags_sends_the_server_nothing(serve, visit):
    app = serve()
    hall = [visit(app.url) for _ in range(3)]
    for visitor in hall:
        visitor.explain()
    for visitor in hall:
        visitor.quiet()
    arrived = []
    for visitor in hall:
        visitor.tab.listen("request", lambda request: arrived.append(request.url))
    for visitor in hall:
        visitor.page.evaluate(MOVE, [200, 50])
    for visitor in hall:
        ends_with(app, visitor, k=1 + 199 % 97)
    assert arrived == []


def test_ten_thousand_moves_leave_no_more_memory(visitor):
    """Neither the maps nor the steps that lead to them."""
    page = visitor.page
    page.click(".sl-opened > summary")
    page.wait_for_selector(".sl-opened[data-word]")
    visitor.quiet()
    client = visitor.tab.devtools()

    def heap() -> int:
        client.send("HeapProfiler.collectGarbage")
        return client.send("Runtime.getHeapUsage")["usedSize"]

    page.evaluate(MOVE, [1000, 250])
    before = heap()
    page.evaluate(MOVE, [10_000, 250])
    assert page.evaluate("document.sightline.now.entry.maps.length") == 3
    assert heap() - before < 2_000_000, "50 kB for each time that all is drawn"
