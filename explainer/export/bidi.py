"""Order and shape the letters of a line, for scripts that Pillow alone does not lay out.

Right-to-left text is put into visual order by the Unicode bidirectional algorithm (UAX #9, without
explicit embeddings, whose controls are spelled out before, and without its rule on brackets);
Arabic letters get the shapes that they have beside their neighbours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby

_STRONG = {"L": "L", "R": "R", "AL": "R"}
_NEUTRAL = ("B", "S", "WS", "ON")
_PAIRS = "()[]{}<>«»‹›≤≥"
_MIRRORED = {p: _PAIRS[i ^ 1] for i, p in enumerate(_PAIRS)}
DOTTED = "\u25cc"  # what a mark without a letter is shown on


def is_mark(character: str) -> bool:
    """Return whether a character is drawn over or around another, such as a vowel sign."""
    return unicodedata.category(character)[0] == "M"


def add_mark_base(text: str) -> str:
    """Return the text with a dotted circle before it if it starts with a mark, as browsers do."""
    return DOTTED + text if text[:1] and is_mark(text[0]) else text


def runs_right_to_left(text: str) -> bool:
    """Return whether the first letter of a text is one of a right-to-left script."""
    types = (_STRONG.get(unicodedata.bidirectional(c)) for c in text)
    return next(filter(None, types), "L") == "R"


def has_right_to_left(text: str) -> bool:
    """Return whether any character runs from right to left, or is a number of such a script."""
    return any(unicodedata.bidirectional(c) in ("R", "AL", "AN") for c in text)


# Order -------------------------------------------------------------------------------------------


def levels(text: str, rtl: bool) -> list[int]:
    """Return the embedding level of each character of a line: odd ones run from right to left.

    Args:
        rtl: the direction of the paragraph.
    """
    base = int(rtl)
    types = _resolve_neutrals(
        _resolve_weak([unicodedata.bidirectional(c) or "L" for c in text], base), base
    )
    found = [_level(kind, base) for kind in types]
    for i in range(len(text) - 1, -1, -1):  # L1: space at the end of a line is the paragraph's
        if unicodedata.bidirectional(text[i]) not in ("WS", "B", "S"):
            break
        found[i] = base
    return found


def _resolve_weak(types: list[str], base: int) -> list[str]:
    """Resolve marks, numbers and separators of numbers (W1 to W7)."""
    start = "R" if base else "L"
    before = start
    for i, kind in enumerate(types):  # W1
        if kind == "NSM":
            types[i] = before
        before = types[i]
    strong = start
    for i, kind in enumerate(types):  # W2, W3
        if kind in _STRONG:
            strong = kind
        if kind == "EN" and strong == "AL":
            types[i] = "AN"
    types = ["R" if kind == "AL" else kind for kind in types]
    for i in range(1, len(types) - 1):  # W4
        one, kind, other = types[i - 1 : i + 2]
        if one == other and (
            (kind == "ES" and one == "EN") or (kind == "CS" and one in ("EN", "AN"))
        ):
            types[i] = one
    _extend_numbers(types, "ET", "EN")  # W5
    types = ["ON" if kind in ("ES", "ET", "CS", "BN") else kind for kind in types]  # W6
    strong = start
    for i, kind in enumerate(types):  # W7
        if kind in ("L", "R"):
            strong = kind
        if kind == "EN" and strong == "L":
            types[i] = "L"
    return types


def _extend_numbers(types: list[str], kind: str, number: str) -> None:
    """Turn stretches of a kind beside a number into numbers."""
    at = 0
    for name, group in groupby(list(types)):
        stop = at + len(list(group))
        around = (types[at - 1] if at else "", types[stop] if stop < len(types) else "")
        if name == kind and number in around:
            types[at:stop] = [number] * (stop - at)
        at = stop


def _resolve_neutrals(types: list[str], base: int) -> list[str]:
    """Give neutral characters the direction of their surroundings, or the paragraph's (N1, N2)."""
    own = "R" if base else "L"
    at = 0
    for is_neutral, group in groupby(list(types), key=lambda kind: kind in _NEUTRAL):
        stop = at + len(list(group))
        if is_neutral:
            one = _side(types[at - 1]) if at else own
            other = _side(types[stop]) if stop < len(types) else own
            types[at:stop] = [one if one == other else own] * (stop - at)
        at = stop
    return types


