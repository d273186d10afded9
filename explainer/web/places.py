"""What the places of the picture say: the words that visual tokens predict, for the cross-hair.

This reads the logit lens the other way round: not where a word is, but which words are here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from explainer.run import Run
from explainer.run.geometry import Layout, seen_maps
from explainer.web import token_text
from explainer.web.messages import ImageWords, PlaceWords
from explainer.web.payload import placed


def place_words(run: Run) -> dict[str, Any]:
    """Return `PlaceWords` as JSON: texts once each, and their numbers for each image.

    There are (h * w * 5) numbers, the five words with the highest logits at each cell of the base
    grid, best first; none if the run holds no such words. `extent` and `frame` are those of
    `geometry.Placement`, in shares of the image.
    """
    if run.visual_topk is None:
        return PlaceWords(texts=[], images=[]).as_json()
    ids, numbers = np.unique(run.visual_topk, return_inverse=True)
    numbers = numbers.reshape(run.visual_topk.shape)  # (N, 5)
    return PlaceWords(
        texts=[token_text.visible(run.pieces[int(i)]) for i in ids],
        images=[_image(run, i, numbers) for i in range(len(run.images))],
    ).as_json()


def _image(run: Run, index: int, numbers: np.ndarray) -> ImageWords:
    view, place = run.scale(1.0).of_image(index)[0]
    grid = Layout.of(run).grids[index]
    words = seen_maps(view, grid, numbers[place].T)  # (5, h, w)
    return ImageWords(
        shape=list(words.shape[1:]),
        **placed(grid.placement, run.images[index]),
        words=words.transpose(1, 2, 0).ravel().astype(np.int64).tolist(),
    )
