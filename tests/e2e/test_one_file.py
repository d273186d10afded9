"""The HTML file in a real browser: from disk, without a network, under its own strict policy."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainer.export import Chosen, Exhibit, Look, chips, colour_table, overlay
from explainer.export.small_print import notes
from explainer.methods import COMPARISON, METHODS, Heatmap
from explainer.methods.anatomy import anatomy, peak
from explainer.methods.otsu import levels
from explainer.methods.subjects import Contrast, Span, Subject, Unsaid, explain_subject
from explainer.run import ANSWER, Run
from explainer.web.controls import SHOWN, options, read_settings
from explainer.web.one_file import one_file
from explainer.web.places import place_words
from tests.e2e.tabs import Tab, sync_api
from tests.e2e.visitor import DRAWN
from tests.ui.fake import ANSWER_TEXTS, fake_run, with_layers
from tests.ui.test_one_file import HOSTILE

GALLERY = Path(__file__).parents[2] / "assets" / "gallery"
CHIP = ".sl-answer .sl-chip"


@pytest.fixture
def opened(lend_tab: Callable[..., Tab], tmp_path: Path) -> Iterator[Callable[..., sync_api.Page]]:
    """A function that writes the file of a run and opens it; it may ask nobody for anything."""
    tabs, bad = [], []

    def open_file(run: Run, width: int = 1200, theme: str = "light") -> sync_api.Page:
        chosen = tuple(Chosen(METHODS[name], METHODS[name].settings()) for name in SHOWN)
        path = tmp_path / "run.html"
        path.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)))))
        tabs.append(lend_tab(width, 800, offline=True))
        tab, page = tabs[-1], tabs[-1].page
        page.emulate_media(color_scheme=theme)
        tab.listen("pageerror", lambda error: bad.append(str(error)))
        tab.listen("console", lambda m: bad.append(m.text) if m.type == "error" else None)
        tab.listen("dialog", lambda dialog: bad.append("a dialog opened"))
        tab.listen("request", lambda r: None if r.url.startswith("data:") else asked.append(r.url))
        tab.open(path.as_uri())
        page.wait_for_selector(".sl-view[data-chip]")
        assert asked == [path.as_uri()]
        return page

    asked: list[str] = []
    yield open_file
    for tab in tabs:
        tab.page.evaluate("0")  # what has happened so far has been told by then
    assert bad == []
    assert len(asked) == len(tabs), "only the file itself"


def _canvas(page: sync_api.Page, method: str) -> np.ndarray:
    """Return (H, W, 4): the pixels of a map's canvas."""
    canvas = f"document.querySelector('[data-method={method}] .sl-heat').toDataURL()"
    return _pixels(page.evaluate(canvas), "RGBA").astype(int)


def _pixels(uri: str, mode: str = "RGB") -> np.ndarray:
    """Return (H, W, channels) uint8 of a canvas that wrote itself as a PNG."""
    data = base64.b64decode(uri.partition("base64,")[2])
    return np.array(Image.open(io.BytesIO(data)).convert(mode))


def _word(page: sync_api.Page, text: str) -> None:
    page.wait_for_function(
        "want => document.querySelector('.sl-word').textContent === want", arg=text
    )


def test_canvases_are_what_python_computes(opened):
    run = fake_run()
    page = opened(run)
    token = int(run.indices(ANSWER)[4])
    page.click(f"{CHIP} >> nth=4")
    _word(page, "dog")
    for cover, at_0 in (("value", 0), ("all", 255)):
        page.select_option("#sl-cover", cover)
        page.wait_for_function(
            "opacity => document.querySelector('.sl-bar').getContext('2d')"
            ".getImageData(0, 0, 1, 1).data[3] === opacity",
            arg=at_0,
        )
        for name in SHOWN:
            heat = METHODS[name](run, token)
            expected = overlay(run.image, heat, colour_table("inferno"), 1.0, cover=cover)
            pixels = _canvas(page, name)
            share = pixels[..., 3:] / 255
            laid = (1 - share) * run.image + share * pixels[..., :3]
            assert np.abs(laid - expected).max() <= 16, "a step of the table"


