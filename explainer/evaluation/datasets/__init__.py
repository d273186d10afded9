"""Data sets of pictures with masks, for `python -m explainer evaluate --methods`.

A new data set is one file with a subclass of `Dataset` and one line in `open_dataset`.
"""

from __future__ import annotations

from pathlib import Path

from explainer.errors import SightlineError
from explainer.evaluation.datasets.base import Dataset, Sample

__all__ = ["DATASETS", "Dataset", "Sample", "open_dataset"]

DATASETS = ("emoji", "coco", "grandf", "openpsg")


def open_dataset(
    name: str, root: Path | None, mode: str = "clean", first_seed: int = 0, prompt: str = ""
) -> Dataset:
    """Open a data set, one of `DATASETS`.

    Args:
        root: its folder; the emoji world is generated and needs none.
        mode: "tam" uses the category names of TAM's evaluation.
        first_seed: first scene of the emoji world.
        prompt: replaces the data set's own prompt.

    Raises:
        SightlineError: the folder or a file in it is missing; or the files do not fit together.
    """
    if name == "emoji":
        from explainer.evaluation.datasets.emoji import EmojiScenes

        return EmojiScenes(first_seed, prompt)
    if name not in DATASETS:
        raise SightlineError(f"there is no data set {name!r}; choose one of {', '.join(DATASETS)}")
    if root is None or not root.is_dir():
        problem = f"{root} is no folder" if root else f"--dataset {name} lies in a folder of yours"
        raise SightlineError(f"{problem}; say which with --root")
    if name == "coco":
        from explainer.evaluation.datasets.coco import Coco

        return Coco(root, mode, prompt)
    from explainer.evaluation.datasets.grounded import Grounded

    return Grounded(name, root, prompt)
