"""Subjects: what can be explained besides single tokens, for every method.

A method explains single tokens of a run. This module reduces three kinds of subject to that:

    Span      tokens of the run: a chip, a word, a stretch of text. The maps of its pieces are
              combined: maximum, mean, or the first.
    Unsaid    another word in place of a token: one of its candidates, or any word. Each piece is
              explained as if it stood there, see `Run.with_token`.
    Contrast  why one word and not another: the signed difference of both, on one scale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import KnobError, MethodError, TokenError
from explainer.methods import COMBINE, Heatmap, MapPart, Method, combine_maps
from explainer.methods.comparison import Comparison
from explainer.methods.display import RAW
from explainer.methods.lens import earlier
from explainer.run import ANSWER, Run


@dataclass(frozen=True)
class Span:
    """Tokens of the run, explained as one; `by` is one of `COMBINE`."""

    tokens: tuple[int, ...]
    by: str = "max"


@dataclass(frozen=True)
class Unsaid:
    """A word of one or more pieces, each at the state that predicts token `at`."""

    at: int
    ids: tuple[int, ...]
    by: str = "max"


Word = Span | Unsaid


@dataclass(frozen=True)
class Contrast:
    """Why `plus` and not `minus`."""

    plus: Word
    minus: Word


Subject = Word | Contrast

CONTRAST_WORDS: Mapping[str, str] = {
    "joint": "Above 0: for the first word, below 0: for the second. Scale: ±1.0 = their largest "
    "difference, picture or text",
    "token": "Above 0: for the first word, below 0: for the second. Scale: ±1.0 = the largest "
    "difference in this map",
    "answer": "Above 0: for the first word, below 0: for the second. Scale: ±1.0 = the strongest "
    "value in the maps of the whole answer",
}


def explain_subject(method: Method, run: Run, subject: Subject, **knobs: Any) -> Heatmap:
    """Return the heatmap of a subject, with the knobs of the method.

    An unsaid word has the map that the token would have if the run said the word in its place; with
    normalisation "answer", 1.0 is the largest value in the answer that has the word in it.

    A contrast is the map of `plus` minus the map of `minus`, both in the method's own unit and with
    its filter before they are normalised, then divided by one number, so that 0 stays 0. The lens
    is not clipped for it, so that its contrast is (W_plus - W_minus) . z_i exactly, and `show`
    plays no part. 1.0 is, by normalisation, the largest difference in the map ("token"), in the map
    and between the words' logits at the states that predict the content tokens before both
    ("joint"), or the largest value in the maps of the recorded answer ("answer").

    Raises:
        TokenError: a token is not of the run, or there is none.
        RunError: the run holds no row of W for an id; `Explainer.add_words` adds it.
        MethodError, KnobError: the method or a knob does not go with the subject.
    """
    settings = method.settings(**knobs)
    for word in words_of(subject):
        _check(method, run, word, settings)
    if isinstance(subject, Contrast):
        return _contrast(method, run, subject, settings)
    return combine_maps(_maps(method, run, subject, settings), subject.by)


def words_of(subject: Subject) -> tuple[Word, ...]:
    """Return the word of a subject, or both words of a contrast."""
    return (subject.plus, subject.minus) if isinstance(subject, Contrast) else (subject,)


def places(word: Word) -> tuple[int, ...]:
    """Return the tokens at which a word stands or would stand."""
    return word.tokens if isinstance(word, Span) else (word.at,)


def _check(method: Method, run: Run, word: Word, settings: Mapping[str, Any]) -> None:
    if word.by not in COMBINE:
        raise MethodError(f"combine must be one of {', '.join(COMBINE)}, got {word.by!r}")
    if not places(word) or (isinstance(word, Unsaid) and not word.ids):
        raise TokenError("a subject needs at least one token")
    for token in places(word):
        run.check_token(token)
    if isinstance(word, Unsaid):
        if isinstance(method, Comparison):
            raise MethodError(
                f"{method.label} explains recorded words only; for others choose a lens method"
            )
        if settings.get("state") == "own":
            raise KnobError(
                "a word that was not said has no state of its own; choose state 'predicting'"
            )


def _maps(method: Method, run: Run, word: Word, settings: Mapping[str, Any]) -> list[Heatmap]:
    """Return the heatmap of each piece of a word."""
    if isinstance(word, Span):
        return method.explain(run, list(word.tokens), **settings)
    runs = [run.with_token(word.at, token_id) for token_id in word.ids]
    return [method.explain(said, [word.at], **settings)[0] for said in runs]


# Contrasts ---------------------------------------------------------------------------------------


def _contrast(method: Method, run: Run, subject: Contrast, settings: Mapping[str, Any]) -> Heatmap:
    raw = {**settings, "normalisation": RAW}
    raw |= {"show": "signed"} if "show" in settings else {}
    plus, minus = (combine_maps(_maps(method, run, w, raw), w.by) for w in words_of(subject))
    parts = [
        MapPart(a.values - b.values, a.placement)
        for a, b in zip(plus.parts, minus.parts, strict=True)
    ]
    high = _size(parts)
    if settings["normalisation"] == "joint":
        high = max(high, _text_size(run, subject))
    elif settings["normalisation"] == "answer":
        answer = [int(token) for token in run.indices(ANSWER)]
        if not answer:
            raise KnobError("normalisation 'answer' needs an answer, and this run holds none")
        high = max(_size(heat.parts) for heat in method.explain(run, answer, **raw))
    scaled = tuple(MapPart(_divided(part.values, high), part.placement) for part in parts)
    return Heatmap(scaled, True, CONTRAST_WORDS[settings["normalisation"]])


def _size(parts: Sequence[MapPart]) -> float:
    return max(float(np.abs(part.values).max()) for part in parts)


def _divided(values: npt.NDArray[np.float32], high: float) -> npt.NDArray[np.float32]:
    """Return values / high within [-1, 1]; zeros for high = 0."""
    return np.clip(values / (high or 1.0), -1.0, 1.0).astype(np.float32)


def _text_size(run: Run, subject: Contrast) -> float:
    """Return the largest difference of both words' logits at the content text before both."""
    first = min(token for word in words_of(subject) for token in places(word))
    plus, minus = (_text_logits(run, word) for word in words_of(subject))
    gaps = np.abs(plus - minus)[earlier(run, [first])[0]]
    return float(gaps.max(initial=0.0))


