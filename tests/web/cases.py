"""Cases that both Python and the page's modules compute; `python -m tests.web.cases FILE` writes
them.

Python explains the run as its evidence message tells it, so that both begin with the same numbers.
Every knob takes several of its values, one at a time, whatever the methods declare; then many
knobs at once, at random.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from explainer.errors import SightlineError
from explainer.evaluation.synthetic import synthetic_run
from explainer.export import Chosen
from explainer.export.small_print import describe_method, notes
from explainer.methods import METHODS, Heatmap, Method
from explainer.methods.base import Knob
from explainer.methods.subjects import Contrast, Span, Subject, Unsaid, Word, explain_subject
from explainer.run import ANSWER, PROMPT, Run
from explainer.web import payload
from explainer.web.declared import declared
from explainer.web.evidence_message import evidence_message
from tests.evidence_reader import told_run
from tests.methods import small

ROOT = Path(__file__).parents[2]
GALLERY = sorted((ROOT / "assets" / "gallery").glob("*.npz"))
RANDOM = 25  # settings of many knobs at once, for each method
# Where a knob may matter though it does not by default, as A_0 without clipping.
CONTEXTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "msea_arc": ({}, {"clip": "none", "predecessors": "all"}),
    "mean_mitigation": ({}, {"clip": "none"}),
    "arc": ({}, {"clip": "none"}),
}

Case = dict[str, Any]


@cache
def runs() -> dict[str, Run]:
    """Return runs with the geometries of all families, and those of the gallery."""
    texts = {10: " Cat", 12: " cat", 13: "", 15: "CAT "}
    rng = np.random.default_rng(9)
    part = {1.0: (1, 5, 0, 6), 0.75: (0, 3, 0, 4), 0.5: (0, 2, 0, 3)}
    square = {1.0: (6, 6), 0.75: (4, 4), 0.5: (3, 3)}
    tiles = {1.0: [(0, (6, 6)), (0, (3, 3))], 0.75: [(0, (4, 4)), (0, (3, 3))], 0.5: [(0, (3, 3))]}
    several = {a: [(i, grid) for i in (0, 1)] for a, grid in small.GRIDS.items()}
    line = {1.0: (1, 9), 0.75: (1, 6), 0.5: (1, 1)}

    def made(grids: Any, **more: Any) -> Run:
        return synthetic_run(rng, grids=grids, k_top=60, vocab=120, **more)

    return {
        "small": small.with_texts(small.small_run(), texts),
        "padded": made(square, seen=part, image_size=(40, 60)),
        "tiles": made(tiles, image_size=(60, 60)),
        "several": made(several, image_size=(60, 70)),
        "line": made(line, image_size=(12, 90)),
        **{path.stem: Run.load(path) for path in GALLERY},
    }


@cache
def messages() -> dict[str, bytes]:
    """Return the evidence of each run, with all words that it holds rows for."""
    return {name: evidence_message(run, run.unembedding.ids) for name, run in runs().items()}


@cache
def told() -> dict[str, Run]:
    """Return the runs as their messages tell them."""
    return {name: told_run(run, messages()[name]) for name, run in runs().items()}


def values(knob: Knob) -> list[Any]:
    """Return values of a knob that a test tries, each allowed."""
    if knob.kind == "choice":
        return list(knob.choices)
    if knob.kind == "scales":
        return [(1.0,), (0.5, 1.0), (1.0, 0.5, 0.75), (0.25,)]
    if knob.kind == "weights":
        return [None, (1.0, 0.5, 2.0), (0.0, 1.0, 0.0), (1.0, 1.0)]
    if knob.kind == "int":
        between = knob.low + knob.step * ((knob.high - knob.low) // (2 * knob.step))
        return [int(knob.low), int(between), int(knob.high)]
    if knob.name == "alpha":
        return [0.5, 0.75, 1.0, 1.25]
    free = [None] if knob.default is None else []
    return [*free, knob.low, (knob.low + knob.high) / 2, knob.high]


def sweep(method: Method) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of a knob and settings, one knob after another."""
    for context in CONTEXTS.get(method.name, ({},)):
        for knob in method.knobs:
            for value in values(knob):
                yield knob.name, {**context, knob.name: value}


