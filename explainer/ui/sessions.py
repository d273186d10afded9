"""What Gradio keeps of each visitor, made small.

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


class _PageConfig(BlocksConfig):
    """The components and functions of the page, of which each session gets a copy."""

    def __copy__(self) -> BlocksConfig:
        copied = super().__copy__()
        copied.__class__ = _SessionConfig
        return copied


def lighten_sessions(demo: gr.Blocks) -> None:
    """Have sessions of a page keep little, and nothing of one that was closed."""
    demo.default_config.__class__ = _PageConfig
    with demo:
        demo.unload(_forget)


def _forget(request: gr.Request) -> None:
    """Drop what is kept of a page that was closed."""
    LocalContext.blocks.get().state_holder.session_data.pop(request.session_hash, None)
