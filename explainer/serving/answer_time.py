"""Estimate how long a listed model takes for an answer about a photograph on this machine."""

from __future__ import annotations

from explainer.models import family_class
from explainer.models.loading.catalogue import Entry
from explainer.models.loading.options import LoadOptions
from explainer.models.loading.placing import pick_device
from explainer.models.loading.speed import estimate_seconds, measure_speed


def estimate_answer(entry: Entry, precision: str) -> float:
    """Return the seconds of reading a picture of 640 x 480 px and answering with a few words.

    Args:
        entry: a model whose family and size are known.
        precision: of its weights, a key of `memory.BITS`.
    """
    speed = measure_speed(str(pick_device(LoadOptions())), precision)
    family = family_class(entry.model_type)
    tokens, patches = family.photo_tokens, family.patches_per_token
    return estimate_seconds(entry, tokens, patches, precision, speed)
