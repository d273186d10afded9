"""Lay out the sentence of a word in lines, with the word marked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from explainer.export.bidi import add_mark_base
from explainer.export.drawing import Font, TextSpan, measure_width
from explainer.run import TEMPLATE, Run


@dataclass(frozen=True)
class MarkedPiece:
    """A chip of the sentence: its text and tokens."""

    text: str
    tokens: tuple[int, ...]


def sentence(run: Run, tokens: Sequence[int]) -> list[MarkedPiece]:
    """Return the chips of the text that holds the tokens: a prompt or an answer, of any turn.

    Tokens of the template stand in all of its chips.
    """
    roles = run.tokens.roles
    said = [t for t in tokens if roles[t] != TEMPLATE] or list(tokens) or [len(roles) - 1]
    role, last = roles[said[-1]], said[-1]
    others = np.flatnonzero(roles != role) if role != TEMPLATE else np.zeros(0, int)
    start = others[others < last].max(initial=-1)
    stop = others[others > last].min(initial=len(roles))
    return [
        MarkedPiece(c.text, c.tokens)
        for c in run.chips
        if c.role == role and start < c.tokens[0] < stop
    ]


def break_lines(pieces: Sequence[MarkedPiece], font: Font, width: float) -> list[list[MarkedPiece]]:
    """Break pieces into lines that fit: before a space where possible, and after line breaks."""
    lines: list[list[MarkedPiece]] = [[]]
    for piece in pieces:
        taken = sum(measure_width(p.text, font) for p in lines[-1])
        full = taken + measure_width(piece.text.rstrip(), font) > width
        if lines[-1] and (full or lines[-1][-1].text.endswith("\n")):
            lines.append(_tail(lines[-1], piece))
        lines[-1].append(piece)
    return [_strip_start(line) for line in lines]


def _tail(line: list[MarkedPiece], piece: MarkedPiece) -> list[MarkedPiece]:
    """Take from a line the pieces that must stay together with the one that comes next."""
    if piece.text[:1].isspace() or line[-1].text[-1:].isspace():
        return []
    start = next((i for i in range(len(line) - 1, 0, -1) if line[i].text[:1].isspace()), None)
    if start is None or len(line) - start > 8:
        return []
    tail = line[start:]
    del line[start:]
    return tail


def _strip_start(line: list[MarkedPiece]) -> list[MarkedPiece]:
    """Return the line without the space that it starts with."""
    return [MarkedPiece(line[0].text.lstrip(" "), line[0].tokens), *line[1:]] if line else line


def select_lines(
    lines: Sequence[list[MarkedPiece]], tokens: Collection[int], most: int
) -> list[list[MarkedPiece]]:
    """Return at most `most` lines, around the marked ones; … stands for omitted text."""
    marked = [i for i, line in enumerate(lines) if any(set(p.tokens) & set(tokens) for p in line)]
    first = max(0, min((marked or [0])[0] - most // 2, len(lines) - most))
    shown = [list(line) for line in lines[first : first + most]]
    if first > 0:
        shown[0].insert(0, MarkedPiece("… ", ()))
    if first + most < len(lines):
        shown[-1].append(MarkedPiece(" …", ()))
    return shown


def spans(line: Sequence[MarkedPiece], tokens: Collection[int], mark: str) -> tuple[TextSpan, ...]:
    """Return a line with the pieces of these tokens underlined in the colour `mark`."""
    found: list[TextSpan] = []
    for piece in line:
        if set(piece.tokens) & set(tokens):
            space = piece.text[: len(piece.text) - len(piece.text.lstrip(" "))]
            word = add_mark_base(piece.text[len(space) :])
            found += [TextSpan(space), TextSpan(word, mark, underlined=True)]
        else:
            found.append(TextSpan(piece.text))
    return tuple(span for span in found if span.text)
