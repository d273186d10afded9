"""The words of the offer of a model for photographs."""

from __future__ import annotations

DRAWINGS = (
    "This model knows 42 things drawn as emoji and no photographs. If your picture is a "
    "photograph, its answer means nothing."
)
LOAD = "Load {model}"
