"""Whatever fails while a visitor waits is said on the page, and Explain works again."""

from __future__ import annotations

import json
from itertools import product

from explainer.ui import components as ui
from explainer.ui.doors import LONGEST_TEXT
from explainer.web import texts
from tests.ui.fake import ANSWER_TEXTS, FakeExplainer

READY = "() => !document.querySelector('#sl-run').disabled"
SAID = "() => document.querySelector('.sl-message').dataset.kind === 'error'"
ALL_CHIPS = "n => document.querySelectorAll('.sl-answer .sl-chip').length === n"
MESSAGE = "document.querySelector('.sl-message').textContent"
JOIN, RUN = "**/queue/join*", "**/gradio_api/run/**"


def answer(status: int, content: dict):
    """Return a route handler that answers in place of the server."""
    return lambda route: route.fulfill(
        status=status, content_type="application/json", body=json.dumps(content)
    )


def assert_said(visitor, words: str = texts.REFUSED) -> None:
    visitor.page.wait_for_function(SAID)
    visitor.page.wait_for_function(READY)
    assert visitor.message() == words
    assert visitor.page.is_disabled("#sl-stop")


def assert_answered(visitor) -> None:
    visitor.page.click("#sl-run")
    visitor.settled("", MESSAGE)
    visitor.wait_for_maps()


def forgive(visitor) -> None:
    """Leave out what the browser itself writes about an answer that failed."""
    visitor.complaints = [c for c in visitor.complaints if "Failed to load resource" not in c]


def test_a_refusal_without_a_reason_is_said_and_can_be_asked_again(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    for pattern, status in product((JOIN, RUN), (503, 500)):
        visitor.page.route(pattern, answer(status, {"error": None, "detail": None}))
        visitor.page.click("#sl-run")
        assert_said(visitor)
        visitor.shot(f"refused-{status}")
        assert len(visitor.chips()) == len(ANSWER_TEXTS), "the answer before is still there"
        visitor.page.unroute(pattern)
        assert_answered(visitor)
    forgive(visitor)


def change(visitor, edit) -> None:
    """Change the values of forms with a prompt on their way to the server."""

    def changed(route) -> None:
        form = route.request.post_data_json
        if len(form["data"]) > 10:
            edit(form["data"])
        route.continue_(post_data=form)

    visitor.page.route(JOIN, changed)


def test_the_reason_of_a_refusal_is_said(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    foreign = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    edits = {
        texts.NO_UPLOAD: lambda data: data.__setitem__(0, foreign),
        texts.LONG_TEXT.format(most=LONGEST_TEXT): lambda data: data.__setitem__(1, "x" * 300_000),
        texts.BAD_INPUTS: lambda data: data.__delitem__(slice(1, None)),
    }
    for reason, edit in edits.items():
        change(visitor, edit)
        visitor.page.click("#sl-run")
        visitor.settled(reason, MESSAGE)
        assert_said(visitor, reason)
        assert len(visitor.chips()) == len(ANSWER_TEXTS), "the answer before is still there"
        visitor.page.unroute(JOIN)
    visitor.page.route(JOIN, answer(503, {"detail": None}))  # what was said before is not meant
    visitor.page.click("#sl-run")
    visitor.settled(texts.REFUSED, MESSAGE)
    visitor.page.unroute(JOIN)
    assert_answered(visitor)
    forgive(visitor)


def test_an_error_in_the_middle_is_said_and_brings_the_answer_before_back(
    serve, visit, monkeypatch
):
    visitor = visit(serve(FakeExplainer(delay=0.05)).url)
    visitor.explain()

    def broken(bar, value):
        if len(value.get("chips", ())) > 2 and value.get("live"):
            raise RuntimeError("broken on purpose")
        return value

    with monkeypatch.context() as patched:
        patched.setattr(ui.TokenBar, "postprocess", broken)
        visitor.page.click(".sl-example >> nth=1")
        assert_said(visitor)
    visitor.page.wait_for_function(ALL_CHIPS, arg=len(ANSWER_TEXTS))
    assert_answered(visitor)


def test_a_server_that_is_not_reached_is_said(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    refused = []
    visitor.page.route("**/gradio_api/**", lambda route: (refused.append(route), route.abort()))
    visitor.page.click("#sl-run")
    visitor.until(lambda: refused)
    visitor.wait_long()
    assert_said(visitor, texts.SILENT)
    visitor.shot("unreached")
    with visitor.page.expect_event("load"):  # Gradio loads the page anew once the server is back
        visitor.page.unroute("**/gradio_api/**")
    visitor.page.wait_for_selector(".sl-example", state="attached")
    visitor.explain()
    visitor.settled("", MESSAGE)
    visitor.complaints.clear()


def test_a_lost_connection_is_asked_again_once_the_server_is_back(serve, visit):
    visitor = visit(serve(FakeExplainer(delay=0.05)).url)
    visitor.explain()
    visitor.page.route("**/queue/data*", lambda route: route.abort())
    visitor.page.click(".sl-example >> nth=1")
    visitor.page.wait_for_event("load")  # Gradio loads the page anew, and its link asks again
    visitor.page.unroute("**/queue/data*")
    visitor.wait_for_maps()
    visitor.settled("", MESSAGE)
    visitor.complaints.clear()


def test_a_silent_server_is_given_up(app, visit):
    visitor = visit(app.url)
    visitor.explain()
    visitor.quiet()  # what is held is of the next question
    held = []  # neither answered nor refused
    visitor.page.route("**/queue/data*", lambda route: held.append(route))
    visitor.page.click(".sl-example >> nth=1")
    visitor.until(lambda: held)
    assert visitor.page.is_disabled("#sl-run")
    visitor.wait_long()
    assert_said(visitor, texts.SILENT)
    visitor.page.wait_for_function(ALL_CHIPS, arg=len(ANSWER_TEXTS))
    visitor.page.unroute("**/queue/data*")
