"""Read and check the values of annotation files; errors name the file and the entry.

Such JSON may hold null for a number, numbers as text, NaN, and numbers of any size. None of these
reaches numpy, Pillow or pycocotools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explainer.errors import SightlineError
from explainer.media.images.limits import MAX_PIXELS

MOST_BYTES = 2 << 30  # of an annotation file; COCO's largest has 0.5 GB
LARGEST_ID = 1 << 63
LONGEST_NAME = 4096  # characters


def read_json(file: Path) -> Any:
    """Return what a JSON file holds, in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    `SightlineError` if it is missing, too large or damaged.
    """
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise SightlineError(f"{file} has {size >> 20} MB; {MOST_BYTES >> 20} is the most")
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        raise SightlineError(f"there is no {file}; the data set is not complete") from None
    except OSError as error:
        raise SightlineError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, SightlineError):
            raise
        raise SightlineError(f"{file} is not a JSON file, or is damaged") from None


@dataclass(frozen=True)
class AnnotationEntry:
    """One entry of a list in an annotation file.

    Attributes:
        where: names the file, the list and the number of the entry, for messages.
        values: what the entry holds.
    """

    where: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, where: str) -> AnnotationEntry:
        """Return the entry; `SightlineError` if it is no JSON object."""
        if not isinstance(value, Mapping):
            raise SightlineError(f"{where} is {shown(value)}, not a {{...}} with names")
        return cls(where, value)

    def get(self, key: str) -> Any:
        """Return a value that must be there and not null."""
        if self.values.get(key) is None:
            state = "is null" if key in self.values else "is missing"
            raise SightlineError(f"{self.where}: {key} {state}")
        return self.values[key]

    def whole(self, key: str, low: int = 0, high: int = LARGEST_ID) -> int:
        """Return a whole number from `low` to `high`."""
        return whole(self.get(key), low, high, f"{self.where}: {key}")

    def text(self, key: str) -> str:
        """Return a text that is not empty."""
        value = self.get(key)
        if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
            raise SightlineError(f"{self.where}: {key} is {shown(value)}, not a name")
        return value

    def shape(self) -> tuple[int, int]:
        """Return (height, width) from the keys of these names."""
        height, width = self.whole("height", 1, MAX_PIXELS), self.whole("width", 1, MAX_PIXELS)
        if height * width > MAX_PIXELS:
            raise SightlineError(
                f"{self.where}: {width} x {height} pixels are more than {MAX_PIXELS // 1_000_000} "
                "million, the most that is read"
            )
        return height, width


def entries(values: Any, part: str, file: Path) -> list[AnnotationEntry]:
    """Return one of the lists of an annotation file; raise `SightlineError` if it is missing."""
    items = values.get(part) if isinstance(values, Mapping) else None
    if isinstance(items, Mapping):  # by their ids, as some tools write them
        items = list(items.values())
    if not isinstance(items, list):
        raise SightlineError(f"{file} holds no list of {part}; is it in COCO's format?")
    return [
        AnnotationEntry.of(value, f"{file}: entry {i} of {part}") for i, value in enumerate(items)
    ]


def whole(value: Any, low: int, high: int, what: str) -> int:
    """Return a number of a file as an integer; `what` names it in the `SightlineError`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole and not (isinstance(value, float) and value.is_integer()):
        raise SightlineError(f"{what} is {shown(value)}, not a whole number")
    if not low <= value <= high:
        raise SightlineError(f"{what} is {shown(value)}; it should lie in {low}..{high}")
    return int(value)


def shown(value: Any) -> str:
    """Format a value of a file as JSON, of at most 60 characters."""
    if isinstance(value, (list, tuple)):  # of a long list only the start is written
        value = list(value[:20])
    if isinstance(value, int) and abs(value) >= LARGEST_ID:  # an integer with too many digits
        return "a number of 20 digits or more"
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
