"""Recording from the page: streaming, stopping, failing, expiring, and more than one visitor."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from explainer.web import texts
from tests.e2e.test_asking import MENU, tick
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer

CHIPS = "document.querySelectorAll('.sl-answer .sl-chip').length"
WORD = "document.querySelector('.sl-word').textContent"


def picture_file(kind: str) -> dict:
    """Return an upload as Playwright takes it."""
    buffer = io.BytesIO()
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (90, 120, 3), dtype=np.uint8))
    if kind == "gif":
        image.save(buffer, "GIF", save_all=True, append_images=[image.rotate(90)])
    elif kind == "rgba":
        image.putalpha(100)
        image.save(buffer, "PNG")
    elif kind == "cut":
        image.save(buffer, "PNG")
        return {"name": "cut.png", "mimeType": "image/png", "buffer": buffer.getvalue()[:2000]}
    else:
        return {"name": "text.png", "mimeType": "image/png", "buffer": b"this is no picture"}
    return {"name": f"x.{kind}", "mimeType": "image/png", "buffer": buffer.getvalue()}


def upload(visitor, kind: str) -> None:
    visitor.page.set_input_files("#sl-image input[type=file]", picture_file(kind))
    visitor.page.wait_for_selector("#sl-image img")


def test_chips_appear_while_the_model_answers(serve, visit):
    visitor = visit(serve(FakeExplainer(delay=0.25)).url)
    visitor.page.click(".sl-example >> nth=0")
    visitor.page.wait_for_function(f"() => {CHIPS} >= 2 && {CHIPS} < {len(ANSWER_TEXTS)}")
    assert visitor.page.is_disabled("#sl-run")
    assert "token" in visitor.message()
    visitor.page.click(".sl-answer .sl-chip >> nth=0")  # not clickable yet, and no harm done
    visitor.wait_for_maps()
    assert len(visitor.chips()) == len(ANSWER_TEXTS)
    assert visitor.message() == ""


def test_stop_in_the_middle_keeps_the_answer_before(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    visitor.page.click(".sl-answer .sl-chip >> nth=4")
    visitor.wait_for_maps()
    app.explainer.delay = 2.0
    visitor.page.click(".sl-example >> nth=1")
    visitor.page.wait_for_function(f"() => {CHIPS} >= 2 && {CHIPS} < {len(ANSWER_TEXTS)}")
    visitor.page.click("#sl-stop")
    visitor.page.wait_for_function(
        "want => document.querySelector('.sl-message').textContent === want", arg=texts.STOPPED_BACK
    )
    visitor.settled("dog", "document.querySelector('[aria-selected=true]').textContent")
    visitor.page.click(".sl-answer .sl-chip >> nth=1")
    visitor.settled("cat", WORD)
    visitor.until(lambda: app.explainer.running == 0)
    visitor.quiet()
    assert len(visitor.chips()) == len(ANSWER_TEXTS), "nothing arrives from the stopped one"
    visitor.settled("cat", WORD)
    assert visitor.page.is_enabled("#sl-run")
    app.explainer.delay = 0.0
    visitor.page.click("#sl-run")
    visitor.page.wait_for_function(
        "() => document.querySelector('.sl-prompt .sl-chip')?.textContent === 'Is'"
    )


def test_a_slider_moved_during_an_answer_counts_for_it(serve, visit):
    app = serve(FakeExplainer(delay=0.2))
    visitor = visit(app.url)
    visitor.page.click(".sl-example >> nth=0")
    visitor.page.wait_for_function(f"() => {CHIPS} >= 1")
    beta = visitor.page.locator(".sl-dial[data-name=beta] input[type=number]")
    beta.fill("2")
    visitor.page.keyboard.press("Enter")
    visitor.wait_for_maps()
    note = "document.querySelector('[data-method=msea_arc] .sl-note').textContent.slice(0, 8)"
    visitor.settled("β = 2.00", note)


def test_stop_before_any_answer(serve, visit):
    visitor = visit(serve(FakeExplainer(delay=2.0)).url)
    visitor.page.click(".sl-example >> nth=0")
    visitor.page.wait_for_function(f"() => {CHIPS} >= 1")
    visitor.page.click("#sl-stop")
    visitor.page.wait_for_function(
        "want => document.querySelector('.sl-message').textContent === want", arg=texts.STOPPED
    )
    assert visitor.chips() == []


def test_no_picture_and_empty_prompt(app, visit):
    visitor = visit(app.url)
    visitor.page.click("#sl-run")
    visitor.page.wait_for_function(
        "want => document.querySelector('#sl-notice').textContent.trim() === want",
        arg=texts.NO_IMAGE,
    )
    visitor.page.wait_for_selector("#sl-run:enabled")
    upload(visitor, "rgba")
    visitor.page.click("#sl-run")
    visitor.wait_for_maps()
    assert app.explainer.calls == [texts.DEFAULT_PROMPT]
    assert texts.DEFAULT_PROMPT in visitor.page.inner_text("#sl-notice")
    assert "transparent" in visitor.page.inner_text("#sl-notice")


def test_a_bad_upload_is_said_and_the_page_goes_on(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    notice = "document.querySelector('#sl-notice').textContent.includes(said)"
    for kind, said in (("text", "not a picture"), ("cut", "damaged")):
        visitor.page.click(
            "#sl-image button[aria-label='Remove Image'], #sl-image button[aria-label=Clear]"
        )
        upload(visitor, kind)
        visitor.page.click("#sl-run")
        visitor.page.wait_for_function(f"said => {notice}", arg=said)
        assert len(visitor.chips()) == len(ANSWER_TEXTS), "the answer before is still there"
        visitor.complaints[:] = [
            c for c in visitor.complaints if "Failed to load resource" not in c
        ]
        visitor.explain(1)
        visitor.page.wait_for_function(f"said => !{notice}", arg=said)
    visitor.wait_for_maps()
    assert visitor.page.get_attribute("#sl-notice .sl-notice", "data-kind") != "error"


def test_an_animation_is_taken_by_its_first_frame(app, visit):
    visitor = visit(app.url)
    upload(visitor, "gif")
    visitor.page.click("#sl-run")
    visitor.wait_for_maps()
    assert "first one" in visitor.page.inner_text("#sl-notice")


def test_an_expired_run_says_what_to_do_and_loses_nothing_else(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    key = visitor.page.get_attribute(".sl-view", "data-run")
    visitor.wait_for_all_maps()
    visitor.quiet()  # evidence that arrives later would bring the run back
    app.store._drop(key)
    visitor.page.click(".sl-answer .sl-chip >> nth=4")
    visitor.settled("dog", WORD)
    assert visitor.message() == "", "its maps were here already"
    visitor.page.fill("[data-name=k] input[type=number]", "30")
    visitor.page.keyboard.press("Enter")
    visitor.wait_for_maps()
    assert visitor.message() == "", "the page computes them from evidence that it has"
    tick(visitor, "grad_cam")  # of maps that the server has
    visitor.page.wait_for_function(
        "want => document.querySelector('.sl-message').textContent === want", arg=texts.EXPIRED
    )
    visitor.page.click(MENU)
    visitor.page.uncheck("input[value=grad_cam]")
    visitor.page.keyboard.press("Escape")
    assert visitor.page.input_value("#sl-prompt textarea") == "Describe it."
    visitor.page.click("#sl-run")
    visitor.page.wait_for_function("() => document.querySelector('.sl-message').textContent === ''")
    visitor.wait_for_maps()


def test_two_visitors_see_their_own_runs(app, visit):
    one, other = visit(app.url), visit(app.url)
    one.explain(0)
    other.explain(1)
    assert one.chips("prompt") == ["Describe", "it."]
    assert other.chips("prompt") == ["Is", "it", "light?"]
    one.page.click(".sl-answer .sl-chip >> nth=4")
    one.settled("dog", WORD)
    assert other.page.inner_text(".sl-word") == "cat"
    keys = {v.page.get_attribute(".sl-view", "data-run") for v in (one, other)}
    assert len(keys) == 2


def test_enter_in_the_prompt_explains_and_a_second_press_does_nothing(serve, visit):
    app = serve(FakeExplainer(delay=0.1))
    visitor = visit(app.url)
    upload(visitor, "rgba")
    visitor.page.fill("#sl-prompt textarea", "What is this?")
    visitor.page.focus("#sl-prompt textarea")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_function(f"() => {CHIPS} >= 2")
    visitor.page.focus("#sl-prompt textarea")
    visitor.page.keyboard.press("Enter")
    visitor.wait_for_maps()
    visitor.quiet()
    assert app.explainer.calls == ["What is this?"]


def test_an_upload_can_be_asked_about_again_though_its_file_is_gone(app, visit, pages):
    visitor = visit(app.url)
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    upload = {"name": "mine.png", "mimeType": "image/png", "buffer": file.getvalue()}
    visitor.page.set_input_files("#sl-image input[type=file]", upload)
    visitor.page.wait_for_selector("#sl-image img")
    keys = []
    for prompt in ("What is it?", "And this?", "What is it?"):
        visitor.page.fill("#sl-prompt textarea", prompt)
        visitor.page.click("#sl-run")
        visitor.page.wait_for_function(
            "old => { const run = document.querySelector('.sl-view').dataset.run; "
            "return run && run !== old; }",
            arg=keys[-1] if keys else "",
        )
        visitor.wait_for_maps()
        keys.append(visitor.page.get_attribute(".sl-view", "data-run"))
        assert not list(pages.uploads.rglob("mine.png")), "deleted once it was recorded"
        np.testing.assert_array_equal(app.store.get(keys[-1]).images[0], pixels)
    assert keys[0] == keys[2] != keys[1]
    assert visitor.page.evaluate("document.querySelector('#sl-image img').naturalWidth") == 120
