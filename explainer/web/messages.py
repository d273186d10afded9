"""What the map view or a notice is told while the model works, and when something went wrong."""

from __future__ import annotations

from typing import Any

from explainer.web.texts import in_words

Value = dict[str, Any]


def busy(text: str) -> Value:
    """Return the map view's value while the model works."""
    return {"busy": text}


def said(text: str, kind: str = "error") -> Value:
    """Return a message: of the map view (maps stay), or of a notice."""
    return {"text": text, "kind": kind}


def failed(error: Exception) -> Value:
    """Return the message that tells a person what went wrong."""
    return said(in_words(error))
