"""The page: its regions, what is in them, and what serves it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import LocalFont
from starlette.middleware import Middleware

from explainer.export import Look
from explainer.media.images import open_image
from explainer.run.store import RunStore
from explainer.serving.calls import Calls
from explainer.serving.jobs import Worker
from explainer.serving.lanes import Scheduler
from explainer.serving.loaded import Loaded
from explainer.serving.model_pool import Models
from explainer.serving.status import ServerStatus
from explainer.ui import components as ui
from explainer.ui import events, evidence, published
from explainer.ui.answer_memory import AnswerMemory
from explainer.ui.api import Api
from explainer.ui.endpoints import offer, offer_all
from explainer.ui.gallery import GalleryRun
from explainer.ui.gate import Gate
from explainer.ui.guarded_blocks import GuardedBlocks
from explainer.ui.handlers import Handlers, PageExample
from explainer.ui.layer_memory import LayerMemory
from explainer.ui.maps import Maps
from explainer.ui.missing import Missing
from explainer.ui.model_menu import ModelMenu
from explainer.ui.published import publish
from explainer.ui.saving import Saving
from explainer.ui.section import Page, Section, Server, Slot, place_all
from explainer.ui.sections import FOLDERS, SECTIONS
from explainer.ui.sessions import lighten_sessions
from explainer.ui.sides import Ask, See
from explainer.ui.visitors import Visits
from explainer.web import controls, payload, texts
from explainer.web.page_messages import Thumbnail
from explainer.web.scripts import page_script, page_style

MOST_EVENTS = 1024  # of all visitors at once, most of which wait
MOST_SESSIONS = 600  # whose state Gradio keeps
LOOK_SECONDS = 0.01  # between two looks for events that wait


def build_demo(
    models: Models | Loaded,
    store: RunStore,
    *,
    about: str = "",
    precision: Callable[[], str] = lambda: "float32",
    examples: Sequence[PageExample] = (),
    gallery: Sequence[GalleryRun] = (),
    gpu: Callable[[Worker], Worker] = lambda worker: worker,
) -> GuardedBlocks:
    """Return the page for the models of a server and one store of runs.

    Launch it with `launch_options`.

    Args:
        models: those models, or one explainer for a page without a menu.
        about: a sentence on what the model is and knows, in place of what is known of it.
        precision: returns what weights are loaded in, a key of `memory.BITS`, for the menu's
            figures.
        examples: pictures and prompts to try.
        gallery: recorded runs to open.
        gpu: decorates the generator function that uses the model.
    """
    models = models if isinstance(models, Models) else Models.of_one(models)
    calls = Calls(Scheduler(replicas=models.replicas))
    visits, menu = Visits(calls), ModelMenu(models, precision, about)
    handlers = Handlers(models, store, examples, lambda worker: calls.guard(gpu(worker)))
    server = Server(handlers, store, visits, models, menu, examples, gallery)
    sections = [section(server) for section in SECTIONS]
    with GuardedBlocks(
        handlers.uploads,
        ServerStatus(models, store, calls),
        title=texts.TITLE,
        fill_width=True,
        delete_cache=(600, 7200),
    ) as demo:
        with gr.Row(elem_id="sl-top"):
            gr.HTML(_header(), elem_id="sl-title", apply_default_css=False)
            picker = ui.ModelPicker(menu.initial(), elem_id="sl-menu", words=texts.MODEL_WORDS)
            with gr.Row(elem_id="sl-tools"):
                place_all(sections, Slot.TOOLS)
        with gr.Row(elem_id="sl-page"):
            ask = _ask()
            see = _see(Maps(store), Saving(store), sections)
            strip = _try(examples, sections)
        ways = [way for section in sections for way in section.recordings()]
        answered = events.wire_run(handlers, ways, ask, see, picker, visits)
        events.wire_missing(Missing(handlers), see, visits)
        events.wire_examples(handlers, ask, strip)
        loaded = events.wire_menu(menu, picker, demo, answered)
        events.wire_memory(LayerMemory(models), ask, see, picker, loaded)
        events.wire_answer_memory(AnswerMemory(models), ask, picker, loaded)
        for section in sections:
            section.wire(Page(ask, see, picker))
        offer(Api(handlers), menu, visits)
        offer_all(sections, visits)
    lighten_sessions(demo)
    # Else Gradio summarises recent calls with pandas after each call, for a page that is closed.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
    demo.queue(max_size=MOST_EVENTS, default_concurrency_limit=None)
    # Gradio looks every millisecond whether an event waits: a twentieth of a core, all day long.
    demo._queue.sleep_when_free = demo._queue.progress_update_sleep_when_free = LOOK_SECONDS
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
    routes = [*published.routes(FOLDERS), *evidence.routes()]
    return {
        "theme": theme,
        "head": f"<script>{page_script(FOLDERS)}</script>",  # runs before the parts are mounted
        "css": page_style(FOLDERS),
        "footer_links": ["api"],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": "50mb",
        "show_error": False,
        "enable_monitoring": False,
        "max_threads": MOST_EVENTS,  # of events under way, see `Page.create_limiter` for threads
        "state_session_capacity": MOST_SESSIONS,
        "app_kwargs": {"middleware": [Middleware(Gate)], "routes": routes},
    }


def load_examples(folder: Path) -> list[PageExample]:
    """Return the examples that `examples.json` in this folder lists; none if there is no such file.

    The file is a list of {"image", "prompt", "label"}.
    """
    listing = folder / "examples.json"
    if not listing.is_file():
        return []
    return [
        PageExample(open_image(folder / e["image"]), e["prompt"], e["label"])
        for e in json.loads(listing.read_text(encoding="utf-8"))
    ]


# Regions -----------------------------------------------------------------------------------------


def _header() -> str:
    return f"<h1>{texts.TITLE}</h1><p>{texts.TAGLINE}</p>"


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
        with gr.Accordion(texts.DECODING, open=False) as settings:
            decoding, answer = _decoding()
            penalty = ui.RawNumber(
                controls.REPETITION_PENALTY.default,
                step=controls.REPETITION_PENALTY.step,
                label=texts.REPETITION_PENALTY,
                info=texts.REPETITION_PENALTY_ABOUT,
                elem_id="sl-penalty",
            )
            thinking = ui.RawCheckbox(
                False, label=texts.THINKING, info=texts.THINKING_ABOUT, elem_id="sl-thinking"
            )
            system = gr.Textbox(
                label=texts.SYSTEM,
                info=texts.SYSTEM_ABOUT,
                lines=1,
                max_lines=4,
                elem_id="sl-system",
            )
            layers = ui.RawDropdown(
                [(texts.LAYER_CHOICES[name], name) for name in controls.LAYERS.choices],
                value=controls.LAYERS.default,
                label=texts.LAYERS,
                info=texts.LAYERS_ABOUT,
                filterable=False,
                elem_id="sl-layers",
            )
            memory = ui.Notice({"text": "", "kind": ""}, elem_id="sl-memory")
    return Ask(
        image,
        more,
        notice,
        prompt,
        run,
        stop,
        decoding,
        penalty,
        layers,
        memory,
        thinking,
        system,
        settings,
        answer,
    )


def _decoding() -> tuple[tuple[gr.Slider, gr.Slider, gr.Number], ui.Notice]:
    """Return the fields of the decoding, and the line on the memory of an answer."""
    longest, temperature, seed = controls.MAX_NEW_TOKENS, controls.TEMPERATURE, controls.SEED
    slider = ui.RawSlider(
        longest.low, longest.high, longest.default, step=1, label=texts.MAX_NEW_TOKENS
    )
    answer = ui.Notice({"text": "", "kind": ""}, elem_id="sl-answer-memory")
    return (
        slider,
        ui.RawSlider(
            temperature.low,
            temperature.high,
            temperature.default,
            step=temperature.step,
            label=texts.TEMPERATURE,
        ),
        ui.RawNumber(seed.default, precision=0, label=texts.SEED),
    ), answer


def _see(
    maps: Maps,
    saving: Saving,
    sections: Sequence[Section],
) -> See:
    with gr.Column(elem_id="sl-see"):
        bar = ui.TokenBar(
            {"run": None, "subject": None}, elem_id="sl-bar", words=texts.PLAYING, rests=texts.RESTS
        )
        place_all(sections, Slot.WORDS)
        view = ui.MapView(
            {},
            elem_id="sl-view",
            server_functions=[
                maps.compared,
                maps.places,
                saving.save,
                saving.progress,
            ],
            evidence={"module": published.module_address(), "runs": evidence.RUNS},
            **payload.view_props(),
        )
        backdrop = ui.Backdrop({})
        panel = ui.ControlPanel(
            controls.panel_value(),
            elem_id="sl-panel",
            spec=controls.panel_spec().as_json(),
            opacity=Look().opacity,
            colours=payload.colour_labels(),
            layer=texts.LAYER,
            words=texts.SLIDERS,
        )
        with gr.Row(elem_id="sl-folds"):
            place_all(sections, Slot.FOLDS)
            options = ui.OptionPanel(
                controls.option_value(),
                **controls.option_props().as_json(),
                title=texts.METHOD_OPTIONS,
                words=texts.OPTIONS,
            )
    return See(bar, view, backdrop, panel, options)


def _try(examples: Sequence[PageExample], sections: Sequence[Section]) -> ui.ExampleStrip:
    shown = [
        Thumbnail(thumbnail=publish(e.picture.pixels), label=e.label, prompt=e.prompt).as_json()
        for e in examples
    ]
    with gr.Column(elem_id="sl-try"):
        strip = ui.ExampleStrip(None, examples=shown, words=texts.EXAMPLES, visible=bool(shown))
        with gr.Row(elem_id="sl-notes"):
            place_all(sections, Slot.NOTES)
    return strip
