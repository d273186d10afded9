"""What Gradio sends to each browser and keeps of each visitor, made small.

The description of the page has for every component three schemas of what programs may send, and for
every event all its options. Browsers need neither the schemas, nor options at their defaults.

For every session Gradio copies the settings of all components, 20 ms of work and 170 kB, so that a
link can bring the session back; every call of a program is a session. The links of this page hold
all that they bring back themselves.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlocksConfig
from gradio.context import LocalContext


class _SessionConfig(BlocksConfig):
    """The components and functions of one session, without a copy of their settings."""

    @staticmethod
    def config_for_block(*_: Any, **__: Any) -> dict[str, Any]:
        return {}


# Options of events whose absence means the same to a browser, and to programs.
_DEFAULTS: dict[str, Any] = {
    "api_description": None,
    "batch": False,
    "collects_event_data": False,
    "component_prop_inputs": [],
    "connection": "sse",
    "event_specific_args": None,
    "js": None,
    "js_implementation": None,
    "max_batch_size": 4,
    "render_id": None,
    "rendered_in": None,
    "scroll_to_output": False,
    "show_progress_on": None,
    "stream_every": 0.5,
    "time_limit": None,
    "trigger_after": None,
    "trigger_only_on_failure": False,
    "trigger_only_on_success": False,
}


# Properties that no component of the page reads in a browser.
_UNREAD = ("preserved_by_key", "_retryable", "_undoable", "likeable")


class _PageConfig(BlocksConfig):
    """The components and functions of the page, of which each session gets a copy."""

    def get_config(self, *args: Any) -> dict[str, Any]:
        """Return the description of the page, without what no browser and no program reads."""
        config = super().get_config(*args)
        public = {
            block._id
            for function in self.fns.values()
            if function.api_visibility != "private"
            for block in (*function.inputs, *function.outputs)
        }
        for component in config["components"]:
            _shrink(component, component["id"] in public)
        config["dependencies"] = [_drop_unread(event) for event in config["dependencies"]]
        return config

    def __copy__(self) -> BlocksConfig:
        copied = super().__copy__()
        copied.__class__ = _SessionConfig
        return copied


def _drop_unread(event: dict[str, Any]) -> dict[str, Any]:
    """Return the options of an event that a browser or a program reads."""
    unread = () if event["backend_fn"] else ("show_progress", "show_progress_on")
    return {
        name: value
        for name, value in event.items()
        if name not in unread and _DEFAULTS.get(name, ...) != value
    }


def _shrink(component: dict[str, Any], is_public: bool) -> None:
    """Drop what the description of a component repeats, and the schema if no program sends it."""
    schema = component.pop("api_info", None)
    if is_public and schema is not None:
        component["api_info"] = schema
    for name in ("api_info_as_input", "api_info_as_output"):
        own = component.pop(name, None)
        if is_public and own != schema:
            component[name] = own
    component.pop("example_inputs", None)
    for name in ("_api_info", *_UNREAD):
        component["props"].pop(name, None)
    component.pop("component_class_id", None)  # names a file of components that Gradio lacks
    if component["type"] == "api":  # a parameter of an endpoint, which is never drawn
        for name in ("key", "skip_api"):
            component.pop(name, None)
    if component["type"] in ("api", "html"):
        component["props"].pop("_selectable", None)
        for name in ("show_label", "autoscroll"):
            if component["props"].get(name) is False:  # as without it
                del component["props"][name]


def lighten_sessions(demo: gr.Blocks) -> None:
    """Have sessions of a page keep little, and nothing of one that was closed."""
    demo.default_config.__class__ = _PageConfig
    with demo:
        demo.unload(_forget)


def _forget(request: gr.Request) -> None:
    """Drop what is kept of a page that was closed."""
    LocalContext.blocks.get().state_holder.session_data.pop(request.session_hash, None)
