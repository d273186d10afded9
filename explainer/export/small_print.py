"""The small print of an export: everything that a reader needs to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explainer import __version__
from explainer.export.exhibit import Chosen, Exhibit
from explainer.methods.base import Heatmap
from explainer.methods.otsu import is_faint
from explainer.probing.reliance import SENSITIVE
from explainer.run import Run

NOTHING = "nothing stands out"
UNSEEN = "Hatched: not seen by the model."
LONGEST = 400  # characters of a prompt
HABIT = 0.1  # EAGLE calls a reliance near 0 a habit of language; how near is our choice


def small_print(exhibit: Exhibit) -> list[str]:
    """Return the paragraphs under a figure: methods with all knobs, then the run, then the tool."""
    first = exhibit.heats[0]
    methods = [about(c, heat) for c, heat in zip(exhibit.chosen, first, strict=True)]
    unseen = [] if sees_all(exhibit) else [UNSEEN]
    return [*methods, *unseen, about_run(exhibit.run), _tool(exhibit)]


def about(chosen: Chosen, heat: Heatmap) -> str:
    """Return what a method's colours mean and the values of all its knobs."""
    method, settings = chosen.method, dict(chosen.settings)
    presets = [name for name in method.presets if method.settings(preset=name) == settings]
    values = [f"{name} {shown(value)}" for name, value in settings.items()]
    told = ", ".join([f"preset {name}" for name in presets] + values)
    return f"{method.label}. {heat.normalisation}. Options: {told}."


def shown(value: Any) -> str:
    """Return the value of a knob as a person would type it."""
    if value is None:
        return "auto"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def notes(heat: Heatmap) -> str:
    """Return what to know of a map, such as "β = 0.63" or that nothing stands out in it; "" if
    there is nothing."""
    faint = all(is_faint(np.abs(part.values)) for part in heat.parts)
    return ", ".join(filter(None, [_beta(heat), _reliance(heat), NOTHING if faint else ""]))


def _beta(heat: Heatmap) -> str:
    beta, auto = heat.notes.get("beta"), heat.notes.get("beta_auto")
    if beta is None or not np.isfinite(beta):
        return ""
    own = auto is None or not np.isfinite(auto) or abs(auto - beta) < 5e-4
    return f"β = {beta:.2f}" if own else f"β = {beta:.2f}, Eq. 9 gives {auto:.2f}"


def _reliance(heat: Heatmap) -> str:
    """Return what EAGLE's modality reliance says of the word, with the number."""
    share = heat.notes.get("reliance")
    if share is None:
        return ""
    sensitive = heat.notes["shown"] - heat.notes["empty"] >= SENSITIVE
    less = "rests less on the picture" if share >= HABIT else "language habit"
    words = "rests on the picture" if sensitive else less
    return f"{words}: {share:.2f}"


def sees_all(exhibit: Exhibit) -> bool:
    """Return whether the maps cover the whole of every picture."""
    return all(
        np.allclose(part.extent, (0, 0, image.shape[1], image.shape[0]), atol=0.5)
        for heats in exhibit.heats
        for heat in heats
        for part, image in zip(heat.parts, exhibit.run.images, strict=True)
    )


def about_run(run: Run) -> str:
    """Return who answered what, about which pictures, and how the answer was drawn."""
    settings = run.settings
    revision = f" (revision {_told(settings['revision'])})" if settings.get("revision") else ""
    sizes = dict.fromkeys(f"{image.shape[1]} × {image.shape[0]}" for image in run.images)
    pictures = "Picture" if len(run.images) == 1 else f"{len(run.images)} pictures"
    if run.video is not None:
        pictures = f"Video, {len(run.video.frames)} frames"
    scales = ", ".join(f"{alpha:g}" for alpha in sorted(run.alphas))
    layer = "" if run.layer is None else f" and layer {run.layer}"
    return (
        f"Model: {run.model_id}{revision}{_decoding(settings)}. Prompt: “{_cut(run.prompt)}” "
        f"{pictures} of {', '.join(sizes)} px, read at scales {scales}{layer}."
    )


def _decoding(settings: Mapping[str, Any]) -> str:
    """Return how the answer was drawn, as far as the run tells."""
    drawn = _told(settings.get("decoding", ""))
    if settings.get("temperature"):
        drawn += f" at temperature {_told(settings['temperature'])}"
        drawn += f" with seed {_told(settings.get('seed'))}"
    if settings.get("repetition_penalty", 1) != 1:
        drawn += f", repetition penalty {_told(settings['repetition_penalty'])}"
    if settings.get("max_new_tokens"):
        drawn += f", at most {_told(settings['max_new_tokens'])} tokens"
    dtype = _told(settings.get("dtype", ""))
    return "".join(f", {part}" for part in (drawn, dtype) if part)


def _tool(exhibit: Exhibit) -> str:
    versions = exhibit.run.settings.get("versions")
    told = versions if isinstance(versions, Mapping) else {}
    names = [name for name in ("torch", "transformers") if name in told]
    used = [f"{name} {_told(told[name])}" for name in names]
    recorded = f" Recorded with {', '.join(used)}." if used else ""
    return f"Sightline {__version__}, {exhibit.date}.{recorded}"


def _told(value: Any) -> str:
    """Return a setting as text; a file may hold anything."""
    return _cut(shown(value), 80)


def _cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