def pick(method: Method, seed: int) -> dict[str, Any]:
    """Return settings of many knobs at once, drawn at random."""
    rng = np.random.default_rng([seed, len(method.name)])
    picked = {knob.name: values(knob) for knob in method.knobs if rng.random() < 0.6}
    return {name: those[int(rng.integers(len(those)))] for name, those in picked.items()}


def cases() -> Iterator[Case]:
    """Yield every case: what is asked, and what Python says."""
    for method in METHODS.values():
        for _, knobs in sweep(method):
            yield case("small", method, Span(some_tokens(runs()["small"])), knobs)
        for name, run in runs().items():
            some = some_tokens(run)
            for preset in ("default",) if name in _LARGE else method.presets:
                yield case(name, method, Span(some), {}, preset if method.presets else None)
            for normalisation in ("joint", "token", "answer"):
                yield case(name, method, Span(some[:1]), {"normalisation": normalisation})
            for subject in _subjects(run):
                yield case(name, method, subject, {})
        for seed in range(RANDOM):
            name = list(runs())[seed % 5]
            yield case(name, method, Span(some_tokens(runs()[name])[:2]), pick(method, seed))


_LARGE = tuple(path.stem for path in GALLERY[1:])  # at the size of the picture too large to keep


def some_tokens(run: Run) -> tuple[int, ...]:
    """Return the last answer tokens and the first prompt token."""
    answer = run.indices(ANSWER)
    return (int(answer[-1]), int(answer[len(answer) // 2]), int(run.indices(PROMPT)[0]))


def _subjects(run: Run) -> Iterator[Subject]:
    last, middle, _ = some_tokens(run)
    first, second = (int(i) for i in run.unembedding.ids[[3, -4]])
    yield Span((middle, last), "mean")
    yield Span((last, middle), "first")
    yield Unsaid(middle, (first, second))
    yield Unsaid(last, (second,))
    yield Contrast(Span((last,)), Unsaid(last, (first,)))
    yield Contrast(Span((last, middle), "mean"), Span((middle,)))


def case(
    name: str, method: Method, subject: Subject, knobs: dict[str, Any], preset: str | None = None
) -> Case:
    """Return one case with Python's heatmap, or with the sentence that it refuses with."""
    asked = {"run": name, "method": method.name, "subject": _told(subject), "knobs": knobs}
    asked["preset"] = preset
    try:
        heat = explain_subject(method, told()[name], subject, preset=preset, **knobs)
        settings = method.settings(preset=preset, **knobs)
    except SightlineError as error:
        return {**asked, "error": str(error)}
    shown = {
        "note": notes(heat),
        "about": describe_method(Chosen(method, settings), heat),
        "parts": [
            payload.part_value(image, part, heat.signed, "map").as_json()
            for image, part in zip(runs()[name].images, heat.parts, strict=True)
        ],
    }
    return {**asked, "heat": _heat(heat), "shown": shown}


def _told(subject: Subject) -> dict[str, Any]:
    if isinstance(subject, Contrast):
        return {"plus": word_json(subject.plus), "minus": word_json(subject.minus)}
    return word_json(subject)


def word_json(word: Word) -> dict[str, Any]:
    """Return a word as the modules take it."""
    if isinstance(word, Span):
        return {"tokens": list(word.tokens), "by": word.by}
    return {"at": word.at, "ids": list(word.ids), "by": word.by}


def _heat(heat: Heatmap) -> dict[str, Any]:
    return {
        "signed": heat.signed,
        "norm": heat.normalisation,
        "notes": dict(heat.notes),
        "parts": [
            {
                "shape": part.values.shape,
                "values": _base64(np.ascontiguousarray(part.values, "<f4").tobytes()),
                "extent": part.placement.extent,
                "frame": part.placement.frame,
            }
            for part in heat.parts
        ],
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def write(path: Path) -> list[Case]:
    """Write all cases, and return them."""
    made = list(cases())
    whole = {
        "declared": declared(),
        "runs": {name: _base64(data) for name, data in messages().items()},
        "cases": made,
    }
    path.write_text(json.dumps(whole, allow_nan=False))
    return made


if __name__ == "__main__":
    write(Path(sys.argv[1]))
