"""What the page can ask to have explained: JSON that becomes a subject here, and then its maps.

The page's scripts pass a subject on unread. A new kind is one more reader in `_KINDS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from explainer.errors import RunError, TokenError
from explainer.methods import METHODS
from explainer.methods.base import Heatmap
from explainer.run import TEMPLATE, Run
from explainer.subjects import Span, Subject, explain_subject
from explainer.ui import texts
from explainer.ui.controls import Settings

LONGEST = 2000  # characters of a subject's JSON


def read_subject(run: Run, asked: Any) -> Subject:
    """Return what the page asks to have explained, checked; a kind is known by its first field.

    {"chip": 12} is a chip of the run, by number.

    Raises:
        RunError: it cannot be read.
        TokenError: there is no such chip, or it belongs to the template.
    """
    if not isinstance(asked, Mapping) or len(json.dumps(asked)) > LONGEST:
        raise RunError(texts.BAD_REQUEST)
    kind = next((name for name in _KINDS if name in asked), None)
    if kind is None:
        raise RunError(texts.BAD_REQUEST)
    return _KINDS[kind](run, asked)


def _chip(run: Run, asked: Mapping[str, Any]) -> Span:
    index = asked["chip"]
    if isinstance(index, bool) or not isinstance(index, int):
        raise RunError(texts.BAD_REQUEST)
    if not 0 <= index < len(run.chips) or run.chips[index].role == TEMPLATE:
        raise TokenError(texts.BAD_REQUEST)
    return Span(run.chips[index].tokens)


_KINDS: Mapping[str, Callable[[Run, Mapping[str, Any]], Subject]] = MappingProxyType(
    {"chip": _chip}
)


def heatmaps(run: Run, subject: Subject, settings: Settings) -> dict[str, Heatmap]:
    """Return the heatmap of a subject by every shown method, in their order."""
    return {
        name: explain_subject(METHODS[name], run, subject, **knobs)
        for name, knobs in settings.knobs.items()
    }
