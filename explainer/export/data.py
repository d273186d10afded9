"""Export maps as JSON. `docs/maps.schema.json` describes the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explainer import __version__
from explainer.export.exhibit import Chosen, Exhibit, title
from explainer.methods.base import Heatmap, MapPart
from explainer.methods.subjects import Contrast, Span, Subject, candidates, probability
from explainer.probing.reliance import reliance
from explainer.probing.sources import word_sources
from explainer.run import ROLE_NAMES, Run

FORMAT, VERSION = "sightline-maps", 2
_DIGITS = 4  # of values between -1 and 1

Value = dict[str, Any]


def maps_json(exhibit: Exhibit) -> bytes:
    """Return the run's texts and numbers, and the maps of all subjects by all methods, as JSON."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "made": {"by": f"Sightline {__version__}", "date": exhibit.date},
        "run": _run(exhibit.run),
        "tokens": [_token(exhibit.run, i) for i in range(len(exhibit.run.tokens))],
        "methods": [_method(chosen) for chosen in exhibit.chosen],
        "subjects": [
            _subject(exhibit, subject, heats)
            for subject, heats in zip(exhibit.subjects, exhibit.heats, strict=True)
        ],
    }
    return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode()


def _run(run: Run) -> Value:
    images = [
        {"width": image.shape[1], "height": image.shape[0], "label": label}
        for image, label in zip(run.images, run.labels, strict=True)
    ]
    video = run.video and {
        "times": run.video.times.tolist(),
        "numbers": list(run.video.numbers),
        "interval": run.video.interval,
    }
    return {
        "model": run.model_id,
        "system": run.conversation.system,
        "history": [turn._asdict() for turn in run.conversation.turns],
        "prompt": run.prompt,
        "answer": run.answer,
        "scales": list(run.alphas),
        "layer": run.layer,
        "images": images,
        "video": video,
        "settings": dict(run.settings),
    }


def _token(run: Run, index: int) -> Value:
    return {
        "id": int(run.tokens.ids[index]),
        "text": run.tokens.texts[index],
        "role": ROLE_NAMES[run.tokens.roles[index]],
        "position": int(run.tokens.positions[index]),
        "probability": float(run.probs[index]),
        "candidates": [
            {"id": c.token_id, "text": c.text, "probability": c.probability}
            for c in candidates(run, index)
        ],
        "evidence": _evidence(run, [index]),
        "sources": _sources(run, [index]),
    }


def _evidence(run: Run, tokens: Sequence[int]) -> Value | None:
    """Return the evidence for a word of the answer; None for other words or if not measured."""
    evidence = reliance(run, tokens)
    return None if evidence is None else evidence.as_json


def _sources(run: Run, tokens: Sequence[int]) -> Value | None:
    """Return what a word of the answer rests on; None for other words or if not measured."""
    found = word_sources(run, tokens)
    return None if found is None else found.as_json


def _method(chosen: Chosen) -> Value:
    method = chosen.method
    return {
        "name": method.name,
        "label": method.label,
        "summary": method.summary,
        "paper": method.paper,
        "settings": {name: _plain(value) for name, value in chosen.settings.items()},
    }


def _subject(exhibit: Exhibit, subject: Subject, heats: tuple[Heatmap, ...]) -> Value:
    named = zip(exhibit.chosen, heats, strict=True)
    chance = None if isinstance(subject, Contrast) else probability(exhibit.run, subject)
    tokens = subject.tokens if isinstance(subject, Span) else ()
    return {
        "text": title(exhibit.run, subject),
        "subject": as_json(subject),
        "probability": chance,
        "evidence": _evidence(exhibit.run, tokens),
        "sources": _sources(exhibit.run, tokens),
        "maps": [_map(chosen.method.name, heat) for chosen, heat in named],
    }


def as_json(subject: Subject) -> Value:
    """Return a subject in the form in which programs pass it to the API."""
    if isinstance(subject, Contrast):
        return {"plus": as_json(subject.plus), "minus": as_json(subject.minus)}
    if isinstance(subject, Span):
        return {"tokens": [int(t) for t in subject.tokens], "by": subject.by}
    return {"at": int(subject.at), "ids": [int(i) for i in subject.ids], "by": subject.by}


def _map(method: str, heat: Heatmap) -> Value:
    return {
        "method": method,
        "signed": heat.signed,
        "normalisation": heat.normalisation,
        "notes": {name: float(value) for name, value in heat.notes.items()},
        "parts": [_part(i, part) for i, part in enumerate(heat.parts)],
    }


def _part(image: int, part: MapPart) -> Value:
    values = [[round(v, _DIGITS) for v in row] for row in part.values.astype(float).tolist()]
    y, x = part.edges()
    return {
        "image": image,
        "extent": [float(edge) for edge in part.extent],
        "x": x.tolist(),
        "y": y.tolist(),
        "values": values,
    }


def _plain(value: Any) -> Any:
    """Return the value of a knob as JSON."""
    return list(value) if isinstance(value, tuple) else value


def _finite(value: Any) -> Any:
    """Return the value with null for NaN and infinities, which JSON lacks."""
    if isinstance(value, Mapping):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
