"""The tables of the MSEA + ARC paper (arXiv 2509.22415), as rows of methods.

`python -m explainer evaluate --table N` measures one of them on any data set. 1 to 4 are the
paper's tables 1 to 3 and its Figure 3; 5 compares readings of what the paper leaves open; 6
explains the figures; 7 measures how the model reacts when regions are shown or hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType


@dataclass(frozen=True)
class Panel:
    """Rows that form a curve, as in the paper's Figure 3: `labels` in order along the axis."""

    title: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: description of the comparison.
        rows: methods as typed for `candidates.parse`, by label.
        against: label of the row that the others are compared with.
        models: the bundled models that it is measured on by default.
        panels: curves to draw; without any, the plot is a row of points for each method.
        inspected: labels of rows with the figures of `why`.
        cases: labels of rows drawn on the samples on which the first two differ most.
        curves: insertion and deletion are measured, too, of all samples if no number is given.
        one_scale: for rows by their label, the same maps with 1.0 as the largest value in the maps
            of the whole answer; what they gain by it is not the method's doing.
    """

    title: str
    rows: Mapping[str, str]
    against: str
    models: tuple[str, ...] = ("emoji-qwen2-vl",)
    panels: tuple[Panel, ...] = ()
    inspected: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    curves: bool = False
    one_scale: Mapping[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> list[str]:
        """Return all methods, each once, those of `rows` first."""
        return list(dict.fromkeys([*self.rows.values(), *self.one_scale.values()]))


MSEA_ARC, TAM = "MSEA + ARC", "TAM"
CONTROLS = {"random map": "random", "centre bias": "centre"}


def _knobs(*settings: str) -> str:
    """Return the name of MSEA + ARC with these knobs."""
    return "+".join(["msea_arc", *(s for s in settings if s)])


# Table 1 -----------------------------------------------------------------------------------------

_METHODS = Table(
    "All methods",
    {
        "Grad-CAM": "grad_cam",
        "Grad-CAM, mode table": "grad_cam+mode=table",
        "Grad-CAM++": "grad_cam_pp",
        "Grad-CAM++, mode table": "grad_cam_pp+mode=table",
        "Layer-CAM": "layer_cam",
        "Layer-CAM, mode table": "layer_cam+mode=table",
        "LLaVA-CAM": "llava_cam",
        "Grad-Rollout": "grad_rollout",
        "Attention, last layer": "attention",
        "Attention, mean of layers": "attention+over_layers=mean",
        "Attention-Rollout": "attention_rollout",
        "CAM": "cam",
        "ArchiSurgery": "archi_surgery",
        TAM: "tam",
        "TAM, published code": "tam:published",
        MSEA_ARC: "msea_arc",
        "MSEA + ARC to the letter": "msea_arc:paper",
        **CONTROLS,
    },
    against=TAM,
)

# Gradients and attention have no unit in common with the scores of words in the text, so there is
# no joint scale for them; that of the answer is one for every method.
_METHODS = replace(
    _METHODS,
    one_scale={
        label: f"{method}+normalisation=answer"
        for label, method in _METHODS.rows.items()
        if label not in CONTROLS and ":published" not in method
    },
)

# Table 2 -----------------------------------------------------------------------------------------

_FAMILIES = Table(
    "Families",
    {"CAM": "cam", TAM: "tam", MSEA_ARC: "msea_arc", **CONTROLS},
    against=TAM,
    models=("emoji-qwen2-vl", "emoji-internvl", "emoji-llava"),
)

# Table 3 -----------------------------------------------------------------------------------------

_WEIGHTS = {
    "none": "weights=none",
    "mean": "weights=uniform+base=off",
    "TAM": "weights=score+predecessors=content+base=off",
    "ARC": "weights=rbo",
}
_FUSIONS = {"one scale": "scales=1", "max of scales": "fuse=max", "mean of scales": "fuse=mean"}

_PARTS = Table(
    "Ablation: what is subtracted, and how scales are fused",
    {
        f"{weights}, {fusion}": _knobs(w, f)
        for (weights, w), (fusion, f) in product(_WEIGHTS.items(), _FUSIONS.items())
    }
    | CONTROLS,
    against="TAM, one scale",
)

# Table 4 -----------------------------------------------------------------------------------------

_NUMBERS = {
    "1": "1",
    "2": "0.75/1",
    "3": "0.5/0.75/1",
    "4": "0.5/0.75/1/1.25",
    "5": "0.5/0.75/1/1.25/1.5",
}
_RANGES = {
    "0.25 to 1": "0.25/0.5/1",
    "0.5 to 1": "0.5/0.75/1",
    "0.75 to 1.25": "0.75/1/1.25",
    "1 to 1.5": "1/1.25/1.5",
}
_ALONE = {f"{alpha} alone": alpha for alpha in ("0.5", "0.75", "1", "1.25", "1.5")}


def _scaled(scales: Mapping[str, str]) -> dict[str, str]:
    return {label: _knobs(f"scales={s}") for label, s in scales.items()}


_SCALES = Table(
    "Number of scales, and their range",
    {
        **_scaled({f"{n} scale{'s' * (n != '1')}": s for n, s in _NUMBERS.items()}),
        **_scaled(_RANGES),
        **_scaled(_ALONE),
        **CONTROLS,
    },
    against="3 scales",
    panels=(
        Panel("Number of scales", ("1 scale", "2 scales", "3 scales", "4 scales", "5 scales")),
        Panel("Range of three scales", tuple(_RANGES)),
        Panel("One scale", tuple(_ALONE)),
    ),
)

# Table 5 -----------------------------------------------------------------------------------------

_GRID: tuple[tuple[str, ...], ...] = (
    ("clip=fused", "clip=none"),
    ("beta_range=nonnegative", "beta_range=free"),
    ("repeats=drop", "repeats=keep"),
    ("normalisation=joint", "normalisation=token"),
)
_SINGLE = (
    "p=0.5",
    "p=0.8",
    "p=0.95",
    "p=0.98",
    "rbo=extrapolated",
    "rbo=truncated",
    "rbo=average",
    "k=10",
    "k=200",
    "predecessors=all",
    "state=own",
    "base=off",
    "repeats=drop_word",
    "clip=per_scale",
    "border=mirror",
    "border=inside",
    "resize=nearest",
    "resize=bicubic",
    "factor=2",
    "window=1",
)


def _describe_knobs(settings: Iterable[str]) -> str:
    return ", ".join(setting.replace("=", " ") for setting in settings)


_READINGS = Table(
    "Readings of what the paper leaves open",
    {
        "default": "msea_arc",
        **{_describe_knobs(settings): _knobs(*settings) for settings in product(*_GRID)},
        **{_describe_knobs([setting]): _knobs(setting) for setting in _SINGLE},
        "to the letter": "msea_arc:paper",
        "to the letter, on the token grid": "msea_arc:paper+fuse_at=tokens",
        "to the letter, each map on its own scale": "msea_arc:paper+normalisation=token",
        TAM: "tam",
        "TAM, border mirror": "tam+border=mirror",
        **CONTROLS,
    },
    against="default",
)

# Table 6 -----------------------------------------------------------------------------------------

_CHANGES = {"": "", ", no filter": "window=1", ", grid of half cells": "factor=2"}
_RIVALS = {
    "TAM": ("weights=score", "predecessors=content", "scales=1", "base=off"),
    "TAM over scales": ("weights=score", "predecessors=content", "base=off"),
    "mean over scales": ("weights=uniform", "base=off"),
    MSEA_ARC: (),
}

_WHY = Table(
    "Why: where maps lie, what they take away, and what would change it",
    {
        f"{label}{change}": _knobs(*settings, knob)
        for (change, knob), (label, settings) in product(_CHANGES.items(), _RIVALS.items())
    }
    | CONTROLS,
    against="TAM",
    inspected=(*_RIVALS, "TAM over scales, no filter", f"{MSEA_ARC}, no filter"),
    cases=(MSEA_ARC, "TAM", "TAM over scales"),
)

# Table 7 -----------------------------------------------------------------------------------------

_FAITHFUL = Table(
    "Faithfulness: insertion and deletion",
    {MSEA_ARC: "msea_arc", TAM: "tam", "logit lens": "logit_lens", **CONTROLS},
    against=TAM,
    curves=True,
)

TABLES: Mapping[int, Table] = MappingProxyType(
    {1: _METHODS, 2: _FAMILIES, 3: _PARTS, 4: _SCALES, 5: _READINGS, 6: _WHY, 7: _FAITHFUL}
)
