"""The interface of a data set: numbered samples of a picture, a prompt, and masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from explainer.errors import SightlineError
from explainer.evaluation.iou import Truth
from explainer.evaluation.words import Categories, singular


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture with its prompt and masks.

    Attributes:
        key: permanent name of the sample in its data set.
        image: a file, or (H, W, 3) uint8.
        prompt: the prompt.
        categories: names of things by label, above 0.
        truth: reads the masks; raises `SightlineError` with the file if they are damaged or do
            not fit the picture.
    """

    key: str
    image: Path | npt.NDArray[np.uint8]
    prompt: str
    categories: Categories
    truth: Callable[[], Truth]


class Dataset(ABC):
    """Samples by number, 0 to `len` - 1.

    Attributes:
        name: its name for `--dataset`.
        nouns: words that name things besides the categories, in the singular.
        made_with: JSON values that determine its masks, besides its files.
    """

    name: str
    nouns: frozenset[str] = frozenset()
    made_with: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def key(self, number: int) -> str:
        """Return the key of a sample, without opening anything."""

    @abstractmethod
    def sample(self, number: int) -> Sample:
        """Return a sample; its files are opened when needed."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the names of all categories."""

    def known_nouns(self) -> frozenset[str]:
        """Return `nouns` and the nouns in the category names, in the singular.

        Of names of more than two words, only the last word counts.
        """
        found = set(self.nouns)
        for name in self.names():
            words = name.lower().replace("-", " ").split()
            taken = words if len(words) <= 2 else words[-1:]
            found |= {singular(word) for word in taken} - _NO_NOUNS
        return frozenset(found)


_NO_NOUNS = {"hot", "potted", "a", "an", "the", "of", "in", "on"}


def require_file(file: Path) -> Path:
    """Return the file; raise `SightlineError` if it is missing."""
    if not file.is_file():
        raise SightlineError(f"there is no {file}; the data set is not complete")
    return file
