"""What the page can ask to have explained: an `Explained` becomes a subject here, and then maps.

A new kind of word is a field of `Explained`, and a way to read it in `_word`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from explainer.errors import MethodError, RunError, TokenError
from explainer.methods import Heatmap, Method
from explainer.methods.comparison import Comparison
from explainer.methods.subjects import (
    Contrast,
    Span,
    Subject,
    Unsaid,
    WholeWord,
    Word,
    explain_subject,
    spelled,
    unsaid,
    unsaid_exactly,
)
from explainer.run import Run
from explainer.web import texts
from explainer.web.calls import Explained, read_call

LONGEST_WORD = 100  # characters


def read_subject(run: Run, message: Any) -> Subject:
    """Return the subject that the page asks for, an `Explained` or its JSON.

    A kind is known by its first field: "chip" is a chip of the run, by number; "tokens" are tokens
    of the run as one word; "at" is a token in whose place a word would stand, given by "ids", its
    pieces, or by "word", its text, if its rows are in the run; "plus" and "minus" are two of these.

    Raises `RunError` if it cannot be read, `TokenError` if there is no such chip or token.
    """
    explained = read_call(Explained, message)
    if explained.plus is not None:
        return Contrast(_word(run, explained.plus), _word(run, explained.minus))
    return _word(run, explained)


def word_subject(word: WholeWord) -> Explained:
    """Return a word of the run as the page names it: its chip, or the tokens of several."""
    if len(word.chips) == 1:
        return Explained(chip=word.chips[0])
    return Explained(tokens=list(word.tokens))


def lacking(run: Run, message: Any) -> tuple[str, ...]:
    """Return the words that a subject names by their text and the run holds no rows for.

    They are spelled as `Explainer.add_words` takes them. Raises `RunError` if the subject cannot be
    read, `TokenError` for what is no word.
    """
    explained = read_call(Explained, message)
    parts = (explained, explained.plus, explained.minus)
    return tuple(text for part in parts if part and (text := _lacking(run, part)))


def _lacking(run: Run, part: Explained) -> str:
    if part.at is None or part.word is None:
        return ""
    check_word(part.word)
    at = run.check_token(part.at)
    text = spelled(run, at, part.word)
    try:
        unsaid_exactly(run, at, text)
    except TokenError:
        return text
    return ""


def check_word(text: str) -> None:
    """Raise `TokenError` for a text that is empty or too long for a word."""
    if not text.strip():
        raise TokenError(texts.EMPTY_WORD)
    if len(text) > LONGEST_WORD:
        raise TokenError(texts.LONG_WORD.format(most=LONGEST_WORD))


def at_layer(run: Run, message: Any) -> Run:
    """Return the run at the decoder layer that a subject's field "layer" names, or as it is.

    Raises `LayerError` for a layer that was not recorded.
    """
    layer = read_call(Explained, message).layer
    return run if layer is None else run.at_layer(layer)


def _word(run: Run, part: Explained | None) -> Word:
    if part is None:
        raise RunError(texts.BAD_REQUEST)
    if part.chip is not None:
        return _chip(run, part.chip)
    if part.tokens is not None:
        return Span(tuple(run.check_token(token) for token in part.tokens), part.by)
    if part.at is not None:
        return _other(run, part.at, part)
    raise RunError(texts.BAD_REQUEST)


def _chip(run: Run, number: int) -> Span:
    if not 0 <= number < len(run.chips):
        raise TokenError(texts.BAD_REQUEST)
    return Span(run.chips[number].tokens)


def _other(run: Run, at: int, part: Explained) -> Unsaid:
    at = run.check_token(at)
    if part.word is not None:
        return replace(unsaid(run, at, part.word), by=part.by)
    if part.ids is None:
        raise RunError(texts.BAD_REQUEST)
    run.unembedding.index(part.ids)
    return Unsaid(at, tuple(part.ids), part.by)


def heat_of(run: Run, message: Any, method: Method, knobs: Mapping[str, Any]) -> Heatmap:
    """Return the heatmap of the subject that the page asks for, at its layer.

    Raises what `explain_subject` raises, and `MethodError` for a method that asks the whole model
    and another layer than the last.
    """
    looked = at_layer(run, message)
    if isinstance(method, Comparison) and looked is not run:
        raise MethodError(texts.WHOLE_MODEL.format(method=method.label))
    return explain_subject(method, looked, read_subject(run, message), **knobs)
