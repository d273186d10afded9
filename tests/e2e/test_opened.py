"""The method opened up: what is shown is what the method computes, for the word that is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from explainer.export import colour_table
from explainer.methods.anatomy import anatomy, overlap
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer

NUMBERS = "document.querySelector('.sl-opened').dataset"
# Both maps are the same: they are computed from the same arrays.
SAME = """() => {
  const pixels = name => {
    const canvas = document.querySelector(`${name} .sl-heat`), {width, height} = canvas;
    return canvas.getContext('2d').getImageData(0, 0, width, height).data;
  };
  const own = pixels('[data-step=after]'), other = pixels('[data-method=msea_arc]');
  return own.length === other.length && own.every((value, i) => Math.abs(value - other[i]) <= 1);
}"""

# Moves the slider of beta; after each step, the factor that is shown and whether both maps follow.
FOLLOW = (
    "async () => { const same = "
    + SAME
    + """, slider = document.querySelector('[data-name=beta] .sl-range'), seen = [];
  for (let beta = 0; beta <= 2; beta += .25) {
    slider.value = beta;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    await new Promise(requestAnimationFrame);  // after all that the page does in this frame
    seen.push([document.querySelector('.sl-factor').textContent, same()]);
  }
  return seen;
}"""
)


def unfold(visitor) -> None:
    """Open the section, and wait until it is built."""
    visitor.page.click(".sl-opened > summary")
    ready(visitor, "cat")


@pytest.fixture
def answer(look):
    return look(unfold)


@pytest.fixture
def app(answer):
    return answer.app


@pytest.fixture
def visitor(answer):
    return answer.visitor


def opened(app, visit, **size):
    visitor = visit(app.url, **size)
    visitor.explain()
    visitor.page.click(".sl-opened > summary")
    return visitor


def ready(visitor, word: str) -> None:
    """Wait until the section shows the map of this word, the one that is shown above."""
    visitor.settled(word, f"{NUMBERS}.word")
    visitor.page.wait_for_selector(".sl-opened-body:not(.sl-late)")
    visitor.page.wait_for_function(SAME)


def found(app, visitor, **knobs):
    """Return the run, the chosen token, and how its map came about."""
    run = app.store.get(visitor.page.get_attribute(".sl-view", "data-run"))
    chip = int(visitor.page.get_attribute(".sl-view", "data-chip"))
    token = run.chips[chip].tokens[0]
    return run, token, anatomy(run, token, **knobs)


def shows(visitor, place: str, values: np.ndarray, high: float) -> None:
    """Assert that a canvas shows these values of a square picture, where cells are fairly flat."""
    drawn = visitor.canvas(f"{place} .sl-heat")
    levels = np.clip(np.round(values / high * 255), 0, 255).astype(int)
    table, cell, compared = colour_table("inferno").astype(int), len(drawn) / len(values), 0
    for row in range(1, len(values) - 1, 3):
        for column in range(1, len(values) - 1, 3):
            around = levels[row - 1 : row + 2, column - 1 : column + 2]
            if np.ptp(around) > 60:
                continue
            got = drawn[int((row + 0.5) * cell), int((column + 0.5) * cell)]
            step = np.abs(table - got).sum(axis=1).argmin()
            assert abs(step - levels[row, column]) <= 8
            compared += 1
    assert compared > 5


def test_every_picture_shows_what_the_method_computes(app, visitor):
    ready(visitor, "cat")
    _, _, want = found(app, visitor)
    maps = (want.fused, want.interference, want.before)
    high = max(np.abs(parts[0].values).max() for parts in maps)
    for name, parts in zip(("fused", "interference", "before"), maps, strict=True):
        shows(visitor, f"[data-step={name}]", parts[0].values, high)
    ends = visitor.page.locator("[data-step=fused] .sl-ticks span").all_text_contents()
    assert ends[0] == "0"
    assert float(ends[1]) == pytest.approx(high, rel=0.05)
    assert visitor.page.inner_text(".sl-factor") == f"β = {want.beta:.2f}"
    assert visitor.page.locator(".sl-opened math").count() == 7
    visitor.shot("opened")


def test_it_asks_for_its_script_alone_and_follows_the_word_while_it_is_open(serve, visit):
    app = serve()
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.click(".sl-chip:has-text('dog')")
    visitor.wait_for_maps()
    visitor.quiet()
    asked = []
    visitor.tab.listen("request", lambda r: asked.append(r.url))
    visitor.page.click(".sl-opened > summary")
    ready(visitor, "dog")
    visitor.page.focus(".sl-chip[aria-selected=true]")
    for _ in range(3):
        visitor.page.keyboard.press("ArrowRight")
    ready(visitor, "grass")
    visitor.page.click(".sl-opened > summary")
    visitor.page.click(".sl-chip:has-text('cat')")
    visitor.wait_for_maps()
    assert visitor.page.evaluate(f"{NUMBERS}.word") == "grass"  # folded: not brought along
    visitor.page.click(".sl-opened > summary")
    ready(visitor, "cat")
    assert ["/static/folds/step_by_step-" in url for url in asked] == [True]


def test_it_follows_a_slider_that_is_dragged_in_the_same_frame_and_asks_for_nothing(app, visitor):
    ready(visitor, "cat")
    visitor.quiet()
    asked = []
    visitor.tab.listen("request", lambda r: asked.append(r.url))
    followed = visitor.page.evaluate(FOLLOW)
    assert followed == [[f"β = {beta / 4:.2f}", True] for beta in range(9)]
    k = visitor.page.locator("[data-name=k] .sl-range")
    box = k.bounding_box()
    visitor.page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    visitor.page.mouse.down()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=12)
    visitor.page.mouse.up()
    shown = int(k.input_value())
    assert shown > 150
    ready(visitor, "cat")
    _, _, want = found(app, visitor, k=shown, beta=2.0)
    shows(visitor, "[data-step=after]", want.heat.values, 1.0)
    assert visitor.page.locator(".sl-more-guesses").inner_text() == f"Show all {shown} guesses"
    assert asked == []


def test_twenty_fast_keys_end_on_the_right_word(visitor):
    ready(visitor, "cat")
    visitor.page.focus(".sl-chip[aria-selected=true]")
    for key in ["ArrowRight"] * 7 + ["ArrowLeft", "ArrowRight"] * 5 + ["ArrowLeft"] * 3:
        visitor.page.keyboard.press(key)
    ready(visitor, ANSWER_TEXTS[5].strip())


def test_weights_of_scales_move_both_maps(app, visitor):
    ready(visitor, "cat")
    first = visitor.page.locator(".sl-dial[data-name=step-weight1] input[type=range]")
    first.focus()
    visitor.page.keyboard.press("Home")
    visitor.settled("0 %", "document.querySelector('.sl-reading .sl-caption')"
                    ".textContent.split(' weight ')[1]")  # fmt: skip
    ready(visitor, "cat")
    _, _, want = found(app, visitor, scale_weights=(0, 1, 1))
    _, _, other = found(app, visitor)
    assert np.abs(want.heat.values - other.heat.values).max() > 0.02
    shows(visitor, "[data-step=after]", want.heat.values, 1.0)
    shows(visitor, "[data-method=msea_arc]", want.heat.values, 1.0)
    visitor.page.click(".sl-dial[data-name=step-weight1] .sl-reset")
    visitor.settled("33 %", "document.querySelector('.sl-reading .sl-caption')"
                    ".textContent.split(' weight ')[1]")  # fmt: skip
    ready(visitor, "cat")
    shows(visitor, "[data-step=after]", other.heat.values, 1.0)


def test_scales_come_and_go_with_the_sliders_above(visitor):
    ready(visitor, "cat")
    assert visitor.page.locator(".sl-reading strong").all_text_contents() == [
        "α = 0.5", "α = 0.75", "α = 1"
    ]  # fmt: skip
    visitor.page.click(".sl-dial[data-name=alpha2] .sl-switch")
    visitor.settled("2", "document.querySelectorAll('.sl-reading').length")
    ready(visitor, "cat")
    assert "50 %" in visitor.page.inner_text(".sl-reading .sl-caption >> nth=0")


def test_words_before_by_keys_and_their_lists(app, visitor):
    visitor.page.click(".sl-chip:has-text('dog')")
    ready(visitor, "dog")
    run, token, _ = found(app, visitor)
    before = visitor.page.locator(".sl-before")
    assert before.locator(".sl-before-text").all_text_contents() == [
        "Describe", "it.", "A", "cat", "and", "a"
    ]  # fmt: skip
    assert visitor.page.locator(".sl-before[aria-selected=true]").count() == 1
    visitor.page.click(".sl-before:has-text('and')")
    visitor.page.keyboard.press("ArrowLeft")
    visitor.settled("cat", "document.activeElement.querySelector('.sl-before-text').textContent")
    visitor.settled(
        "Guesses in place of “cat”", "document.querySelector('.sl-guess-side h4').textContent"
    )
    visitor.page.click(".sl-more-guesses")
    shared = overlap(run, token - 3, token).shared
    assert visitor.page.locator(".sl-guess").count() == 100
    assert visitor.page.locator(".sl-links path").count() == len(shared)
    left = visitor.page.locator(".sl-guess-side >> nth=0").locator(".sl-guess[data-link]")
    assert left.count() == len(shared)
    left.first.focus()
    lit = visitor.page.locator(".sl-lit")
    assert lit.count() == 3  # the guess in both lists, and the line between
    assert len({*lit.locator(".sl-guess-text").all_text_contents()}) == 1
    assert "place" in left.first.get_attribute("aria-label")
    assert visitor.page.get_attribute(".sl-before:has-text('cat')", "aria-label").startswith("cat:")


def test_with_the_maximum_there_is_nothing_to_weigh(visitor):
    ready(visitor, "cat")
    visitor.page.click(".sl-fold:has(.sl-options) > summary")
    visitor.page.select_option("[name='msea_arc.fuse']", "max")
    visitor.page.wait_for_selector(".sl-dial[data-name=step-weight1] input[type=range]:disabled")
    ready(visitor, "cat")


def test_hostile_words_are_text(serve, visit):
    texts = ["<img src=x onerror=alert(1)>", " {word}", " ${1+1}", " dog"]
    app = serve(FakeExplainer(texts))
    visitor = opened(app, visit)
    visitor.page.click(".sl-chip:has-text('dog')")
    ready(visitor, "dog")
    words = visitor.page.locator(".sl-before-text").all_text_contents()
    assert words[-3:] == ["<img src=x onerror=alert(1)>", "{word}", "${1+1}"]


def test_it_fits_a_phone(serve, visit):
    visitor = opened(serve(), visit, width=390, height=844)
    ready(visitor, "cat")
    for theme in ("light", "dark"):
        visitor.dress(theme, 390, 844)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390, theme
        visitor.shot(f"opened-390-{theme}")