def _text_logits(run: Run, word: Word) -> npt.NDArray[np.float32]:
    """Return (T,): the word's logit at the state that predicts each token, pieces combined."""
    ids = run.tokens.ids[list(word.tokens)] if isinstance(word, Span) else word.ids
    logits = run.text_logits[: len(run.tokens), run.unembedding.index(ids)]
    return {"max": logits.max(axis=1), "mean": logits.mean(axis=1), "first": logits[:, 0]}[word.by]


# What there is to explain ------------------------------------------------------------------------


@dataclass(frozen=True)
class Candidate:
    """A word that the model could have said in place of a token, and how probable it was."""

    token_id: int
    text: str
    probability: float


def candidates(run: Run, token: int) -> list[Candidate]:
    """Return the most probable words in place of a token, best first.

    Only those with an unembedding row in the run, so that they can be explained: the first C at an
    answer token, fewer elsewhere. Probabilities are exact, over the whole vocabulary.
    """
    ids, chances = run.topk[run.check_token(token)], run.candidate_probs[token]
    return [
        Candidate(int(i), run.pieces.get(int(i), f"⟨{i}⟩"), float(p))
        for i, p in zip(ids, chances, strict=False)
        if i in run.unembedding.ids
    ]


def unsaid(run: Run, at: int, word: str) -> Unsaid:
    """Return the subject for a typed word in place of token `at`, spelled as `spelled` says.

    Raises `TokenError` if the run holds no row of W for it.
    """
    return unsaid_exactly(run, at, spelled(run, at, word))


def unsaid_exactly(run: Run, at: int, text: str) -> Unsaid:
    """Return the subject for a word in place of token `at`, with exactly the spaces of `text`.

    It is searched among the words that `Explainer.add_words` added and the single pieces that have
    a row in the run. Raises `TokenError` if it is not found.
    """
    run.check_token(at)
    added = run.settings.get("words", {}).get(text)
    if added:
        return Unsaid(at, tuple(int(i) for i in added))
    for token_id in run.unembedding.ids:
        if run.pieces.get(int(token_id)) == text:
            return Unsaid(at, (int(token_id),))
    raise TokenError(
        f"the run holds no row of W for the word {text!r}; bring it with "
        f"Explainer.add_words(run, [{text!r}])"
    )


def spelled(run: Run, at: int, word: str) -> str:
    """Return a typed word as it would be spelled in place of token `at`.

    Tokenizers have most words twice, with a leading space and without. The word gets a leading
    space if the token has one; a space that was typed is kept.
    """
    if not word.strip():
        raise TokenError("the word is empty; type a word")
    spaced = run.tokens.texts[run.check_token(at)].startswith(" ")
    return " " + word if spaced and not word[0].isspace() else word


def text_of(run: Run, word: Word) -> str:
    """Return the text of a word, exactly as it stands or would stand there."""
    if isinstance(word, Span):
        return "".join(run.tokens.texts[token] for token in word.tokens)
    return "".join(run.pieces.get(i, f"⟨{i}⟩") for i in word.ids)


def probability(run: Run, word: Word) -> float | None:
    """Return the joint probability of a span, or that of a word of one piece; None if unknown."""
    if isinstance(word, Span):
        p = float(np.prod(run.probs[list(word.tokens)].astype(np.float64)))
    else:
        p = run.probability(word.at, word.ids[0]) if len(word.ids) == 1 else np.nan
    return p if np.isfinite(p) else None


# Letters and digits that a space parts from the next word; scripts without spaces stand alone.
_INNER = r"[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"
_WHOLE = re.compile(rf"{_INNER}+(?:['’]{_INNER}+)*")


@dataclass(frozen=True)
class WholeWord:
    """A word as people read it.

    Attributes:
        chips: their numbers in `Run.chips`.
        tokens: of all its chips, indices into `Run.tokens`.
        text: as it stands in the run, with the space before it.
    """

    chips: tuple[int, ...]
    tokens: tuple[int, ...]
    text: str


def read_words(run: Run) -> list[WholeWord]:
    """Return the words of the run in order, see `whole_words`."""
    return [
        WholeWord(
            numbers,
            tuple(token for i in numbers for token in run.chips[i].tokens),
            "".join(run.chips[i].text for i in numbers),
        )
        for numbers in whole_words(run)
    ]


def first_said(run: Run) -> int | None:
    """Return the first token of the answer that is not white space, if there is one."""
    return next((int(t) for t in run.indices(ANSWER) if run.tokens.texts[t].strip()), None)


def whole_words(run: Run) -> list[tuple[int, ...]]:
    """Return the chips of the run, by number, grouped into words; a word never changes role."""
    text, starts = "", []
    for i, chip in enumerate(run.chips):
        text += "\n" if i and chip.role != run.chips[i - 1].role else ""
        starts.append(len(text))
        text += chip.text
    inner = {at for found in _WHOLE.finditer(text) for at in range(found.start() + 1, found.end())}
    groups: list[tuple[int, ...]] = []
    for i, start in enumerate(starts):
        if start in inner:
            groups[-1] += (i,)
        else:
            groups.append((i,))
    return groups
