"""TAM exactly as its reference code computes it, slips of the index included.

Source: the reference code of arXiv 2506.23270, commit 7c7df1d. Needed to reproduce published
numbers, and to see what the corrections change.

The code walks through entries c = 0 .. n_p + R - 1: the n_p prompt tokens, then the R answer
tokens. Slips that are kept:

* Entry 0 has the class that the model would say after the first prompt token, not that token.
* Entry n_p, the first answer token, has the class of the token before it (the template's last).
* The text score of a prompt token is read at its own position, that of an answer token one
  position earlier, where it is predicted.
* The joint range of a prompt token includes the prompt tokens after it.
* Earlier tokens with the same text (not id) are skipped; of a character that is split over several
  tokens, those with the same bytes.
* A window whose deviation is 0 in float32 divides by zero and comes out as 0; so does a map
  without range. A constant window escapes if its mean is not its value to the last bit: nine times
  0.5 gives 0, nine times 0.9 stays 0.9.
* Values are cut, not rounded, to 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError, TokenError
from explainer.methods.base import Heatmap
from explainer.methods.display import as_parts, joint_range, stretch
from explainer.methods.filters import rank_gaussian, zero_deviation
from explainer.methods.interference import best_beta, subtract
from explainer.methods.lens import lens_maps
from explainer.run import ANSWER, PROMPT, Run

NORMALISATION = (
    "Scale: 1.0 = the strongest score of TAM's class, picture or text, in steps of 1/255"
)

Indices = npt.NDArray[np.intp]


def explain_published(run: Run, tokens: Sequence[int], window: int) -> list[Heatmap]:
    """Return what the reference code draws for each prompt or answer token.

    For the first answer token this is entry n_p, the picture that the code saves under that token's
    name; the array that it *returns* for answer index 0 is that of entry 0, which is what you get
    here by asking for the first prompt token.

    Departures: where no earlier token differs the code stops with an error, and here nothing is
    subtracted; its numerical search for beta is the closed form; only tokens that saw the picture
    take part. Raises `TokenError` for template tokens, which have no entry, and `RunError` if the
    run lacks a state that the code reads.
    """
    prompt, answer = run.indices(PROMPT), run.indices(ANSWER)
    walk = np.concatenate([prompt, answer])
    entry = {int(token): c for c, token in enumerate(walk)}
    outside = [token for token in tokens if token not in entry]
    if outside:
        raise TokenError(f"TAM as published has no map for template tokens such as {outside[0]}")
    c = np.array([entry[token] for token in tokens])
    classes = _classes(run, prompt, answer)
    lens, layout = lens_maps(run, classes)
    maps = np.maximum(0.0, lens)
    scores = _text_scores(run, classes, prompt, answer)

    texts = _compared(run, walk)
    place = np.arange(len(walk))
    use = (place < c[:, None]) & (texts != texts[c][:, None])
    weights = np.where(use, scores[c], 0.0)
    weights = weights / (weights.sum(axis=1, keepdims=True) + 1e-8)
    interference = weights @ maps
    beta = best_beta(maps[c], interference)
    cleaned = subtract(maps[c], interference, beta, beta)

    seen = place < np.maximum(c, len(prompt))[:, None]
    values = stretch(cleaned.maps, *joint_range(cleaned.maps, scores[c], seen))
    values = layout.each(partial(_filter, window=window), values)
    values = np.floor(255.0 * values).astype(np.float32) / np.float32(255.0)
    parts = as_parts(values, layout)
    return [Heatmap(parts[i], False, NORMALISATION, cleaned.notes(i)) for i in range(len(tokens))]


def _classes(run: Run, prompt: Indices, answer: Indices) -> npt.NDArray[np.int32]:
    """Return the class id that the code gives to each entry."""
    classes = run.tokens.ids[np.concatenate([prompt, answer])].copy()
    if len(prompt):
        classes[0] = run.topk[_own_state(run, prompt[:1])[0], 0]
    if len(answer) and answer[0] > 0:
        classes[len(prompt)] = run.tokens.ids[answer[0] - 1]
    return classes


def _compared(run: Run, walk: Indices) -> npt.NDArray[np.object_]:
    """Return (E,): what the code compares to find repeats, the piece that a token stands for.

    A run keeps the text of a split character with the first of its tokens and none with the others,
    so that of these tokens the ids are compared; an id stands for one sequence of bytes.
    """
    texts = run.tokens.texts
    split = np.array([text == "" for text in texts])
    split[:-1] |= split[1:]
    pieces = [int(run.tokens.ids[i]) if split[i] else texts[i] for i in walk]
    return np.array(pieces, dtype=object)


def _text_scores(
    run: Run, classes: npt.NDArray[np.int32], prompt: Indices, answer: Indices
) -> npt.NDArray[np.float32]:
    """Return (E, E) float32: the score of each entry's class at the state of each entry's text."""
    states = np.concatenate([_own_state(run, prompt), answer])
    logits = run.text_logits[states][:, run.unembedding.index(classes)]
    return np.maximum(0.0, logits.T)


def _own_state(run: Run, tokens: Indices) -> Indices:
    """Return the row of `Run.states` at each token's own position."""
    after = np.append(run.tokens.positions, run.tokens.positions[-1] + 1)[tokens + 1]
    if np.any(after != run.tokens.positions[tokens] + 1):
        raise RunError("TAM as published needs the state at each prompt token's own position")
    return tokens + 1


def _filter(values: npt.NDArray[np.float32], window: int) -> npt.NDArray[np.float32]:
    """Return the filtered maps, 0 where the reference code divides by a deviation of 0."""
    if window == 1:
        return values
    return np.where(zero_deviation(values, window), 0.0, rank_gaussian(values, window))
