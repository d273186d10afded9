"""What the methods need of a run as one binary message, so that a browser computes the maps itself.

The message holds raw lens maps, scores of words at words, lists of guesses with their texts, and
the edges of cells: no picture, no prompt or answer, and no state of the model. docs/formats.md
describes it byte by byte; the modules of `js/methods/` read it.

Dimensions: W words in play, T text tokens, n cells of a scale that saw the picture, K guesses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.methods.lens import lens_views
from explainer.methods.msea_arc import KNOBS
from explainer.methods.subjects import Unsaid, probability
from explainer.run import PROMPT, Run, Scale
from explainer.run.geometry import seen_grid
from explainer.web import token_text

MAGIC, VERSION = b"SLEV", 2
STEPS = 32767  # of a map's values to each side of 0
_MOST_GUESSES = int(next(knob.high for knob in KNOBS if knob.name == "k"))
_ALIGNED = 8  # bytes: every array begins at a multiple of them

Arrays = dict[str, npt.NDArray[Any]]


def evidence_message(run: Run, ids: Iterable[int] = ()) -> bytes:
    """Return the message of a run: of all its tokens, and of further words.

    Args:
        run: at the layer that is looked at, see `Run.at_layer`.
        ids: vocabulary ids of further words, such as candidates that were passed over.

    Maps are kept in 2 * `STEPS` steps, so that a score above 0 is off by 1 / 65534 of its word's
    largest score in the picture at most. Raises `RunError` for an id without a row in the run.
    """
    words = _words(run, ids)
    guesses, guess_texts = _guesses(run)
    header = {
        "format": "sightline-evidence",
        "images": [list(image.shape[:2]) for image in run.images],
        "scales": [_scale(run, scale, words) for scale in run.scales],
        "first_guess": _place(words, _first_guess(run)),
        "guess_texts": guess_texts,
    }
    return _packed(header, {**_tokens(run, words), "guesses": guesses, **_scores(run, words)})


def word_message(run: Run, word: Unsaid) -> bytes:
    """Return what the message of a run lacks of a word that was not said: rows for its pieces.

    Raises `RunError` for an id without a row in the run.
    """
    ids = np.asarray(word.ids, np.int32)
    pieces = [run.pieces.get(i, f"⟨{i}⟩") for i in word.ids]
    count = len(run.tokens)
    header = {
        "format": "sightline-word",
        "alphas": list(run.alphas),
        "texts": [token_text.spelled(piece) for piece in pieces],
        "probability": probability(run, word),
    }
    numbers = {
        "ids": ids,
        "word_texts": _numbered([*run.tokens.texts, *pieces])[count:],
        "word_folds": _numbered(_folded([*run.tokens.texts, *pieces]))[count:],
    }
    return _packed(header, {**numbers, **_scores(run, ids)})


def _words(run: Run, ids: Iterable[int]) -> npt.NDArray[np.int32]:
    """Return (W,) the vocabulary ids in play, increasing."""
    least = [s.least_id for s in run.scales if s.least_id is not None]
    first = _first_guess(run)
    known = [] if first is None else [first]
    found = [*run.tokens.ids, *(s.base_id for s in run.scales), *least, *known, *ids]
    return np.unique(np.asarray(found, np.int32))


def _first_guess(run: Run) -> int | None:
    """Return the id that TAM as published takes for the first prompt token, if it has a row."""
    prompt = run.indices(PROMPT)
    guess = int(run.topk[prompt[0] + 1, 0]) if len(prompt) else -1
    return guess if guess in run.unembedding.ids else None


def _place(words: npt.NDArray[np.int32], word: int | None) -> int | None:
    return None if word is None else int(np.searchsorted(words, word))


def _tokens(run: Run, words: npt.NDArray[np.int32]) -> Arrays:
    """Return what is known of tokens and words. Equal texts have equal numbers, 0 for none."""
    tokens = run.tokens
    pieces = [run.pieces.get(int(i), f"⟨{i}⟩") for i in words]
    numbers = _numbered([*tokens.texts, *pieces])
    folded = _numbered(_folded([*tokens.texts, *pieces]))
    t = len(tokens)
    return {
        "ids": words,
        "tokens": np.searchsorted(words, tokens.ids).astype(np.int32),
        "roles": tokens.roles,
        "positions": tokens.positions,
        "token_texts": numbers[:t],
        "word_texts": numbers[t:],
        "token_folds": folded[:t],
        "word_folds": folded[t:],
    }


def _numbered(words: Sequence[str]) -> npt.NDArray[np.int32]:
    numbers = {"": 0}
    return np.array([numbers.setdefault(text, len(numbers)) for text in words], np.int32)


def _folded(words: Sequence[str]) -> list[str]:
    return [text.strip().casefold() for text in words]


def _guesses(run: Run) -> tuple[npt.NDArray[Any], list[str]]:
    """Return the lists of guesses, and the text of each guess as it is drawn.

    Ids are numbered from 1; 0 stands where there is no state.
    """
    lists = run.topk[:, :_MOST_GUESSES]
    known, numbers = np.unique(np.append(lists, -1), return_inverse=True)
    dtype = np.uint16 if len(known) <= 1 << 16 else np.int32
    words = [token_text.visible(run.pieces.get(int(i), f"⟨{i}⟩")) for i in known[1:]]
    return numbers[:-1].reshape(lists.shape).astype(dtype), words


def _scores(run: Run, words: npt.NDArray[np.int32]) -> Arrays:
    """Return the logits of words: (W, T + 1) at each text state, and (W, n) at each scale."""
    arrays: Arrays = {"scores": run.text_logits[:, run.unembedding.index(words)].T}
    for i, scale in enumerate(run.scales):
        views = [maps for of_image in lens_views(run, words, scale.alpha) for maps, _ in of_image]
        cells = np.concatenate([maps.reshape(len(words), -1) for maps in views], axis=1)
        found = zip(("maps", "up", "down"), _in_steps(cells), strict=True)
        arrays |= {f"{name}{i}": array for name, array in found}
    return arrays


def _in_steps(cells: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], ...]:
    """Return (W, n) int16 steps, and (W,) float32 twice.

    These say what `STEPS` steps above and below 0 stand for.
    """
    up, down = np.maximum(0.0, cells.max(axis=1)), np.maximum(0.0, -cells.min(axis=1))
    unit = np.where(cells > 0, up[:, None], down[:, None])
    share = cells.astype(np.float64) / np.where(unit > 0, unit, 1.0)
    return np.round(STEPS * share).astype(np.int16), up, down


def _scale(run: Run, scale: Scale, words: npt.NDArray[np.int32]) -> dict[str, Any]:
    """Return the geometry of a scale, its views image after image, base views first."""
    views = [(i, view) for i in range(len(run.images)) for view, _ in scale.of_image(i)]
    grids = [(image, seen_grid(view)) for image, view in views]
    return {
        "alpha": scale.alpha,
        "base": _place(words, scale.base_id),
        "least": _place(words, scale.least_id),
        "views": [
            {"image": image, "y": grid.y.tolist(), "x": grid.x.tolist()} for image, grid in grids
        ],
    }


def _packed(header: dict[str, Any], arrays: Arrays) -> bytes:
    listed, parts, at = [], [], 0
    for name, array in arrays.items():
        kept = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        listed.append({"name": name, "type": array.dtype.name, "shape": array.shape, "at": at})
        parts.append(_padded(kept.tobytes(), b"\0"))
        at += len(parts[-1])
    whole = {**header, "arrays": listed}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    encoded = _padded(text.encode(), b" ", spare=4)
    numbers = np.array([VERSION, len(encoded)], "<u4").tobytes()
    return b"".join([MAGIC, numbers, encoded, *parts])


def _padded(data: bytes, filler: bytes, spare: int = 0) -> bytes:
    """Return bytes that end at a multiple of `_ALIGNED`, `spare` bytes after one."""
    return data + filler * (-(len(data) - spare) % _ALIGNED)
