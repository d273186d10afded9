"""The record of one answer: schema, file format, checks, geometry and store."""

from explainer.run.fields import AttributionKey
from explainer.run.run import Run
from explainer.run.schema import (
    ANSWER,
    EARLIER_ANSWER,
    EARLIER_PROMPT,
    NOTHING_SAID,
    PROMPT,
    ROLE_NAMES,
    SOURCES,
    SYSTEM,
    TEMPLATE,
    Chip,
    Conversation,
    Evidence,
    Layer,
    Scale,
    Tokens,
    Turn,
    Unembedding,
    Video,
    View,
)

__all__ = [
    "ANSWER",
    "EARLIER_ANSWER",
    "EARLIER_PROMPT",
    "NOTHING_SAID",
    "PROMPT",
    "ROLE_NAMES",
    "SOURCES",
    "SYSTEM",
    "TEMPLATE",
    "AttributionKey",
    "Chip",
    "Conversation",
    "Evidence",
    "Layer",
    "Run",
    "Scale",
    "Tokens",
    "Turn",
    "Unembedding",
    "Video",
    "View",
]
