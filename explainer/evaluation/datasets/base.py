"""What a data set is: samples by number, each a picture, a prompt, and where its things are."""

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
    """One picture to ask about.

    Attributes:
        key: names the sample in its data set for good.
        image: a file, or (H, W, 3) uint8.
        prompt: what to ask.
        categories: what can be named: labels above 0, and names.
        truth: reads the masks; `SightlineError` naming the file if they are damaged or do not fit
            the picture.
    """

    key: str
    image: Path | npt.NDArray[np.uint8]
    prompt: str
    categories: Categories
    truth: Callable[[], Truth]


class Dataset(ABC):
    """Samples by number, 0 to `len` - 1.

    Attributes:
        name: what `--dataset` calls it.
        nouns: words that name things besides the categories, in the singular.
        made_with: JSON values that decide its masks, besides its files.
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
        """Return a sample; its files are opened when they are needed."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """Return the names of all categories."""

    def known_nouns(self) -> frozenset[str]:
        """Return `nouns` and the nouns in the names of the categories, in the singular.

        In names of more than two words, only the last is taken for one.
        """
        found = set(self.nouns)
        for name in self.names():
            words = name.lower().replace("-", " ").split()
            taken = words if len(words) <= 2 else words[-1:]
            found |= {singular(word) for word in taken} - _NO_NOUNS
        return frozenset(found)


_NO_NOUNS = {"hot", "potted", "a", "an", "the", "of", "in", "on"}


def there(file: Path) -> Path:
    """Return the file; `SightlineError` if it is missing."""
    if not file.is_file():
        raise SightlineError(f"there is no {file}; the data set is not complete")
    return file
