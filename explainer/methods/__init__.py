"""The registry of methods. A new method is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from explainer.errors import MethodError
from explainer.methods.ablations import ARC, MEAN_MITIGATION, MSEA
from explainer.methods.base import Heatmap, Knob, MapPart, Method
from explainer.methods.comparison import COMPARISON, LONG, OPT_IN
from explainer.methods.logit_lens import LOGIT_LENS
from explainer.methods.msea_arc import MSEA_ARC
from explainer.methods.tam import TAM

__all__ = [
    "COMPARISON",
    "LONG",
    "METHODS",
    "OPT_IN",
    "Heatmap",
    "Knob",
    "MapPart",
    "Method",
    "combine_maps",
    "find_method",
]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "msea_arc": MSEA_ARC,
        "tam": TAM,
        "logit_lens": LOGIT_LENS,
        "msea": MSEA,
        "arc": ARC,
        "mean_mitigation": MEAN_MITIGATION,
    }
)

COMBINE = ("max", "mean", "first")


def find_method(name: str) -> Method:
    """Return the method of this name, including those that need the model or take long.

    Raises `MethodError` with all names if there is none.
    """
    known = {**METHODS, **COMPARISON, **OPT_IN, **LONG}
    if name not in known:
        raise MethodError(f"there is no method {name!r}; choose one of {', '.join(known)}")
    return known[name]


def combine_maps(maps: Sequence[Heatmap], combine: str = "max") -> Heatmap:
    """Return the element-wise maximum or mean of heatmaps of one run and method, or the first.

    Notes are averaged, except with "first".
    """
    if combine not in COMBINE:
        raise MethodError(f"combine must be one of {', '.join(COMBINE)}, got {combine!r}")
    first = maps[0]
    if combine == "first" or len(maps) == 1:
        return first
    reduce = np.max if combine == "max" else np.mean
    parts = tuple(
        MapPart(reduce([part.values for part in same], axis=0), same[0].placement)
        for same in zip(*(m.parts for m in maps), strict=True)
    )
    notes = {name: float(np.mean([m.notes[name] for m in maps])) for name in first.notes}
    return Heatmap(parts, first.signed, first.normalisation, notes)
