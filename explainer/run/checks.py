"""Check the values of a run that was read from a file.

The classes of the schema check shapes and types. This module checks values: NaN, unknown ids or
invalid grids would otherwise cause errors later, while the page draws the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from explainer.errors import RunError
from explainer.run.geometry import seen_grid
from explainer.run.memory import estimate_memory
from explainer.run.record import RunRecord
from explainer.run.schema import MOST_TURNS, Conversation, Scale

MOST_TOKENS, MOST_VISUAL, MOST_RANKS, MOST_SCALES = 1 << 16, 1 << 17, 1000, 32
MOST_NOTES = 32  # numbers that belong to one map
_PIECE = 1 << 20  # values that are checked at a time
LONGEST_SIDE = 100_000  # pixels that a rectangle may be away from the corner of its picture


def check_run(run: RunRecord, max_bytes: int) -> None:
    """Raise `RunError` for values that no recording makes, or a run that exceeds `max_bytes`."""
    _check_sizes(run, max_bytes)
    for read in (run, *(run.at_layer(layer.number) for layer in run.layers)):
        _check_lists(read)
        for scale in read.scales:
            _check_states(f"the states of scale {scale.alpha:g}", scale.states)
            read.unembedding.index([scale.base_id])
            if scale.least_id is not None:
                read.unembedding.index([scale.least_id])
    for scale in run.scales:
        _check_views(scale)
    _check_text(run)
    _check_conversation(run.conversation)
    _check_extras(run)
    _check_settings(run.settings)


def _check_sizes(run: RunRecord, max_bytes: int) -> None:
    sizes = {
        "text tokens": (len(run.tokens), MOST_TOKENS),
        "visual tokens": (max(len(s.states) for s in run.scales), MOST_VISUAL),
        "ranks": (run.topk.shape[1], MOST_RANKS),
        "scales": (len(run.scales), MOST_SCALES),
        "MB in use": (estimate_memory(run) // 1_000_000, max_bytes // 1_000_000),
    }
    for name, (size, most) in sizes.items():
        if size > most:
            raise RunError(f"{size} {name} are more than the {most} that are read")


def _check_lists(run: RunRecord) -> None:
    """Check text states, their top-k lists, and probabilities."""
    _check_states("the text states", run.states)
    topk, chances = run.topk, run.candidate_probs
    if not topk.shape[1] or chances.shape[1] > topk.shape[1]:
        raise RunError("the lists of words are empty, or shorter than their probabilities")
    for part in _pieces(topk):
        ordered = np.sort(part, axis=1)
        none = (part == -1).all(axis=1)
        twice = (np.diff(ordered) == 0).any(axis=1)
        if np.any(((ordered[:, 0] < 0) | twice) & ~none):
            raise RunError("a list of words holds an id twice, or an invalid id")
    _check_shares("probabilities of words", chances)
    _check_shares("probabilities of tokens", run.probs[np.isfinite(run.probs)])
    if np.isinf(run.probs).any():
        raise RunError("probabilities of tokens are infinite")


def _check_states(name: str, states: np.ndarray) -> None:
    if not all(np.isfinite(part).all() for part in _pieces(states)):
        raise RunError(f"{name} are not all numbers")


def _check_shares(name: str, values: np.ndarray) -> None:
    parts = _pieces(values)
    if not all(((part >= 0) & (part <= 1.001)).all() for part in parts):  # NaN fails too
        raise RunError(f"{name} must lie in 0 to 1")


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield an array in blocks of rows, so that checks take little memory."""
    rows = max(1, _PIECE * len(values) // max(1, values.size)) if values.ndim else 1
    yield from (values[at : at + rows] for at in range(0, len(values), rows))


def _check_views(scale: Scale) -> None:
    if not np.isfinite(scale.alpha) or scale.alpha <= 0:
        raise RunError(f"a scale factor is {scale.alpha}")
    for view in scale.views:
        if min(view.grid) < 1 or np.any(np.abs(view.rects) > LONGEST_SIDE):  # NaN: saw nothing
            raise RunError(f"a grid at scale {scale.alpha:g} is empty or far off its picture")
        seen_grid(view)


def _check_text(run: RunRecord) -> None:
    if run.tokens.positions[0] < 0 or run.unembedding.ids[:1].min(initial=0) < 0:
        raise RunError("positions and ids are counted from 0")
    run.unembedding.index(run.tokens.ids)
    _check_states("the rows of the unembedding", run.unembedding.rows)
    _check_states("the bias of the unembedding", run.unembedding.bias)
    if run.layer is not None and run.layer < 1:
        raise RunError("layers are counted from 1")


def _check_conversation(conversation: Conversation) -> None:
    if len(conversation.turns) > MOST_TURNS:
        raise RunError(
            f"{len(conversation.turns)} earlier turns are more than the {MOST_TURNS} that are read"
        )


def _check_extras(run: RunRecord) -> None:
    """Check the optional parts: words of visual tokens, evidence, video, comparison maps."""
    for values in run.attributions.values():
        _check_states("the maps of comparison methods", values)
    for notes in run.attribution_notes.values():
        if len(notes) > MOST_NOTES or not np.isfinite([*notes.values()]).all():
            raise RunError("the notes on the maps of comparison methods are not all numbers")
    if run.evidence is not None:
        _check_shares("the evidence", run.evidence.probs)
    if run.sources is not None:
        _check_shares("the probabilities without sources", run.sources)
    if run.video is not None and not np.isfinite(run.video.times).all():
        raise RunError("the times of the video are not all numbers")
    if run.visual_topk is None:
        return
    unknown = {int(i) for i in np.unique(run.visual_topk)} - set(run.pieces)
    if run.visual_topk.shape[1] > MOST_RANKS or unknown:
        raise RunError("the words of visual tokens are too many, or without text")


# Settings ----------------------------------------------------------------------------------------


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63


def _list_of(entry: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(entry, value))


def _table_of(entry: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(entry, value.values()))


_SETTINGS: Mapping[str, Callable[[Any], bool]] = {
    "family": _is_text,
    "scales": _list_of(_is_number),
    "decoding": _is_text,
    "max_new_tokens": _is_whole,
    "temperature": _is_number,
    "seed": _is_whole,
    "logit_softcap": lambda value: _is_number(value) and value > 0,
    "repetition_penalty": _is_number,
    "thinking": lambda value: isinstance(value, bool),
    "finish": _is_text,
    "end": _is_whole,
    "dtype": _is_text,
    "device": _is_text,
    "image_notes": _list_of(_is_text),
    "versions": _table_of(_is_text),
    "words": _table_of(_list_of(_is_whole)),
}


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Raise `RunError` for a known setting of the wrong type; unknown ones are ignored."""
    for name, fits in _SETTINGS.items():
        if name in settings and not fits(settings[name]):
            raise RunError(f"its setting {name!r} has the wrong type")
