"""What a link chooses: a chip, several tokens as one, or a word that was not said.

    12                  chip number 12
    t33,34,35           tokens 33, 34 and 35 as one word
    7= cat              the word " cat" in place of token 7, with just the spaces that it has

After the numbers, ":mean" or ":first" says how the maps of several pieces are combined; without, it
is their maximum. A word that was not said is named by its text alone: to another model its id would
mean another word.
"""

from __future__ import annotations

import re
from typing import NamedTuple, get_args

from explainer.errors import SightlineError, TokenError
from explainer.methods.base import Knob
from explainer.methods.subjects import Contrast, Span, Word, text_of, unsaid_exactly
from explainer.run import Run
from explainer.ui.sections.links import words
from explainer.web.calls import Combine, Explained, read_call
from explainer.web.subjects import check_word, read_subject

NAMES = ("word", "against")  # parameters of a link

_CHIP = re.compile(r"[0-9]{1,9}")
_TOKENS = re.compile(r"t([0-9]{1,9}(?:,[0-9]{1,9})*)(?::([a-z]+))?")
_OTHER = re.compile(r"([0-9]{1,9})(?::([a-z]+))?=(.+)", re.DOTALL)


class LinkPart(NamedTuple):
    """What a parameter chooses.

    Attributes:
        subject: as the page asks for it; None if the run lacks the word.
        lacks: the word that has to be brought first, or "".
    """

    subject: Explained | None
    lacks: str = ""


def read(run: Run, text: str) -> LinkPart:
    """Return what a parameter chooses in a run; `SightlineError` if there is no such thing."""
    if _CHIP.fullmatch(text):
        Knob("word", "int", 0, "", 0, len(run.chips) - 1).check(int(text))
        return LinkPart(Explained(chip=int(text)))
    if found := _TOKENS.fullmatch(text):
        tokens = [int(token) for token in found[1].split(",")]
        subject = read_call(Explained, {"tokens": tokens, "by": _by(found[2])})
        read_subject(run, subject)
        return LinkPart(subject)
    if found := _OTHER.fullmatch(text):
        return _other(run, int(found[1]), _by(found[2]), found[3])
    raise SightlineError(words.NO_WORD.format(got=text[:40]))


def _by(name: str | None) -> Combine:
    for by in get_args(Combine):
        if name == by:
            return by
    if name is not None:
        raise SightlineError(words.NO_WORD.format(got=f":{name}"[:40]))
    return "max"


def _other(run: Run, at: int, by: Combine, text: str) -> LinkPart:
    check_word(text)
    run.check_token(at)
    try:
        ids = list(unsaid_exactly(run, at, text).ids)
    except TokenError:
        return LinkPart(None, text)
    word = Explained(at=at, ids=ids)
    return LinkPart(word if by == "max" else word.model_copy(update={"by": by}))


def written(run: Run, subject: Explained) -> dict[str, str]:
    """Return the parameters of a link for what the page has explained.

    Raises `SightlineError` for what is no subject of the run, and for a word whose text does not
    say which it is, such as a part of a character.
    """
    found = read_subject(run, subject)
    if isinstance(found, Contrast):
        parts = ((found.plus, subject.plus), (found.minus, subject.minus))
        named = zip(NAMES, parts, strict=True)
        return {name: _written(run, word, part) for name, (word, part) in named}
    return {"word": _written(run, found, subject)}


def _written(run: Run, word: Word, part: Explained | None) -> str:
    by = "" if word.by == "max" else f":{word.by}"
    if isinstance(word, Span):
        if part and part.chip is not None:
            return str(part.chip)
        return f"t{','.join(map(str, word.tokens))}{by}"
    text = text_of(run, word)
    check_word(text)
    if unsaid_exactly(run, word.at, text).ids != word.ids:
        raise TokenError(words.WORD_UNCLEAR)
    return f"{word.at}{by}={text}"