def test_chips_keys_hover_methods_and_opacity_work(opened):
    page = opened(fake_run())
    assert page.locator(CHIP).all_text_contents() == [t.strip() for t in ANSWER_TEXTS]
    _word(page, "cat")
    page.keyboard.press("Tab")
    page.focus(".sl-chip[aria-selected=true]")
    page.keyboard.press("ArrowRight")
    _word(page, "and")
    page.hover(f"{CHIP} >> nth=7")
    _word(page, "grass")
    page.mouse.move(1, 1)
    _word(page, "and")
    assert page.locator(".sl-map").count() == 3
    page.click(".sl-menu > summary >> nth=0")
    page.click(".sl-menu input[value=tam]")
    page.wait_for_function("() => document.querySelectorAll('.sl-map').length === 2")
    page.locator("[data-name=opacity] .sl-range").fill("0.2")
    opacity = "document.documentElement.style.getPropertyValue('--sl-heat')"
    assert page.evaluate(opacity) == "0.2"
    page.select_option("#sl-cover", "all")  # opaque: a PNG keeps their colours exactly
    page.select_option("#sl-colours", "viridis")
    page.evaluate(DRAWN)
    seen = {tuple(c) for c in _canvas(page, "msea_arc")[..., :3].reshape(-1, 3).tolist()}
    assert seen <= {tuple(c) for c in colour_table("viridis").tolist()}


def test_several_pictures_and_a_phone_in_the_dark(opened):
    page = opened(fake_run(images=3), width=390, theme="dark")
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.click(".sl-shot >> nth=2")
    page.wait_for_function("() => document.querySelector('.sl-view').dataset.image === '2'")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(wide)


def test_hostile_words_are_drawn_as_they_are(opened):
    page = opened(fake_run(HOSTILE, prompt="</script><img src=x onerror=alert(1)>"))
    assert page.locator(CHIP).first.text_content() == HOSTILE[0]
    assert page.text_content("h1") == "</script><img src=x onerror=alert(1)>"


def test_bars_of_evidence_and_words_at_a_place_come_with_the_file(opened):
    """A recorded run of the gallery, which holds both."""
    run = Run.load(GALLERY / "fruit-emoji-qwen2-vl.npz")
    page = opened(run)
    assert page.locator(".sl-answer .sl-chip .sl-rests").count() == len(run.indices(ANSWER))
    page.hover("[data-method=tam] .sl-frame")
    page.wait_for_selector(".sl-line.sl-pointed")
    told = place_words(run)
    assert any(f"“{text}”" in page.inner_text(".sl-line") for text in told["texts"])


def test_what_the_file_does_not_hold_is_said(opened):
    page = opened(fake_run())
    page.evaluate("() => document.sightline.set({subject: {at: 12, word: 'bird', by: 'max'}})")
    page.wait_for_function(
        "() => document.querySelector('.sl-message').textContent.includes('open the run in')"
    )


def test_the_look_of_the_exhibit_is_the_look_of_the_file(lend_tab, tmp_path):
    chosen = (Chosen(METHODS["tam"], METHODS["tam"].settings()),)
    run, path = fake_run(), tmp_path / "run.html"
    look = Look("viridis", opacity=0.3, cover="all", theme="dark")
    path.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)), look)))
    tab = lend_tab(1280, 720)
    tab.open(path.as_uri())
    page = tab.page
    page.wait_for_selector(".sl-view[data-chip]")
    assert page.input_value("#sl-colours") == "viridis"
    assert page.input_value("#sl-cover") == "all"
    assert page.evaluate("document.documentElement.style.getPropertyValue('--sl-heat')") == "0.3"
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    assert page.locator(".sl-map").count() == 1


# Sliders -----------------------------------------------------------------------------------------

SETTLED = "() => !document.querySelector('.sl-view').matches('.sl-late')"


def compare_with_python(page: sync_api.Page, run: Run, subject: list[int] | Subject) -> set[str]:
    """Compare all maps that are drawn with Python's at the same controls, to a step of 256; return
    the methods that are drawn.

    The subject may be a list of tokens that are explained as one.
    """
    subject = Span(tuple(subject)) if isinstance(subject, list) else subject
    page.evaluate(DRAWN)
    page.wait_for_function(SETTLED)
    panel, options, maps = page.evaluate(
        "() => { const {panel, options, entry} = document.sightline.now; return [panel, options, "
        "entry.maps.map(map => ({...map, parts: map.parts.map(part => "
        "({...part, cells: [...part.cells]}))}))]; }"
    )
    settings = read_settings(panel, options)
    assert [m["name"] for m in maps] == list(settings.knobs)
    for told in maps:
        method = METHODS[told["name"]]
        heat = explain_subject(method, run, subject, **settings.knobs[told["name"]])
        assert told["norm"] == heat.normalisation
        assert told["note"] == notes(heat)
        for drawn, part in zip(told["parts"], heat.parts, strict=True):
            assert drawn["shape"] == list(part.values.shape)
            steps = levels(part.values, heat.signed).astype(int).ravel()
            assert np.abs(np.array(drawn["cells"]) - steps).max() <= 1
    return set(settings.knobs)


