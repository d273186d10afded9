"""Ablations of MSEA + ARC: the same computation with some knobs fixed."""

from __future__ import annotations

from functools import partial
from typing import Any

from explainer.methods.base import Method
from explainer.methods.msea_arc import MSEA_ARC, explain
from explainer.methods.msea_arc_knobs import KNOBS

_FUSION = ("scales", "scale_weights", "fuse", "resize")
_ARC = ("k", "p", "rbo", "state")
_SUBTRACTION = ("beta", "beta_range", "predecessors", "repeats", "base")


def _variant(name: str, label: str, summary: str, hidden: tuple[str, ...], **fixed: Any) -> Method:
    """Return MSEA + ARC with the `fixed` knobs set and the `hidden` ones at their defaults."""
    out = {*hidden, *fixed}
    held = {knob.name: knob.default for knob in KNOBS if knob.name in out} | fixed
    return Method(
        name=name,
        label=label,
        summary=summary,
        paper=MSEA_ARC.paper,
        signed=False,
        knobs=tuple(knob for knob in KNOBS if knob.name not in out),
        explain=partial(explain, **held),
    )


MSEA = _variant(
    "msea",
    "MSEA alone",
    "The lens fused over several scales; nothing is subtracted.",
    (*_ARC, *_SUBTRACTION),
    weights="none",
)
ARC = _variant(
    "arc",
    "ARC alone",
    "One scale, cleaned of earlier words whose predictions are unrelated.",
    _FUSION,
    scales=(1.0,),
    weights="rbo",
)
MEAN_MITIGATION = _variant(
    "mean_mitigation",
    "Mean mitigation",
    "One scale, cleaned of all earlier words alike.",
    (*_FUSION, *_ARC),
    scales=(1.0,),
    weights="uniform",
    base="off",
)
