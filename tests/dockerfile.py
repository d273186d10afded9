"""Reading the Dockerfile, for tests and for `tests.docker_steps`, where there is no Docker."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Step(NamedTuple):
    """One instruction: its word in capitals, and the rest of it on one line."""

    word: str
    rest: str


def steps(file: Path = ROOT / "Dockerfile") -> list[Step]:
    """Return the instructions of a Dockerfile in order."""
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [Step(word.upper(), rest.strip()) for word, rest in split]


def environment(found: list[Step]) -> dict[str, str]:
    """Return the variables that ENV sets, as they are written."""
    words = [word for s in found if s.word == "ENV" for word in shlex.split(s.rest)]
    return dict(word.split("=", 1) for word in words)


def copied(step: Step) -> tuple[list[str], str]:
    """Return the sources and the destination of a COPY."""
    *sources, target = [word for word in step.rest.split() if not word.startswith("--")]
    return sources, target