def press(page: sync_api.Page, name: str, share: float) -> None:
    """Press a slider with the pointer at a share of its width."""
    slider = page.locator(f"[data-name={name}] .sl-range")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)


@pytest.mark.parametrize("name", ["fruit-emoji-qwen2-vl", "party-emoji-internvl"])
def test_every_slider_by_pointer_and_key_gives_the_maps_of_python(opened, name):
    run = Run.load(GALLERY / f"{name}.npz")
    page = opened(run)
    chip = int(page.get_attribute(".sl-view", "data-chip"))
    tokens = list(run.chips[chip].tokens)
    seen = [page.evaluate("() => JSON.stringify(document.sightline.now.panel)")]

    def check() -> None:
        compare_with_python(page, run, tokens)
        seen.append(page.evaluate("() => JSON.stringify(document.sightline.now.panel)"))
        assert seen[-1] != seen[-2]

    assert compare_with_python(page, run, tokens) == set(SHOWN)
    for slider, share in (("weight1", 0.8), ("weight3", 0.1), ("k", 0.1), ("beta", 0.6)):
        press(page, slider, share)
        check()
        page.keyboard.press("ArrowLeft")
        check()
    for switch in ("weight2", "beta"):
        page.locator(f"[data-name={switch}] .sl-switch").click()
        check()
    page.focus("[data-name=weight3] .sl-switch")
    page.keyboard.press("Space")
    check()


def test_options_and_presets_give_the_maps_of_python(opened):
    run = Run.load(GALLERY / "bears-emoji-llava.npz")
    page = opened(run)
    tokens = list(run.chips[int(page.get_attribute(".sl-view", "data-chip"))].tokens)
    page.click("#sl-options summary >> nth=0")
    for name, value in (
        ("msea_arc.normalisation", "token"),
        ("tam.mode", "published"),
        ("logit_lens.normalisation", "answer"),
        ("msea_arc.preset", "paper"),
    ):
        page.select_option(f"[name='{name}']", value)
        compare_with_python(page, run, tokens)
    page.select_option("[name='msea_arc.preset']", "default")
    page.focus("[name='msea_arc.window']")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    compare_with_python(page, run, tokens)
    assert page.evaluate("() => document.sightline.now.options.msea_arc.window") == 5
    page.click(".sl-toolbar .sl-menu > summary >> nth=0")
    page.click(".sl-menu input[value=mean_mitigation]")
    assert "mean_mitigation" in compare_with_python(page, run, tokens)


PUT_OPTION = """([method, knob, value]) => {
  const {options} = document.sightline.now, own = {...options[method], [knob]: value};
  document.sightline.set({options: {...options, [method]: own}});
}"""


def test_every_option_by_key_and_by_choice_gives_the_maps_of_python(opened):
    run = fake_run()
    page = opened(run)
    tokens = list(run.chips[int(page.get_attribute(".sl-view", "data-chip"))].tokens)
    page.click("#sl-options summary >> nth=0")
    for more in page.locator(".sl-more > summary").all():
        more.click()
    for name, knob in ((method, knob) for method in SHOWN for knob in options(METHODS[method])):
        field, choices = f"#sl-options [name='{name}.{knob.name}']", knob.choices
        page.focus(field)
        is_last = knob.default == (choices[-1] if choices else knob.high)
        if knob.name == "alpha":  # of the recorded ones
            page.fill(field, "0.75")
        else:
            page.keyboard.press("ArrowUp" if is_last == bool(choices) else "ArrowDown")
        if not choices:
            page.keyboard.press("Enter")
        compare_with_python(page, run, tokens)
        by_key = page.input_value(field)
        assert by_key != str(knob.default)
        if choices:
            page.select_option(field, choices[0 if by_key == choices[-1] else -1])
        else:
            other = knob.low if float(by_key) == knob.high else knob.high
            page.fill(field, "0.5" if knob.name == "alpha" else f"{other:g}")
            page.keyboard.press("Tab")
        compare_with_python(page, run, tokens)
        assert page.input_value(field) != by_key
        page.evaluate(PUT_OPTION, [name, knob.name, knob.default])
        assert page.input_value(field) == f"{knob.default:g}" if not choices else knob.default


