"""Make the models that the page offers from its flags.

Torch is imported when the first model is loaded, so that the page can be served before.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explainer.models import family_class
from explainer.models.loading import catalogue
from explainer.models.loading.catalogue import Entry
from explainer.models.loading.memory import BITS, free_memory
from explainer.models.loading.options import LoadOptions
from explainer.models.loading.precision import TINY, auto_dtype
from explainer.serving.model_flags import load_options
from explainer.serving.model_pool import Models
from explainer.serving.rules import Rules
from explainer.serving.startup import is_on

if TYPE_CHECKING:
    from explainer.recording.explainer import Explainer

ON_A_SPACE = (
    "This Space offers only what its owner chose (SIGHTLINE_MODELS); duplicate it, or run "
    "Sightline on a machine of your own, for others."
)
ON_ZERO_GPU = (
    "On ZeroGPU models are loaded when the Space starts and never later, so the menu holds only "
    "what its owner chose (SIGHTLINE_MODEL, SIGHTLINE_MODELS)."
)


@dataclass(frozen=True)
class HostPlace:
    """Where the page runs.

    Attributes:
        public: whether anybody may visit it.
        zero_gpu: whether it is on ZeroGPU, which loads models at the start, in the main process.
    """

    public: bool = False
    zero_gpu: bool = False


def make_models(flags: argparse.Namespace, place: HostPlace = HostPlace()) -> Models:
    """Make the models that the page offers, without loading any.

    Args:
        flags: the flags of app.py.
        place: where the page runs; a public server offers few models unless `flags.models` is set.
    """
    LoadOptions(**load_options(flags))  # what is wrong with them is said before the page is served
    start = (
        catalogue.entry_for(flags.model, flags.revision) if flags.model else catalogue.bundled()[0]
    )
    public = place.public or place.zero_gpu
    entries = catalogue.offered(start, _names(flags.models), public)
    any_model = is_on(flags.allow_any_model) and not place.zero_gpu
    why = ON_ZERO_GPU if place.zero_gpu else ON_A_SPACE if public and not any_model else ""

    def make(entry: Entry, **how: Any) -> Explainer:
        return _load(flags, entry, entry == start, how)

    rules = Rules(any_model, place.zero_gpu, why)
    return Models(entries, make, rules, lambda: free_memory(choose_device(flags)))


def choose_precision(flags: argparse.Namespace) -> str:
    """Return the precision of the weights of all but tiny models: a key of `memory.BITS`."""
    for wanted in (flags.quantize, flags.dtype):
        if wanted in BITS:
            return wanted
    return auto_dtype(TINY) if choose_device(flags) == "cpu" else "bfloat16"


def choose_device(flags: argparse.Namespace) -> str:
    """Return the device that models are loaded on, such as "cuda"."""
    from explainer.models.loading.placing import pick_device

    return str(pick_device(LoadOptions(flags.device)))


def _names(listed: str | None) -> list[str] | None:
    return None if listed is None else [name for n in listed.split(",") if (name := n.strip())]


def _load(flags: argparse.Namespace, entry: Entry, first: bool, how: dict[str, Any]) -> Explainer:
    """Load a model with those flags that apply to it.

    `--adapter` applies to the first model only, as others have other layers; `--tiles` to families
    that tile pictures; other bundled models take `--device` and `--dtype` only.
    """
    options = load_options(flags) | {"revision": entry.revision}
    if not first:
        options.pop("adapter", None)
    if entry.bundled and not first:
        options = {k: v for k, v in options.items() if k in ("device", "dtype")}
    if not first and entry.model_type and "tiles" not in family_class(entry.model_type).OPTIONS:
        options.pop("tiles", None)
    if entry.kind == catalogue.NAMED:
        options["for_visitor"] = True
    from explainer.recording.load import load

    return load(entry.source, **options, **how)
