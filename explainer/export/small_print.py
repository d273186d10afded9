"""The small print of an export: everything that is needed to reproduce it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explainer import __version__
from explainer.export.exhibit import Chosen, Exhibit
from explainer.methods.base import Heatmap
from explainer.methods.otsu import is_faint
from explainer.probing.reliance import SENSITIVE
from explainer.run import Conversation, Run

NOTHING = "nothing stands out"
UNSEEN = "Hatched: not seen by the model."
LONGEST = 400  # characters of a prompt
HABIT = 0.1  # EAGLE calls a reliance near 0 a language habit; this threshold is ours


def small_print(exhibit: Exhibit) -> list[str]:
    """Return the paragraphs below a figure: methods with all knobs, run, and versions."""
    first = exhibit.heats[0]
    methods = [describe_method(c, heat) for c, heat in zip(exhibit.chosen, first, strict=True)]
    unseen = [] if covers_pictures(exhibit) else [UNSEEN]
    return [*methods, *unseen, describe_run(exhibit.run), _tool(exhibit)]


def describe_method(chosen: Chosen, heat: Heatmap) -> str:
    """Describe what a method's colours mean, and list the values of its knobs."""
    method, settings = chosen.method, dict(chosen.settings)
    presets = [name for name in method.presets if method.settings(preset=name) == settings]
    values = [f"{name} {format_knob(value)}" for name, value in settings.items()]
    options = ", ".join([f"preset {name}" for name in presets] + values)
    return f"{method.label}. {heat.normalisation}. Options: {options}."


def format_knob(value: Any) -> str:
    """Format the value of a knob as it would be typed."""
    if value is None:
        return "auto"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(format_knob, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def notes(heat: Heatmap) -> str:
    """Return remarks on a map, such as "β = 0.63" or that nothing stands out; "" for none."""
    faint = all(is_faint(np.abs(part.values)) for part in heat.parts)
    return ", ".join(filter(None, [_beta(heat), _reliance(heat), NOTHING if faint else ""]))


def _beta(heat: Heatmap) -> str:
    beta, auto = heat.notes.get("beta"), heat.notes.get("beta_auto")
    if beta is None or not np.isfinite(beta):
        return ""
    own = auto is None or not np.isfinite(auto) or abs(auto - beta) < 5e-4
    return f"β = {beta:.2f}" if own else f"β = {beta:.2f}, Eq. 9 gives {auto:.2f}"


def _reliance(heat: Heatmap) -> str:
    """Describe EAGLE's modality reliance of the word, with the number."""
    share = heat.notes.get("reliance")
    if share is None:
        return ""
    sensitive = heat.notes["shown"] - heat.notes["empty"] >= SENSITIVE
    less = "rests less on the picture" if share >= HABIT else "language habit"
    words = "rests on the picture" if sensitive else less
    return f"{words}: {share:.2f}"


def covers_pictures(exhibit: Exhibit) -> bool:
    """Return whether the maps cover the whole of every picture."""
    return all(
        np.allclose(part.extent, (0, 0, image.shape[1], image.shape[0]), atol=0.5)
        for heats in exhibit.heats
        for heat in heats
        for part, image in zip(heat.parts, exhibit.run.images, strict=True)
    )


def describe_run(run: Run) -> str:
    """Describe the model, the prompt, the pictures and the decoding of a run."""
    settings = run.settings
    revision = (
        f" (revision {_format_setting(settings['revision'])})" if settings.get("revision") else ""
    )
    sizes = dict.fromkeys(f"{image.shape[1]} × {image.shape[0]}" for image in run.images)
    pictures = "Picture" if len(run.images) == 1 else f"{len(run.images)} pictures"
    if run.video is not None:
        pictures = f"Video, {len(run.video.frames)} frames"
    scales = ", ".join(f"{alpha:g}" for alpha in sorted(run.alphas))
    layer = "" if run.layer is None else f" and layer {run.layer}"
    return (
        f"Model: {run.model_id}{revision}{_decoding(settings)}. Prompt: “{_truncate(run.prompt)}”"
        f"{_describe_conversation(run.conversation)} {pictures} of {', '.join(sizes)} px, read at "
        f"scales {scales}{layer}."
    )


def _describe_conversation(conversation: Conversation) -> str:
    """Describe what was said before the prompt; "" where nothing was."""
    turns, system = len(conversation.turns), _truncate(conversation.system)
    parts = [
        turns and f" after {turns} earlier turn{'' if turns == 1 else 's'}",
        system and f" with the system prompt “{system}”",
    ]
    told = ",".join(part for part in parts if part)
    return f"{told}." if told else ""


def _decoding(settings: Mapping[str, Any]) -> str:
    """Describe the decoding, as far as the run records it."""
    drawn = _format_setting(settings.get("decoding", ""))
    if settings.get("temperature"):
        drawn += f" at temperature {_format_setting(settings['temperature'])}"
        drawn += f" with seed {_format_setting(settings.get('seed'))}"
    if settings.get("repetition_penalty", 1) != 1:
        drawn += f", repetition penalty {_format_setting(settings['repetition_penalty'])}"
    if settings.get("max_new_tokens"):
        drawn += f", at most {_format_setting(settings['max_new_tokens'])} tokens"
    dtype = _format_setting(settings.get("dtype", ""))
    return "".join(f", {part}" for part in (drawn, dtype) if part)


def _tool(exhibit: Exhibit) -> str:
    versions = exhibit.run.settings.get("versions")
    known = versions if isinstance(versions, Mapping) else {}
    names = [name for name in ("torch", "transformers") if name in known]
    used = [f"{name} {_format_setting(known[name])}" for name in names]
    recorded = f" Recorded with {', '.join(used)}." if used else ""
    return f"Sightline {__version__}, {exhibit.date}.{recorded}"


def _format_setting(value: Any) -> str:
    """Format a setting; a file may hold a value of any kind."""
    return _truncate(format_knob(value), 80)


def _truncate(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