def _side(kind: str) -> str:
    return "R" if kind in ("R", "AN", "EN") else "L"


def _level(kind: str, base: int) -> int:
    """Return the level of a resolved type (I1, I2)."""
    if base:
        return 1 if kind == "R" else 2
    return {"L": 0, "R": 1}.get(kind, 2)


def visual_order(found: Sequence[int]) -> list[int]:
    """Return the indices of characters, or of pieces, from left to right (L2)."""
    order = list(range(len(found)))
    for level in range(max(found, default=0), 0, -1):
        at = 0
        for high, group in groupby([found[i] >= level for i in order]):
            stop = at + len(list(group))
            if high:
                order[at:stop] = order[at:stop][::-1]
            at = stop
    return order


def mirror_bracket(character: str) -> str:
    """Return the mirrored bracket for right-to-left text."""
    return _MIRRORED.get(character, character)


# Arabic ------------------------------------------------------------------------------------------

_LAM, _TATWEEL, _ZWJ = "\u0644", "\u0640", "\u200d"


@lru_cache(maxsize=1)
def _forms() -> dict[str, dict[str, str]]:
    """Return for each Arabic letter, or pair of them, its shapes by their position in a word."""
    found: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFDFC), *range(0xFE80, 0xFEFD)):
        tag, *parts = unicodedata.decomposition(chr(code)).split() or [""]
        if tag in ("<isolated>", "<final>", "<initial>", "<medial>"):
            letters = "".join(chr(int(part, 16)) for part in parts)
            if len(letters) == 1 or (letters[0] == _LAM and letters[1:] in "آأإا"):
                found.setdefault(letters, {})[tag[1:-1]] = chr(code)
    return found


def shape_letters(text: str, known: Callable[[str], bool]) -> list[str]:
    """Return the glyph of each character: Arabic letters in the shapes of their positions.

    Lam followed by alef becomes one glyph at the first, and "" at the second.

    Args:
        known: whether a font has a shape; the plain letter is kept if not.
    """
    drawn = list(text)
    letters = [i for i, c in enumerate(text) if not is_mark(c)]
    for at, i in enumerate(letters):
        before = text[letters[at - 1]] if at else ""
        after = text[letters[at + 1]] if at + 1 < len(letters) else ""
        joins = _joins_after(before) and _joins_before(text[i])
        if not drawn[i] or text[i] not in _forms():
            continue
        if text[i] == _LAM and _LAM + after in _forms() and letters[at + 1] == i + 1:
            shape = _forms()[_LAM + after].get("final" if joins else "isolated", "")
            if shape and known(shape):
                drawn[i], drawn[i + 1] = shape, ""
                continue
        goes_on = _joins_after(text[i]) and _joins_before(after)
        name = {(0, 0): "isolated", (0, 1): "initial", (1, 0): "final", (1, 1): "medial"}
        shape = _forms()[text[i]].get(name[joins, goes_on], "")
        drawn[i] = shape if shape and known(shape) else text[i]
    return drawn


def _joins_after(letter: str) -> bool:
    """Return whether a letter joins the one that follows it."""
    return letter in (_TATWEEL, _ZWJ) if letter not in _forms() else "initial" in _forms()[letter]


def _joins_before(letter: str) -> bool:
    """Return whether a letter joins the one before it."""
    return letter in (_TATWEEL, _ZWJ) if letter not in _forms() else "final" in _forms()[letter]
