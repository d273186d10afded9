"""Command-line flags for the words to explain, and the subjects that they name."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from explainer.commands.terminal import decode_argument
from explainer.errors import TokenError
from explainer.methods import COMBINE
from explainer.methods.subjects import Contrast, Span, Subject, Unsaid, spelled, unsaid
from explainer.run import ANSWER, ROLE_NAMES, Run

# Adds the unembedding rows of words to a run; needs the model.
Bring = Callable[[Run, list[str]], Run]


def add_subject_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    group = parser.add_argument_group("what is explained (default: each word of the answer)")
    which = group.add_mutually_exclusive_group()
    which.add_argument("--token", type=int, metavar="N", help="this token, as numbered")
    which.add_argument(
        "--word",
        metavar="W",
        type=decode_argument,
        help='this word of the answer, or several in a row: "hot dog"',
    )
    group.add_argument(
        "--by",
        choices=COMBINE,
        default="max",
        help="how the maps of a word's pieces are combined; default: max",
    )
    group.add_argument(
        "--instead",
        type=decode_argument,
        metavar="W",
        help="any word in the place of the chosen one: where is the evidence for it?",
    )
    group.add_argument(
        "--not",
        dest="minus",
        type=decode_argument,
        metavar="W",
        help="the chosen word against this one in a signed map: why that and not this?",
    )


def check(args: argparse.Namespace) -> None:
    """Raise `TokenError` if another word has no place to stand in."""
    if args.word is None and args.token is None and (args.instead or args.minus):
        raise TokenError("--instead and --not need a place in the text; add --word or --token")


def subjects(run: Run, args: argparse.Namespace, bring: Bring) -> tuple[Run, list[Subject]]:
    """Return the subjects of the flags, none for the whole answer, and the run with all rows.

    `bring` is called for words without a row in the run.
    """
    span = _find_span(run, args)
    if span is None:
        return run, []
    word: Span | Unsaid = replace(span, by=args.by)
    if args.instead is not None:
        run, word = _find_other_word(run, span.tokens[0], args.instead, args.by, bring)
    if args.minus is None:
        return run, [word]
    run, minus = _find_other_word(run, span.tokens[0], args.minus, args.by, bring)
    return run, [Contrast(word, minus)]


def _find_other_word(run: Run, at: int, word: str, by: str, bring: Bring) -> tuple[Run, Unsaid]:
    """Return a typed word in place of token `at`, and the run with its rows."""
    try:
        found = unsaid(run, at, word)
    except TokenError:
        run = bring(run, [spelled(run, at, word)])
        found = unsaid(run, at, word)
    return run, replace(found, by=by)


def _find_span(run: Run, args: argparse.Namespace) -> Span | None:
    """Return the chip of `--token`, or the tokens of `--word`."""
    if args.word is not None:
        return find_word(run, args.word)
    if args.token is None:
        return None
    token = run.check_token(args.token)
    return next(Span(c.tokens) for c in run.chips if token in c.tokens)


def find_word(run: Run, word: str) -> Span:
    """Return the tokens of the only place where the answer holds `word`, in any case.

    Raises `TokenError` if the answer holds it not at all, or more than once.
    """
    places = _find_places(run, word, ANSWER)
    if len(places) == 1:
        return places[0]
    if places:
        numbers = ", ".join(str(p.tokens[0]) for p in places)
        raise TokenError(
            f"the answer says {word!r} {len(places)} times, at tokens {numbers}; "
            "choose one with --token"
        )
    others = [role for role in range(len(ROLE_NAMES)) if role != ANSWER]
    elsewhere = [(p, role) for role in others for p in _find_places(run, word, role)]
    hint = ""
    if elsewhere:
        place, role = elsewhere[0]
        hint = f"; it is in the {ROLE_NAMES[role].replace('_', ' ')}, see --token {place.tokens[0]}"
    raise TokenError(f"the answer does not say {word!r}{hint}; it says: {run.answer.strip()!r}")


def _find_places(run: Run, word: str, role: int) -> list[Span]:
    """Return every place where text of this role holds `word` as a whole word."""
    chips = [c for c in run.chips if c.role == role]
    ends = np.cumsum([len(c.text) for c in chips])
    text = "".join(c.text for c in chips)
    wanted = word.strip()
    if not wanted:
        raise TokenError("the word is empty; name a word of the answer")
    found = re.finditer(rf"(?<!\w){re.escape(wanted)}(?!\w)", text, re.IGNORECASE)
    spans = []
    for match in found:
        first = int(np.searchsorted(ends, match.start(), side="right"))
        last = int(np.searchsorted(ends, match.end(), side="left"))
        tokens = tuple(t for c in chips[first : last + 1] for t in c.tokens)
        spans.append(Span(tokens))
    return spans
