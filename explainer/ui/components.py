"""The components of the page that Gradio lacks, and Gradio inputs with validation turned off.

What a browser sends is checked in `web/calls.py` and `web/controls.py`, with sentences for people.
All HTML templates are constants: text of a model or a person reaches the page through `textContent`
alone, because a template would evaluate it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from explainer.ui.doors import guard
from explainer.web import scripts as web

_OF_HTML = inspect.signature(gr.HTML).parameters


class Drawn(gr.HTML):
    """A component whose content a module of the page builds; its value is JSON both ways.

    MODULE is the name of its module: in `js/page.js`, or of a file in the folder of its section.
    TRIGGERS are the events that it may fire. What the module needs besides the value goes to the
    browser as one text: Gradio copies all properties, each number and word by itself, whenever an
    event ends that takes the component's value.
    """

    MODULE: str
    TEMPLATE: str
    TRIGGERS: tuple[str, ...] = ()

    def __init__(
        self,
        value: Any = None,
        server_functions: Sequence[Callable[[Any], Any]] = (),
        **props: Any,
    ) -> None:
        fixed = {
            "server_functions": [guard(function) for function in server_functions] or None,
            "html_template": self.TEMPLATE,
            "js_on_load": self._mount(),
            "css_template": "",
            "apply_default_css": False,
        }
        constants = {name: props.pop(name) for name in list(props) if name not in _OF_HTML}
        told = json.dumps(constants, ensure_ascii=False, separators=(",", ":"))
        super().__init__(value, **{**props, **fixed, "constants": told})

    def _mount(self) -> str:
        """Return the script that mounts it; Gradio reads the names of events from it."""
        context = "{element, props, trigger, server, watch}"
        return f"document.sightline.mount('{self.MODULE}', {context}, {list(self.TRIGGERS)});"

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}


class TokenBar(Drawn):
    """The chips. Value: `BarValue`, `LiveBar` or `EmptyBar`; from the page {run, subject}."""

    MODULE, TEMPLATE = web.TOKENS.name, web.TOKENS.template


class MapView(Drawn):
    """The maps of the chosen word, side by side. Value: messages, or `MapsMade`.

    Server functions: compared, places, save, progress. Events: need (the model has to add scales or
    maps), end (stop that), lost (the server has fallen silent).
    """

    MODULE, TEMPLATE = web.MAPS.name, web.MAPS.template
    TRIGGERS = ("need", "end", "lost")


class Backdrop(Drawn):
    """The picture under the maps, sent once for each run. Value: `BackdropValue`."""

    MODULE, TEMPLATE = web.BACKDROP.name, web.BACKDROP.template


class ControlPanel(Drawn):
    """Scales, k, beta, opacity and colours. Value: `PanelValue`."""

    MODULE = "panel"
    TEMPLATE = '<div class="sl-panel" role="group"></div>'


class OptionPanel(Drawn):
    """The other knobs of the methods. Value: `OptionValue`."""

    MODULE = "options"
    TEMPLATE = '<details class="sl-fold"></details>'


class ExampleStrip(Drawn):
    """Thumbnails to choose from. Value: the number of one. Event: select.

    With the prop `greets` the first one is chosen by itself, unless the page is asked for something
    else.
    """

    MODULE = "examples"
    TEMPLATE = '<div class="sl-examples" role="group"></div>'
    TRIGGERS = ("select",)


class ModelPicker(Drawn):
    """The model menu. Value: `MenuValue` or `LoadingMenu`; from the page `MenuCall`.

    Events: choose, cancel.
    """

    MODULE = "models"
    TEMPLATE = '<div class="sl-models"></div>'
    TRIGGERS = ("choose", "cancel")


class Notice(Drawn):
    """One sentence, as plain text. Value: `Message`."""

    MODULE = "notice"
    TEMPLATE = '<div class="sl-notice" aria-live="polite"></div>'


class _Raw:
    """Pass on what the browser sent; `is_template` makes the page draw the parent component."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        return payload


class RawSlider(_Raw, gr.Slider):
    """A slider with validation turned off."""

    def get_block_name(self) -> str:
        return "slider"


class RawNumber(_Raw, gr.Number):
    """A number with validation turned off."""

    def get_block_name(self) -> str:
        return "number"


class RawCheckbox(_Raw, gr.Checkbox):
    """A checkbox with validation turned off."""

    def get_block_name(self) -> str:
        return "checkbox"


class RawDropdown(_Raw, gr.Dropdown):
    """A menu with validation turned off."""

    def get_block_name(self) -> str:
        return "dropdown"


class FilesInput(gr.File):
    """A file input that passes the uploaded files on unopened."""

    is_template = True

    def get_block_name(self) -> str:
        return "file"

    def preprocess(self, payload: Any) -> list[str]:
        files = getattr(payload, "root", payload) or []
        return [f.path for f in (files if isinstance(files, list) else [files])]


class PictureInput(gr.Image):
    """A picture input that passes the uploaded file on; `explainer.media.images` opens it."""

    is_template = True

    def get_block_name(self) -> str:
        return "image"

    def preprocess(self, payload: Any) -> str | None:
        return payload.path if payload is not None else None
