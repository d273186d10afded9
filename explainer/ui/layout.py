"""The page: regions, and which event calls which handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import LocalFont

from explainer.export import Look
from explainer.images import open_image
from explainer.service import Loaded, Models
from explainer.store import RunStore
from explainer.ui import components as ui
from explainer.ui import controls, payload, recorded, texts
from explainer.ui.anatomy import Opened, anatomy_props
from explainer.ui.api import Api
from explainer.ui.endpoints import offer, shown
from explainer.ui.evidence import Evidence
from explainer.ui.handlers import Example, Handlers
from explainer.ui.layer_memory import Fields, LayerMemory
from explainer.ui.links import Links, all_options, defaults
from explainer.ui.maps import Maps
from explainer.ui.model_menu import ModelMenu
from explainer.ui.opening import Opening, Shown
from explainer.ui.recording import Worker
from explainer.ui.saving import Saving
from explainer.ui.web import WEB
from explainer.ui.whatif import WhatIf
from explainer.ui.words import Words

PLUMBING: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# Loading takes no turn from those who are asking; its own turns are kept by `Models`.
LOAD: dict[str, Any] = {"concurrency_limit": 8, "show_progress": "hidden"}
GPU: dict[str, Any] = {"concurrency_id": "gpu", "concurrency_limit": 1, "show_progress": "hidden"}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
PRESS_RUN_ON_PICTURE = "picture => { if (picture) document.querySelector('#sl-run').click(); }"
PRESS_RUN = "() => { document.querySelector('#sl-run').click(); }"


def build_demo(
    models: Models | Loaded,
    store: RunStore,
    *,
    about: str = "",
    precision: str = "float32",
    examples: Sequence[Example] = (),
    gallery: Sequence[Shown] = (),
    gpu: Callable[[Worker], Worker] = lambda worker: worker,
) -> gr.Blocks:
    """Return the page for the models of a server and one store of runs.

    Launch it with `launch_options`.

    Args:
        models: those models, or one explainer for a page without a menu.
        about: a sentence on what the model is and knows, in place of what is known of it.
        precision: what weights are loaded in, a key of `memory.BITS`, for the menu's figures.
        examples: pictures and prompts to try.
        gallery: recorded runs to open.
        gpu: decorates the generator function that uses the model.
    """
    models = models if isinstance(models, Models) else Models.of_one(models)
    handlers, menu = Handlers(models, store, examples, gpu), ModelMenu(models, precision, about)
    maps, words, opened = Maps(store), Words(handlers), Opened(store)
    whatif = WhatIf(handlers, store)
    links = Links(models, store, examples, handlers.with_words)
    with gr.Blocks(title=texts.TITLE, fill_width=True, delete_cache=(3600, 86400)) as demo:
        with gr.Row(elem_id="sl-top"):
            gr.HTML(_header(), elem_id="sl-title", apply_default_css=False)
            picker = ui.ModelMenu(menu.value(), elem_id="sl-menu", words=texts.MODEL_WORDS)
            settings = _settings(links)
        with gr.Row(elem_id="sl-page"):
            ask = _ask()
            see = _see(maps, words, opened, Saving(store))
            strip, kept = _try(examples, gallery, menu)
        answered = _wire_run(handlers, whatif, ask, see, picker)
        _wire(handlers, ask, see, strip)
        shows = [see.bar, see.view, see.backdrop, ask.notice]
        recorded.wire(Opening(store, gallery), kept, see.panel, shows)
        _wire_beside(words, see)
        _wire_whatif(whatif, see)
        see.bar.measure(Evidence(handlers).measure, see.bar, see.bar, **PRIVATE, **GPU)
        loaded = _wire_menu(menu, picker, demo, answered)
        _wire_memory(LayerMemory(models), ask, see, picker, loaded)
        _wire_link(links, menu, settings, ask, picker)
        offer(Api(handlers), menu, GPU)
    demo.queue(max_size=20)
    return demo


def launch_options() -> dict[str, Any]:
    """Return the arguments of `launch` that belong to the page: looks, limits and privacy."""
    theme = gr.themes.Default(
        primary_hue="indigo",
        neutral_hue="slate",
        text_size="lg",
        font=(LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"),
        font_mono=(LocalFont("IBM Plex Mono", weights=(400, 700)), "monospace"),
    )
    return {
        "theme": theme,
        "css_paths": [WEB / name for name in ui.STYLES],
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": "50mb",
        "show_error": False,
        "enable_monitoring": False,
    }


def load_examples(folder: Path) -> list[Example]:
    """Return the examples that `examples.json` in this folder lists; none if there is no such file.

    The file is a list of {"image", "prompt", "label"}.
    """
    listing = folder / "examples.json"
    if not listing.is_file():
        return []
    return [
        Example(open_image(folder / e["image"]), e["prompt"], e["label"])
        for e in json.loads(listing.read_text(encoding="utf-8"))
    ]


# Regions -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ask:
    """What a person gives, and the buttons."""

    image: gr.Image
    more: gr.File
    notice: ui.Notice
    prompt: gr.Textbox
    run: gr.Button
    stop: gr.Button
    decoding: tuple[gr.Slider, gr.Slider, gr.Number]
    layers: gr.Dropdown
    memory: ui.Notice


@dataclass(frozen=True)
class See:
    """What they see, and the controls of it."""

    bar: ui.TokenBar
    beside: ui.Beside
    view: ui.MapView
    backdrop: ui.Backdrop
    panel: ui.ControlPanel
    options: ui.OptionPanel
    whatif: ui.WhatIf
    masked: ui.Masked


def _header() -> str:
    return f"<h1>{texts.TITLE}</h1><p>{texts.TAGLINE}</p>"


def _settings(links: Links) -> ui.Settings:
    with gr.Row(elem_id="sl-tools"):
        settings = ui.Settings(
            {},
            words=texts.SETTINGS_WORDS,
            defaults=defaults(),
            options=all_options(),
            server_functions=[
                _served(links.restore),
                _served(links.parameters),
                _served(links.chosen),
                _served(links.written),
            ],
        )
        ui.Help(None, words=texts.HELP_WORDS, keys=texts.KEYS)
    return settings


def _ask() -> Ask:
    with gr.Column(elem_id="sl-ask"):
        image = ui.PictureInput(
            label=texts.PICTURE,
            sources=["upload", "clipboard", "webcam"],
            type="filepath",
            format="png",
            height=232,
            buttons=[],
            elem_id="sl-image",
        )
        with gr.Accordion(texts.MORE, open=False, elem_id="sl-more-pictures"):
            more = ui.FilesInput(
                label=texts.MORE_FILES,
                file_count="multiple",
                file_types=["image", "video"],
                height=110,
                elem_id="sl-files",
            )
        notice = ui.Notice({"text": "", "kind": ""}, elem_id="sl-notice")
        prompt = gr.Textbox(
            label=texts.PROMPT,
            placeholder=texts.DEFAULT_PROMPT,
            lines=1,
            max_lines=4,
            elem_id="sl-prompt",
        )
        with gr.Row(elem_id="sl-buttons"):
            run = gr.Button(texts.RUN, variant="primary", elem_id="sl-run")
            stop = gr.Button(texts.STOP, variant="secondary", interactive=False, elem_id="sl-stop")
        with gr.Accordion(texts.DECODING, open=False):
            decoding = _decoding()
            layers = ui.RawDropdown(
                [(texts.LAYER_CHOICES[name], name) for name in controls.LAYERS.choices],
                value=controls.LAYERS.default,
                label=texts.LAYERS,
                info=texts.LAYERS_ABOUT,
                filterable=False,
                elem_id="sl-layers",
            )
            memory = ui.Notice({"text": "", "kind": ""}, elem_id="sl-memory")
    return Ask(image, more, notice, prompt, run, stop, decoding, layers, memory)


def _decoding() -> tuple[gr.Slider, gr.Slider, gr.Number]:
    longest, temperature, seed = controls.MAX_NEW_TOKENS, controls.TEMPERATURE, controls.SEED
    return (
        ui.RawSlider(
            longest.low, longest.high, longest.default, step=1, label=texts.MAX_NEW_TOKENS
        ),
        ui.RawSlider(
            temperature.low,
            temperature.high,
            temperature.default,
            step=temperature.step,
            label=texts.TEMPERATURE,
        ),
        ui.RawNumber(seed.default, precision=0, label=texts.SEED),
    )


def _see(maps: Maps, words: Words, opened: Opened, saving: Saving) -> See:
    with gr.Column(elem_id="sl-see"):
        bar = ui.TokenBar(
            {"run": None, "subject": None}, elem_id="sl-bar", words=texts.PLAYING, rests=texts.RESTS
        )
        masked = ui.Masked(None, words=texts.MASKED_WORDS)
        beside = ui.Beside(
            None,
            elem_id="sl-beside",
            words=texts.BESIDE,
            server_functions=[_served(words.places)],
        )
        view = ui.MapView(
            {},
            elem_id="sl-view",
            server_functions=[
                _served(maps.maps),
                _served(maps.places),
                _served(saving.save),
                _served(saving.progress),
            ],
            **payload.view_props(),
        )
        backdrop = ui.Backdrop({})
        panel = ui.ControlPanel(
            controls.panel_value(),
            elem_id="sl-panel",
            spec=controls.panel_spec(),
            opacity=Look().opacity,
            colours=payload.colour_labels(),
            layer=texts.LAYER,
            words=texts.SLIDERS,
        )
        with gr.Row(elem_id="sl-folds"):
            whatif = ui.WhatIf(None, elem_id="sl-whatif", words=texts.WHATIF)
            ui.Anatomy({}, server_functions=[_served(opened.anatomy)], **anatomy_props())
            options = ui.OptionPanel(
                controls.option_value(),
                spec=controls.option_spec(),
                label=texts.METHOD_OPTIONS,
                words=texts.OPTIONS,
            )
    return See(bar, beside, view, backdrop, panel, options, whatif, masked)


def _try(
    examples: Sequence[Example], gallery: Sequence[Shown], menu: ModelMenu
) -> tuple[ui.ExampleStrip, recorded.Recorded]:
    shown = [
        {"thumbnail": payload.thumbnail(e.picture.pixels), "label": e.label, "prompt": e.prompt}
        for e in examples
    ]
    with gr.Column(elem_id="sl-try"):
        strip = ui.ExampleStrip(None, examples=shown, words=texts.EXAMPLES, visible=bool(shown))
        with gr.Row(elem_id="sl-notes"):
            kept = recorded.place(gallery, unfolded=not shown)
            with gr.Accordion(texts.ABOUT, open=False):
                ui.Details(None)
                gr.Markdown(texts.ABOUT_TEXT)
    return strip, kept


# Events ------------------------------------------------------------------------------------------


def _wire(handlers: Handlers, ask: Ask, see: See, strip: ui.ExampleStrip) -> None:
    """Connect scales that are missing, and the examples."""
    state = [see.bar, see.panel, see.options]
    see.view.need(
        handlers.add_scales,
        state,
        see.view,
        api_name="add_scales",
        api_visibility="private",
        **GPU,
    )
    asked = [ask.image, ask.prompt, ask.more]
    chosen = strip.select(shown(handlers.choose), strip, asked, **PLUMBING)
    chosen.then(None, js=PRESS_RUN)
    ask.prompt.submit(None, js=PRESS_RUN)  # a click, so that a running answer is not started twice


def _wire_run(handlers: Handlers, whatif: WhatIf, ask: Ask, see: See, picker: ui.ModelMenu) -> Any:
    """Connect both ways to an answer, Explain and asking again; return the event of the first."""
    previous, shown = gr.State({}), [see.bar, see.view, see.backdrop]
    asked = [ask.image, ask.prompt, previous, *ask.decoding, see.panel, see.options, picker]
    asked += [ask.more, ask.layers]
    hidden = [see.whatif, previous, *ask.decoding, ask.layers]
    first, again = (
        _begun(press, handlers, previous, ask, see) for press in (ask.run.click, see.whatif.again)
    )
    first = first.then(
        handlers.record, asked, [*shown, ask.notice], api_name="answer", **PRIVATE, **GPU
    )
    again = again.then(
        whatif.again, hidden, [*shown, see.masked], api_name="again", **PRIVATE, **GPU
    )
    for recording in (first, again):
        recording.then(lambda: _running(False), None, [ask.run, ask.stop], **PLUMBING)
    ask.stop.click(
        lambda before: (*handlers.stopped(before), *_running(False)),
        previous,
        [*shown, ask.run, ask.stop],
        cancels=[first, again],
        **PLUMBING,
    )
    return first


def _begun(press: Any, handlers: Handlers, previous: gr.State, ask: Ask, see: See) -> Any:
    """Return the event that keeps what is shown, for the case that the recording does not end."""
    return press(
        lambda bar: (handlers.begin(bar), *_running(True), {"busy": texts.BUSY_WAITING}),
        see.bar,
        [previous, ask.run, ask.stop, see.view],
        **PLUMBING,
    )


def _wire_whatif(whatif: WhatIf, see: See) -> None:
    see.whatif.measure(whatif.measure, see.whatif, see.whatif, **PRIVATE, **GPU)
    see.masked.back(whatif.back, see.masked, [see.bar, see.view, see.backdrop], **PLUMBING)


def _wire_beside(words: Words, see: See) -> None:
    private = {"api_visibility": "private", **GPU}
    see.beside.word(words.bring, see.beside, see.beside, api_name="bring", **private)
    shown = [see.bar, see.view, see.backdrop, see.beside]
    see.beside.answer(words.edited, see.beside, shown, api_name="edited", **private)


def _wire_menu(menu: ModelMenu, picker: ui.ModelMenu, demo: gr.Blocks, recorded: Any) -> Any:
    """Connect the menu; return the event of choosing a model."""
    loaded = picker.choose(
        menu.choose, picker, picker, api_name="choose_model", api_visibility="private", **LOAD
    )
    picker.cancel(menu.cancel, picker, None, **PLUMBING)
    for event in (demo.load, recorded.then):  # meanwhile somebody may have changed what is loaded
        event(menu.refresh, picker, picker, **PLUMBING)
    return loaded


def _wire_memory(
    memory: LayerMemory, ask: Ask, see: See, picker: ui.ModelMenu, loaded: Any
) -> None:
    """Say what further layers would take, whenever that changes."""
    longest = ask.decoding[0]
    fields = [ask.layers, ask.image, ask.more, ask.prompt, longest, see.panel, see.options, picker]
    changes = [ask.layers.change, ask.image.change, ask.more.change, longest.release]

    def size(*values: Any) -> Any:
        return memory.said(Fields(*values))

    gr.on(changes, size, fields, ask.memory, trigger_mode="always_last", **PLUMBING)
    loaded.then(size, fields, ask.memory, **PLUMBING)


def _wire_link(
    links: Links, menu: ModelMenu, settings: ui.Settings, ask: Ask, picker: ui.ModelMenu
) -> None:
    """Fill in what a link asks, and answer it if it names an example."""

    def fill(told: Any) -> tuple[Any, ...]:
        asked = links.fill(told)
        picture = asked.example.picture.pixels if asked.example else None
        return (picture, asked.prompt, *astuple(asked.decoding), menu.value(asked.model))

    fields = [ask.image, ask.prompt, *ask.decoding, ask.layers, picker]
    filled = settings.ask(shown(fill), settings, fields, **PLUMBING)
    filled.then(None, ask.image, js=PRESS_RUN_ON_PICTURE)
    settings.bring(links.bring, settings, settings, api_name="bring_link", **PRIVATE, **GPU)


def _running(running: bool) -> tuple[Any, Any]:
    """Return updates of the run and stop buttons."""
    return gr.update(interactive=not running), gr.update(interactive=running)


def _served(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that scripts of the page may call; Gradio marks it, and cannot a method."""

    @wraps(method)
    def called(asked: Any) -> Any:
        return method(asked)

    return called
