"""Which event of the page calls which handler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from explainer.ui import components as ui
from explainer.ui.answer_memory import AnswerMemory
from explainer.ui.endpoints import shown
from explainer.ui.handlers import NOTHING, Handlers, PageUpdate
from explainer.ui.layer_memory import Fields, LayerMemory
from explainer.ui.missing import Missing
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Recording
from explainer.ui.sides import MODEL, PLUMBING, QUIET, Ask, See
from explainer.ui.visitors import Visits
from explainer.web import texts

# Loading takes no turn from those who are asking; its own turns are kept by `Models`.
LOAD: dict[str, Any] = {"concurrency_limit": 8, **QUIET}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
ENDED = "() => ({ended: Date.now()})"
PRESS_RUN = "() => { document.querySelector('#sl-run').click(); }"
# What a browser can do without the server, which may be what failed.
UPDATES = "{__type__: 'update', interactive: true}, {__type__: 'update', interactive: false}"
READY = f"() => [{UPDATES}]"
REASON = f"await document.sightline.refusal({json.dumps(texts.REFUSED)})"
FAILED = f"async () => [{{text: {REASON}, kind: 'error'}}, {UPDATES}]"
# A recording that is stopped ends as a failure, too.
STOPPED = "Date.now() - document.querySelector('.sl-view').dataset.stopped < 10000"
FAILED_UNSTOPPED = f"() => {STOPPED} ? Array(3).fill({{__type__: 'update'}}) : ({FAILED})()"


def wire_missing(missing: Missing, see: See, visits: Visits) -> None:
    """Connect what the model has to add before maps can be drawn."""
    state = [see.bar, see.panel, see.options]
    how = {"trigger_mode": "always_last", **MODEL}  # the last of words chosen meanwhile
    bring = visits.served(missing.bring, lambda message, *_: {**message, "endable": True})
    making = see.view.need(bring, state, see.view, api_name="bring_missing", **how)
    see.view.end(None, cancels=[making], **PLUMBING)
    making.failure(None, None, see.view, js=ENDED, **PLUMBING)


def wire_examples(handlers: Handlers, ask: Ask, strip: ui.ExampleStrip) -> None:
    """Connect the examples; one that is chosen is asked about at once."""
    inputs = [ask.image, ask.prompt, ask.more]
    chosen = strip.select(shown(handlers.choose), strip, inputs, **PLUMBING)
    chosen.then(None, js=PRESS_RUN)


def wire_run(
    handlers: Handlers,
    others: Sequence[Recording],
    ask: Ask,
    see: See,
    picker: ui.ModelPicker,
    visits: Visits,
) -> Any:
    """Connect Explain and the other ways to an answer; return the event of the first."""
    previous, shown = gr.State({}), see.shown
    inputs = [ask.image, ask.prompt, previous, *ask.decoding, see.panel, see.options, picker]
    inputs += [ask.more, ask.layers, ask.penalty, ask.thinking, ask.system]
    presses = (ask.run.click, *(way.press for way in others))
    begun = [_begun(press, handlers, previous, ask, see) for press in presses]
    first = begun[0].then(
        visits.served(handlers.record, waiting),
        inputs,
        [*shown, ask.notice],
        api_name="answer",
        **MODEL,
    )
    decoding = [previous, *ask.decoding, ask.layers, ask.penalty]
    answers = [first]
    for way, start in zip(others, begun[1:], strict=True):
        answer, outputs = visits.served(way.answer, waiting), [*shown, way.note]
        answers.append(
            start.then(answer, [way.source, *decoding], outputs, api_name=way.name, **MODEL)
        )
    for recording in answers:
        recording.then(None, None, [ask.run, ask.stop], js=READY, **PLUMBING)
    for event in (*begun, *answers):
        _say_failure(event, handlers, previous, ask, see)
    lost = see.view.lost(None, None, [ask.run, ask.stop], js=READY, cancels=answers, **PLUMBING)
    lost.then(handlers.restored, previous, see.bar, **PLUMBING)
    ask.stop.click(
        lambda before: (*handlers.stopped(before), *_running(False)),
        previous,
        [*shown, ask.run, ask.stop],
        cancels=answers,
        **PLUMBING,
    ).failure(None, None, [see.view, ask.run, ask.stop], js=FAILED, **PLUMBING)
    ask.prompt.submit(None, js=PRESS_RUN)  # a click, so that a running answer is not started twice
    return first


def _say_failure(event: Any, handlers: Handlers, previous: gr.State, ask: Ask, see: See) -> None:
    """Say that the server refused or could not be reached, and make Explain work again.

    The browser does both by itself; the chips of before come back if the server answers.
    """
    failure = event.failure(
        None, None, [see.view, ask.run, ask.stop], js=FAILED_UNSTOPPED, **PLUMBING
    )
    failure.then(handlers.restored, previous, see.bar, **PLUMBING)


def _begun(press: Any, handlers: Handlers, previous: gr.State, ask: Ask, see: See) -> Any:
    """Return the event that keeps what is shown, for the case that the recording does not end."""
    return press(
        lambda bar: (handlers.begin(bar), *_running(True), {"busy": texts.BUSY_WAITING}),
        see.bar,
        [previous, ask.run, ask.stop, see.view],
        **PLUMBING,
    )


def waiting(message: dict[str, Any], *_: Any) -> PageUpdate:
    """Return what the page shows while it waits: chips and picture stay."""
    return PageUpdate(NOTHING, message)


def wire_menu(menu: ModelMenu, picker: ui.ModelPicker, demo: gr.Blocks, recorded: Any) -> Any:
    """Connect the menu; return the event of choosing a model."""
    loaded = picker.choose(menu.choose, picker, picker, api_name="choose_model", **PRIVATE, **LOAD)
    picker.cancel(menu.cancel, picker, None, **PLUMBING)
    for event in (demo.load, recorded.then):  # meanwhile somebody may have changed what is loaded
        event(menu.refresh, picker, picker, **PLUMBING)
    return loaded


def wire_memory(
    memory: LayerMemory, ask: Ask, see: See, picker: ui.ModelPicker, loaded: Any
) -> None:
    """Say what further layers would take, whenever that changes."""
    longest = ask.decoding[0]
    fields = [ask.layers, ask.image, ask.more, ask.prompt, longest, see.panel, see.options, picker]
    changes = [ask.layers.change, ask.image.change, ask.more.change, longest.release]

    def size(*values: Any) -> Any:
        return memory.said(Fields(*values))

    gr.on(changes, size, fields, ask.memory, trigger_mode="always_last", **PLUMBING)
    loaded.then(size, fields, ask.memory, **PLUMBING)


def wire_answer_memory(memory: AnswerMemory, ask: Ask, picker: ui.ModelPicker, loaded: Any) -> None:
    """Say what the longest answer takes: when the settings are opened, and as its slider moves."""
    fields = [ask.decoding[0], picker]
    changes = [ask.decoding[0].change, ask.settings.expand]
    gr.on(changes, memory.said, fields, ask.answer, trigger_mode="always_last", **PLUMBING)
    loaded.then(memory.said, fields, ask.answer, **PLUMBING)


def _running(running: bool) -> tuple[Any, Any]:
    """Return updates of the run and stop buttons."""
    return gr.update(interactive=not running), gr.update(interactive=running)
