"""What the methods declare, for their twins in `js/methods/`.

Names, bounds, defaults and presets are stated nowhere else.
"""

from __future__ import annotations

from typing import Any

from explainer.methods import METHODS, Method, tam_published
from explainer.methods.base import Knob
from explainer.methods.display import SIGNED_WORDS, WORDS
from explainer.methods.subjects import CONTRAST_WORDS


def declared() -> dict[str, Any]:
    """Return the methods that the page computes, and the words for what 1.0 means in their maps."""
    return {
        "methods": {name: _method(method) for name, method in METHODS.items()},
        "norms": {
            "plain": dict(WORDS),
            "signed": dict(SIGNED_WORDS),
            "contrast": dict(CONTRAST_WORDS),
            "published": {"joint": tam_published.NORMALISATION},
        },
    }


def _method(method: Method) -> dict[str, Any]:
    """Return one method; "held" are the knobs of MSEA + ARC that an ablation holds fixed."""
    return {
        "name": method.name,
        "label": method.label,
        "knobs": [_knob(knob) for knob in method.knobs],
        "presets": {name: dict(values) for name, values in method.presets.items()},
        "held": dict(getattr(method.explain, "keywords", {})),
    }


def _knob(knob: Knob) -> dict[str, Any]:
    return {
        "name": knob.name,
        "kind": knob.kind,
        "default": knob.default,
        "low": knob.low,
        "high": knob.high,
        "step": knob.step,
        "choices": list(knob.choices),
        "most": knob.most,
    }
