"""How the text of a token is shown, and whether it looks like the name of something."""

from __future__ import annotations

import unicodedata

# Words that name nothing in the picture; the first other word of an answer is chosen at the start.
_FUNCTION_WORDS = """
a an the is are was were be been being am do does did has have had there here this that these those
it its they them their he she his her i you we my your our and or but nor so if of in on at to from
by with for as into onto over under above below near next between behind beside left right center
top bottom corner up down out off not no yes image picture photo shows showing depicts see can could
will would one two three four some any all both what which who where how many very just also
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x7f": "␡", "\xa0": "⍽"}


def visible(text: str) -> str:
    """Return the text of a token as it is drawn on a chip: nothing in it is invisible.

    The one space that starts most words is left out, because the gap between chips says it; any
    other space at an edge is drawn.
    """
    if not text:
        return "∅"
    body = text[1:] if text[0] == " " and text[1:].strip() and not text[1].isspace() else text
    inner = body.strip(" ")
    if not inner:
        return "␣" * len(body)
    start = len(body) - len(body.lstrip(" "))
    drawn = "".join(_drawn(c) for c in inner)
    if all(unicodedata.category(c) in ("Cf", "Mn", "Me", "Co", "Cn", "Zl", "Zp") for c in drawn):
        drawn = "".join(f"[U+{ord(c):04X}]" for c in drawn)
    return "␣" * start + drawn + "␣" * (len(body) - start - len(inner))


def spelled(text: str) -> str:
    """Return the text of a token as `visible` draws it, with its leading space.

    Such texts can be joined to longer ones.
    """
    drawn = visible(text) if text else ""
    return f" {drawn}" if text.startswith(" ") and not drawn.startswith("␣") else drawn


def _drawn(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if unicodedata.category(character) in ("Cc", "Cs"):
        return f"[U+{ord(character):04X}]"
    return character


def is_content(text: str) -> bool:
    """Return whether a token looks like a word that could name something in a picture."""
    word = text.strip().casefold()
    return any(c.isalnum() for c in word) and word not in FUNCTION_WORDS
