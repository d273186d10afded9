"""The record of one answer: its schema, its file, its checks and where it is kept."""

from explainer.run.record import AttributionKey
from explainer.run.run import Run
from explainer.run.schema import (
    ANSWER,
    PROMPT,
    ROLE_NAMES,
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
