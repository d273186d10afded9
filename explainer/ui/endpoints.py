"""The named endpoints of the page, for gradio_client, curl and MCP.

Each is a function of `api.Api`, typed by its hints and described by its docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components.api_component import Api as Typed
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from gradio_client.utils import python_type_to_json_schema

from explainer.errors import SightlineError
from explainer.ui import components as ui
from explainer.ui.api import Api, File
from explainer.ui.model_menu import ModelMenu
from explainer.ui.section import Section
from explainer.ui.visitors import Visits

# Files go through components: they see to it that nobody names a file of the server.
FILES: Mapping[str, Callable[..., gr.components.Component]] = MappingProxyType(
    {"picture": ui.PictureInput, "more": partial(ui.FilesInput, file_count="multiple")}
)


def offer(api: Api, menu: ModelMenu, visits: Visits) -> None:
    """Offer recording, explaining and the models to programs, inside of a `gr.Blocks`."""
    record = visits.served(shown(api.record))
    signature = inspect.signature(record)
    gr.Button(visible=False).click(
        record,
        [_input(parameter) for parameter in signature.parameters.values()],
        Typed(None, python_type_to_json_schema(signature.return_annotation), "answer"),
        api_name="record",
        show_progress="hidden",
    )
    gr.api(visits.served(shown(api.explain)), api_name="explain", queue=False)
    export = shown(api.export)
    gr.Button(visible=False).click(
        visits.served(_cached(export), slow=True),
        [_input(parameter) for parameter in inspect.signature(export).parameters.values()],
        gr.File(visible=False, label="file"),
        api_name="export",
        show_progress="hidden",
    )
    gr.api(_named("models", menu.listing), api_name="models", queue=False)
    gr.api(_named("load", menu.load_api), api_name="load", concurrency_limit=8)


def offer_all(sections: Sequence[Section], visits: Visits) -> None:
    """Offer the endpoints of sections, inside of a `gr.Blocks`."""
    for endpoint in (endpoint for section in sections for endpoint in section.endpoints()):
        function = shown(endpoint.function)
        served = visits.served(function) if endpoint.asks_model else function
        gr.api(served, api_name=function.__name__, queue=endpoint.queue)


def _named(name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the handler under the name that agents call it by."""
    named = shown(handler)
    named.__name__ = name
    return named


def _cached(export: Callable[..., File]) -> Callable[..., str]:
    """Return the handler with its file where Gradio serves files from, and clears them away."""

    @wraps(export)
    def kept(*values: Any) -> str:
        name, data = export(*values)
        return save_bytes_to_cache(data, name, get_upload_folder())

    return kept


def _input(parameter: inspect.Parameter) -> gr.components.Component:
    """Return the hidden component through which a parameter comes."""
    if parameter.name in FILES:
        return FILES[parameter.name](visible=False, label=parameter.name)
    default = None if parameter.default is parameter.empty else parameter.default
    return Typed(default, python_type_to_json_schema(parameter.annotation), parameter.name)


def shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the handler with errors for people turned into Gradio's own, without a traceback."""

    @wraps(handler)
    def guarded(*values: Any) -> Any:
        try:
            return handler(*values)
        except SightlineError as error:
            raise gr.Error(str(error), print_exception=False) from None

    signature = inspect.signature(handler, eval_str=True)  # Gradio reads types off it
    guarded.__signature__ = signature  # type: ignore[attr-defined]
    return guarded
