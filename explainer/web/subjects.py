"""What the page can ask to have explained: JSON that becomes a subject here, and then its maps.

The page's scripts pass a subject on unread. A new kind of word is one more reader in `_KINDS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from explainer.errors import MethodError, RunError, TokenError
from explainer.methods import COMBINE, Heatmap, Method
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
from explainer.web.controls import read_number

LONGEST = 2000  # characters of a subject's JSON
LONGEST_WORD = 100  # characters


def read_subject(run: Run, asked: Any) -> Subject:
    """Return what the page asks to have explained, checked; a kind is known by its first field.

    {"chip": 12}                                a chip of the run, by number
    {"tokens": [3, 4, 5], "by": "max"}          tokens of the run as one; "by" is in `COMBINE`
    {"at": 7, "ids": [31, 9], "by": "max"}      a word of these pieces in place of token 7
    {"at": 7, "word": "cat", "by": "max"}       the same by its text, if its rows are in the run
    {"plus": subject, "minus": subject}         why the one and not the other

    "by" may be left out. Raises `RunError` if it cannot be read, `TokenError` if there is no such
    chip or token.
    """
    if not isinstance(asked, Mapping) or len(json.dumps(asked)) > LONGEST:
        raise RunError(texts.BAD_REQUEST)
    if "plus" in asked:
        return Contrast(_word(run, asked["plus"]), _word(run, asked.get("minus")))
    return _word(run, asked)


def word_subject(word: WholeWord) -> dict[str, Any]:
    """Return a word of the run as the page names it: its chip, or the tokens of several."""
    return {"chip": word.chips[0]} if len(word.chips) == 1 else {"tokens": list(word.tokens)}


def lacking(run: Run, asked: Any) -> tuple[str, ...]:
    """Return the words that a subject names by their text and the run holds no rows for.

    They are spelled as `Explainer.add_words` takes them. Raises `TokenError` for what is no word.
    """
    told = asked if isinstance(asked, Mapping) else {}
    found = [_lacking(run, part) for part in (told, told.get("plus"), told.get("minus"))]
    return tuple(text for text in found if text)


def _lacking(run: Run, asked: Any) -> str:
    word = asked.get("word") if isinstance(asked, Mapping) and "at" in asked else None
    if not isinstance(word, str):
        return ""
    check_word(word)
    at = run.check_token(read_number(asked["at"]))
    text = spelled(run, at, word)
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


def at_layer(run: Run, asked: Any) -> Run:
    """Return the run at the decoder layer that a subject's field "layer" names, or as it is.

    Raises `LayerError` for a layer that was not recorded.
    """
    layer = asked.get("layer") if isinstance(asked, Mapping) else None
    return run if layer is None else run.at_layer(read_number(layer))


def _word(run: Run, asked: Any) -> Word:
    if not isinstance(asked, Mapping):
        raise RunError(texts.BAD_REQUEST)
    kind = next((name for name in _KINDS if name in asked), None)
    if kind is None or asked.get("by", "max") not in (*COMBINE,):
        raise RunError(texts.BAD_REQUEST)
    return _KINDS[kind](run, asked)


def _chip(run: Run, asked: Mapping[str, Any]) -> Span:
    index = read_number(asked["chip"])
    if not 0 <= index < len(run.chips):
        raise TokenError(texts.BAD_REQUEST)
    return Span(run.chips[index].tokens)


def _tokens(run: Run, asked: Mapping[str, Any]) -> Span:
    tokens = tuple(run.check_token(token) for token in _numbers(asked["tokens"]))
    return Span(tokens, asked.get("by", "max"))


def _other(run: Run, asked: Mapping[str, Any]) -> Unsaid:
    at, by = run.check_token(read_number(asked["at"])), asked.get("by", "max")
    if isinstance(asked.get("word"), str):
        return replace(unsaid(run, at, asked["word"]), by=by)
    ids = _numbers(asked.get("ids"))
    run.unembedding.index(ids)
    return Unsaid(at, ids, by)


def _numbers(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list) or not values:
        raise RunError(texts.BAD_REQUEST)
    return tuple(map(read_number, values))


_KINDS: Mapping[str, Callable[[Run, Mapping[str, Any]], Word]] = MappingProxyType(
    {"chip": _chip, "tokens": _tokens, "at": _other}
)


def heat_of(run: Run, asked: Any, method: Method, knobs: Mapping[str, Any]) -> Heatmap:
    """Return the heatmap of what the page asks for, at the layer that it is looked at.

    Raises what `explain_subject` raises, and `MethodError` for a method that asks the whole model
    and another layer than the last.
    """
    looked = at_layer(run, asked)
    if isinstance(method, Comparison) and looked is not run:
        raise MethodError(texts.WHOLE_MODEL.format(method=method.label))
    return explain_subject(method, looked, read_subject(run, asked), **knobs)