def test_spans_and_contrasts_are_computed_and_the_small_print_follows(opened):
    run = fake_run()
    page = opened(run)
    token = int(run.indices(ANSWER)[1])
    tokens = [token, token + 1]
    page.evaluate(f"() => document.sightline.set({{subject: {{tokens: {tokens}, by: 'mean'}}}})")
    _word(page, "cat and")
    page.evaluate(f"() => document.sightline.set({{subject: {{tokens: {tokens}, by: 'max'}}}})")
    compare_with_python(page, run, tokens)
    numbers = [i for i, chip in enumerate(run.chips) if chip.tokens[0] in (token, token + 3)]
    page.evaluate(
        "([plus, minus]) => document.sightline.set({subject: {plus: {chip: plus}, "
        "minus: {chip: minus}}})",
        numbers,
    )
    _word(page, "cat, not dog")
    compare_with_python(page, run, Contrast(Span((token,)), Span((token + 3,))))
    page.evaluate(f"() => document.sightline.set({{subject: {{tokens: {tokens}, by: 'max'}}}})")
    page.click("#sl-made summary")
    assert "k 50, beta auto" in page.inner_text("#sl-print")
    press(page, "k", 0.5)
    page.wait_for_function(
        "() => /k 1\\d\\d/.test(document.querySelector('#sl-print').textContent)"
    )
    assert "k 50" not in page.inner_text("#sl-print")


def test_what_cannot_be_computed_is_said_and_the_last_maps_stay(opened):
    page = opened(fake_run())
    for i in (1, 2, 3):
        page.locator(f"[data-name=weight{i}] .sl-switch").click()
    said = "document.querySelector('.sl-message').textContent.includes('has to stay on')"
    page.wait_for_function(f"() => {said}")
    assert page.locator(".sl-map").count() == 3
    page.locator("[data-name=weight2] .sl-switch").click()
    page.wait_for_function(f"() => !({said})")


def test_twenty_fast_moves_end_at_the_right_map(opened):
    run = fake_run()
    page = opened(run)
    tokens = list(run.chips[int(page.get_attribute(".sl-view", "data-chip"))].tokens)
    page.evaluate(
        "() => { const slider = document.querySelector('[data-name=k] .sl-range');"
        "for (let k = 1; k <= 20; k++) { slider.value = k;"
        "slider.dispatchEvent(new Event('input')); } }"
    )
    compare_with_python(page, run, tokens)
    assert page.evaluate("() => document.sightline.now.panel.k") == 20


# Step by step, spans, contrasts, layers -----------------------------------------------------------

STEPS = """() => Object.fromEntries([...document.querySelectorAll('[data-step]')].map(
  figure => [figure.dataset.step, figure.querySelector('.sl-heat').toDataURL()]))"""


def compare_steps(page: sync_api.Page, run: Run, token: int, **knobs: object) -> None:
    """Compare the canvases of Step by step with Python's maps, to a step of 255."""
    page.select_option("#sl-cover", "all")  # opaque: a PNG keeps their colours exactly
    page.evaluate(DRAWN)
    found = anatomy(run, token, **knobs)
    high = peak(found.fused, found.interference, found.before)
    assert page.inner_text(".sl-factor") == f"β = {found.beta:.2f}"
    drawn, table = page.evaluate(STEPS), colour_table("inferno")
    for name, parts, most in (
        ("fused", found.fused, high),
        ("interference", found.interference, high),
        ("before", found.before, high),
        ("after", found.heat.parts, 1.0),
    ):
        pixels = _pixels(drawn[name])
        heat = Heatmap(tuple(replace(p, values=p.values / most) for p in parts), False, "")
        wanted = overlay(np.zeros_like(pixels), heat, table, 1.0, cover="all")
        steps, own = _places(pixels, table), _places(wanted, table)
        assert np.abs(steps - own).max() <= 1


