"""`Step`: one completed step of a recording; this module needs no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One completed step of a recording.

    Attributes:
        kind: "long" (the answer may become long), "layers" (further layers will be recorded),
            "read" (prefill of picture and prompt), "token" (an answer token was generated), "scale"
            (the picture was read at another scale), "evidence" (the answer was read again without
            the picture), "sources" (and without each of what it may rest on), "map" (a map of a
            comparison method was computed) or "reading" (one of the many forward passes of a map);
            "again" where a recorder on another machine begins anew, after which no earlier step
            counts.
        text: for "token", the newly decoded text, possibly ""; for "scale", the factor; for
            "long" and "layers", their approximate memory; for "evidence", the fills; for "map" and
            "reading", the text of the map's token.
        done: number of completed steps of this kind.
        total: largest possible number of them; an answer may end earlier.
    """

    kind: str
    text: str
    done: int
    total: int
