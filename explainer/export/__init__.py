"""Export recorded runs as figures, films, data and pages, without a model."""

from explainer.export.colours import COVERS, DIVERGING, RGB, SEQUENTIAL, colour_table
from explainer.export.exhibit import THEMES, Chosen, Exhibit, Look, chips, title, tokens_of, words
from explainer.export.overlay import overlay, png

__all__ = [
    "COVERS",
    "DIVERGING",
    "RGB",
    "SEQUENTIAL",
    "THEMES",
    "Chosen",
    "Exhibit",
    "Look",
    "chips",
    "colour_table",
    "overlay",
    "png",
    "title",
    "tokens_of",
    "words",
]