def _places(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return where each colour stands in a table of 256."""
    codes, wanted = (rgb.astype(int) @ (65536, 256, 1) for rgb in (table, pixels))
    order = np.argsort(codes)
    found = order[np.minimum(np.searchsorted(codes[order], wanted), len(codes) - 1)]
    assert (codes[found] == wanted).all(), "not a colour of the table"
    return found


def test_step_by_step_follows_the_sliders_of_the_file(opened):
    run = fake_run()
    page = opened(run)
    token = int(run.indices(ANSWER)[4])
    page.click(f"{CHIP} >> nth=4")
    page.click("#sl-steps summary")
    page.wait_for_selector(".sl-opened[data-word=dog]")
    compare_steps(page, run, token)
    press(page, "k", 0.1)
    k = page.evaluate("() => document.sightline.now.panel.k")
    assert k < 50
    compare_steps(page, run, token, k=k)
    press(page, "step-weight1", 0)
    compare_steps(page, run, token, k=k, scale_weights=(0, 1, 1))
    assert page.input_value("[data-name=weight1] .sl-range") == "0", "both sliders show it"
    press(page, "weight1", 0.8)
    weight = page.evaluate("() => document.sightline.now.panel.weights[0]")
    assert weight > 1.2
    compare_steps(page, run, token, k=k, scale_weights=(weight, 1, 1))
    assert page.input_value("[data-name=step-weight1] .sl-range") == f"{weight:g}"
    page.click(".sl-before >> nth=1")
    assert page.locator(".sl-before[aria-selected=true]").count() == 1
    heading = page.locator(".sl-guess-side h4").first
    sync_api.expect(heading).to_have_text("Guesses in place of “it.”")


def test_spans_and_contrasts_are_chosen_as_on_the_page(opened):
    run = fake_run()
    page = opened(run)
    first, last = page.locator(f"{CHIP} >> nth=3"), page.locator(f"{CHIP} >> nth=4")
    first.click()
    last.click(modifiers=["Shift"])
    _word(page, "a dog")
    tokens = [int(run.indices(ANSWER)[i]) for i in (3, 4)]
    compare_with_python(page, run, tokens)
    page.select_option(".sl-by select", "mean")
    page.wait_for_function("() => document.sightline.now.subject.by === 'mean'")
    last.click()
    _word(page, "dog")
    held = page.locator(".sl-candidate:has(.sl-not)").first
    other = held.locator(".sl-could-text").inner_text()
    held.locator(".sl-not").click()
    _word(page, f"dog, not {other}")
    subject = page.evaluate("() => document.sightline.now.subject.minus")
    minus = Unsaid(subject["at"], tuple(subject["ids"]))
    compare_with_python(page, run, Contrast(Span((tokens[1],)), minus))
    page.fill(".sl-type", "cat ")
    page.click(".sl-typed .sl-not")
    _word(page, "dog, not cat")
    cat = Unsaid(tokens[1], (int(run.tokens.ids[run.indices(ANSWER)[1]]),))
    compare_with_python(page, run, Contrast(Span((tokens[1],)), cat))
    page.fill(".sl-type", "constructor")
    page.keyboard.press("Enter")
    assert "does not hold “constructor”" in page.inner_text(".sl-said")
    page.locator(".sl-candidate .sl-could-word").last.click()
    compare_with_python(page, run, Unsaid(tokens[1], tuple(page.evaluate(
        "() => document.sightline.now.subject.ids"
    ))))  # fmt: skip


def test_layers_and_comparison_maps_come_with_the_run(opened):
    run, eagle = with_layers(fake_run()), COMPARISON["eagle"]
    token = int(run.indices(ANSWER)[1])
    values = np.linspace(0, 1, len(run.scales[0].states), dtype=np.float32)
    page = opened(run.with_attributions({eagle.key(token, eagle.settings()): values}, {}))
    page.click(".sl-toolbar .sl-menu > summary >> nth=0")
    page.click(".sl-menu input[value=eagle]")
    page.wait_for_selector("[data-method=eagle] .sl-heat")
    page.click("#sl-made summary")
    assert "EAGLE" in page.inner_text("#sl-print")
    page.click(".sl-toolbar .sl-menu > summary >> nth=0")
    page.click(".sl-menu input[value=eagle]")
    page.focus("[data-name=layer] .sl-range")
    page.keyboard.press("Home")
    page.wait_for_function("() => document.sightline.now.entry.subject.layer === 1")
    compare_with_python(page, run.at_layer(1), [token])
    page.click("#sl-steps summary")
    page.wait_for_selector(".sl-opened[data-word=cat]")
    compare_steps(page, run.at_layer(1), token)
