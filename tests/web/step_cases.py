"""Cases of *Step by step* that both Python and the page's modules compute: every intermediate map,
what each earlier word takes away, and two lists of guesses.

Their runs are those of the cases of the methods.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import SightlineError
from explainer.methods import METHODS
from explainer.methods.anatomy import Anatomy, Overlap, Parts, anatomy, leading, overlap, peak
from explainer.methods.otsu import levels
from explainer.methods.subjects import Span, Unsaid, explain_subject
from explainer.run import Run
from explainer.web import payload
from explainer.web.evidence_message import evidence_message
from explainer.web.live import computing_data
from tests.ui.fake import fake_run
from tests.web import cases

METHOD = METHODS["msea_arc"]
Case = dict[str, Any]


def step_cases() -> Iterator[Case]:
    """Yield every case: what is explained, and what Python says of it."""
    run = cases.runs()["small"]
    last, middle, _ = cases.some_tokens(run)
    for _, knobs in cases.sweep(METHOD):
        yield case("small", Span((last,)), knobs)
    for name, run in cases.runs().items():
        for word in _words(run):
            yield case(name, word, {})
    for seed in range(cases.RANDOM):
        yield case(
            "several", Span(cases.some_tokens(cases.runs()["several"])), cases.pick(METHOD, seed)
        )
    yield case("small", Span((middle,)), {}, "paper")


def _words(run: Run) -> Iterator[Span | Unsaid]:
    last, middle, prompt = cases.some_tokens(run)
    yield from (Span((last,)), Span((prompt,)), Span((middle, last), "mean"))
    yield Span((last, middle), "first")
    yield Unsaid(middle, tuple(int(i) for i in run.unembedding.ids[[3, -4]]))


def case(name: str, word: Span | Unsaid, knobs: Case, preset: str | None = None) -> Case:
    """Return one case with the numbers of Python, or with the sentence that it refuses with."""
    run, asked = cases.told()[name], {"run": name, "word": cases.word_json(word), "knobs": knobs}
    settings = METHOD.settings(preset=preset, **knobs)
    try:
        piece, said, token = standing_for(run, word, settings)
        found = anatomy(said, token, **settings)
    except SightlineError as error:
        return {**asked, "preset": preset, "error": str(error)}
    return {**asked, "preset": preset, "piece": piece, "want": _told(said, found, settings)}


def standing_for(run: Run, word: Span | Unsaid, settings: Case) -> tuple[int, Run, int]:
    """Return which piece of a word stands for it, the run that says it, and its token."""
    explain_subject(METHOD, run, word, **settings)
    if isinstance(word, Span):
        pieces = [(run, token) for token in word.tokens]
    else:
        pieces = [(run.with_token(word.at, token_id), word.at) for token_id in word.ids]
    heats = [METHOD(said, token, **settings) for said, token in pieces]
    piece = leading(heats, word.by) if len(pieces) > 1 else 0
    return piece, *pieces[piece]


def _told(run: Run, found: Anatomy, settings: Case) -> Case:
    context, high = found.context, peak(found.fused, found.interference, found.before)
    scales_high = peak(*(scale.parts for scale in found.scales))
    counted = np.flatnonzero(np.isfinite(context.relevance))
    other = int(counted[-1]) if len(counted) else None
    maps = {
        "fused": found.fused,
        "interference": found.interference,
        "subtracted": found.subtracted,
        "before": found.before,
        "after": found.heat.parts,
    }
    return {
        "token": found.token,
        "maps": {name: _values(parts) for name, parts in maps.items()},
        "scales": [
            {"alpha": s.alpha, "shares": s.shares, "map": _values(s.parts)} for s in found.scales
        ],
        "drawn": {
            **{n: _steps(maps[n], high, found.signed) for n in ("fused", "interference", "before")},
            "after": _steps(maps["after"], 1.0, False),
            "scales": [_steps(s.parts, scales_high, found.signed) for s in found.scales],
        },
        "beta": found.beta,
        "beta_auto": found.beta_auto,
        "relevance": [None if np.isnan(r) else float(r) for r in context.relevance],
        "repeats": context.repeats.tolist(),
        "weights": context.weights.tolist(),
        "shares": context.shares.tolist(),
        "base_weight": context.base_weight,
        "base_share": context.base_share,
        "signed": found.signed,
        "other": other,
        "overlap": None
        if other is None
        else _lists(run, overlap(run, other, found.token, **settings)),
    }


def _values(parts: Parts) -> str:
    return _base64(np.concatenate([part.values.ravel() for part in parts]).astype("<f4"))


def _steps(parts: Parts, high: float, signed: bool) -> str:
    """Return the steps of the colours that a canvas shows, when these end at `high`."""
    shown = (np.clip(part.values / (high or 1), -1 if signed else 0, 1) for part in parts)
    return _base64(np.concatenate([levels(values, signed).ravel() for values in shown]))


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _lists(run: Run, found: Overlap) -> Case:
    """Return an overlap with guesses numbered as in the evidence message."""
    known = np.unique(np.append(run.topk, -1))

    def numbers(ids: Iterable[int]) -> list[int]:
        return np.searchsorted(known, list(ids)).tolist()

    shared = zip(numbers(s.token_id for s in found.shared), found.shared, strict=True)
    return {
        "first": numbers(found.first),
        "second": numbers(found.second),
        "shared": [[number, s.first, s.second, s.gain] for number, s in shared],
        "relevance": found.relevance,
    }


def page() -> Case:
    """Return what the page computes captions from, for a run with its chips."""
    run = fake_run()
    return {
        "evidence": _base64(np.frombuffer(evidence_message(run), np.uint8)),
        "bar": payload.bar(run, "run"),
        "told": computing_data(),
    }


def write(path: Path) -> list[Case]:
    """Write all cases, and return them."""
    made = list(step_cases())
    path.write_text(json.dumps({"cases": made, "page": page()}, allow_nan=False))
    return made
