"""What the page says of its model, in the words of the model's own card."""

from __future__ import annotations

import re
from pathlib import Path

LONGEST = 240
BUNDLED = (
    "It is tiny: it knows 40-odd things drawn as emoji, and nothing else. "
    "For photographs load Qwen2-VL."
)


def describe(model: str | Path, bundled: bool) -> str:
    """Return a sentence or two on a model: its name and what its card says, or what is known here.

    Args:
        model: folder or hub id that was loaded.
        bundled: whether it is the model that comes with the repository.
    """
    card = Path(model) / "README.md"
    text = first_prose(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else ""
    name = Path(model).resolve().name if card.parent.is_dir() else str(model)
    return f"Model {name}. {text or (BUNDLED if bundled else '')}".strip()


def first_prose(markdown: str) -> str:
    """Return the first paragraph that is neither front matter, heading, list, table nor code.

    If its author put something in bold, it starts there: that is what has to be said.
    """
    body = re.sub(r"\A---\n.*?\n---\n", "", markdown.replace("\r\n", "\n"), flags=re.S)
    body = re.sub(r"```.*?```", "", body, flags=re.S)
    for block in re.split(r"\n\s*\n", body):
        lines = [line.strip() for line in block.strip().splitlines()]
        if lines and lines[0] and not re.match(r"[#|>*+<!\[-]|\d+\.\s", lines[0]):
            text = " ".join(lines)
            return _cut(_plain(text[max(0, text.find("**")) :]))
    return ""


def _plain(text: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[*_`]{1,3}(\S(?:.*?\S)?)[*_`]{1,3}", r"\1", text)


def _cut(text: str) -> str:
    """Return whole sentences of the text up to `LONGEST` characters."""
    if len(text) <= LONGEST:
        return text
    end = text.rfind(". ", 0, LONGEST)
    return text[: end + 1] if end > 0 else text[: LONGEST - 1].rstrip() + "…"
