"""The record of one answer: schema, file format, checks, geometry and store."""

from explainer.run.record import AttributionKey
from explainer.run.run import Run
from explainer.run.schema import (
    ANSWER,
    PROMPT,
    ROLE_NAMES,
    SOURCES,
    TEMPLATE,
    Chip,
    Evidence,
    Layer,
    Scale,
    Tokens,
    Unembedding,
    Video,
    View,
)

__all__ = [
    "ANSWER",
    "PROMPT",
    "ROLE_NAMES",
    "SOURCES",
    "TEMPLATE",
    "AttributionKey",
    "Chip",
    "Evidence",
    "Layer",
    "Run",
    "Scale",
    "Tokens",
    "Unembedding",
    "Video",
    "View",
]
