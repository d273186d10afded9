"""Cut pictures into regions, and show only some of them.

Regions are superpixels, which follow the edges of the picture, or equal blocks of whole cells of
the map, see `PARTS`; or any others, such as drawn by hand, see `Tiling.from_labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.media.fills import FILLS, Pixels, covered
from explainer.methods.base import Heatmap, MapPart
from explainer.probing.regions import at_pixels, check_pictures
from explainer.probing.superpixels import superpixels
from explainer.run import Run
from explainer.run.geometry import Grid, Layout

Numbers = npt.NDArray[np.intp]

PARTS = ("superpixels", "cells")
_UNSEEN = -1


@dataclass(frozen=True, eq=False)
class Tiling:
    """n regions of the pictures of a run, numbered picture after picture.

    What a model did not see of a picture belongs to no region and is never hidden.

    Attributes:
        labels: for each picture (H, W), the number of the region that each pixel belongs to, -1
            where it belongs to none.
        fill: what is put in the place of hidden regions, a name in `FILLS`.
    """

    run: Run
    labels: tuple[Numbers, ...]
    fill: str

    @classmethod
    def of(cls, run: Run, regions: int, fill: str = "black", parts: str = "superpixels") -> Tiling:
        """Return about so many regions, superpixels or blocks of cells.

        Each picture is cut into as many as its share of all cells asks for, at least 1. Raises
        `RunError` for a run about a video, or for parts that are not in `PARTS`.
        """
        check_pictures(run)
        if parts not in PARTS:
            raise RunError(f"parts are one of {', '.join(PARTS)}, got {parts!r}")
        cut = _cells if parts == "cells" else _superpixels
        grids = Layout.of(run).grids
        sizes = [rows * columns for rows, columns in (grid.shape for grid in grids)]
        labels = [
            cut(grid, image, regions * size / sum(sizes))
            for grid, image, size in zip(grids, run.images, sizes, strict=True)
        ]
        return cls(run, _numbered(labels), fill)

    @classmethod
    def from_labels(cls, run: Run, labels: Sequence[Numbers], fill: str = "black") -> Tiling:
        """Return the regions of given pixels, for instance parts drawn by hand.

        Args:
            labels: for each picture (H, W) integers, one number for the pixels of a region; below
                0 for what is never hidden. What the model did not see is left out.

        Raises `RunError` for a run about a video, or for labels of other sizes than the pictures.
        """
        check_pictures(run)
        given = [np.asarray(label) for label in labels]
        shapes = [image.shape[:2] for image in run.images]
        if [label.shape for label in given] != shapes:
            raise RunError(f"labels must have the sizes of the pictures, {shapes}")
        if not all(np.issubdtype(label.dtype, np.integer) for label in given):
            raise RunError("labels must be whole numbers, one for the pixels of each region")
        seen = [
            np.where(at_pixels(np.ones(g.shape, bool), g.placement, s, False), label, _UNSEEN)
            for g, s, label in zip(Layout.of(run).grids, shapes, given, strict=True)
        ]
        if not any((label >= 0).any() for label in seen):
            raise RunError("there is no region that the model saw; label some pixels from 0 on")
        return cls(run, _numbered(seen), fill)

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """Return (n,): how many pixels each region holds."""
        numbers = np.concatenate([label.ravel() for label in self.labels])
        return np.bincount(numbers[numbers >= 0]).astype(float)

    def __len__(self) -> int:
        return len(self.sizes)

    def pictures(self, shown: npt.NDArray[np.bool_]) -> tuple[Pixels, ...]:
        """Return the pictures with only some regions shown: (n,) bool."""
        hidden = np.append(~shown, False)  # what belongs to no region is the last
        return tuple(
            covered(image, hidden[numbers], blank)
            for image, numbers, blank in zip(
                self.run.images, self.labels, self._blanks, strict=True
            )
        )

    def spread(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return (N,): for each visual token of scale 1 the mean of values (n,) over its pixels.

        Each pixel has the value of its region. 0 where the token saw nothing, or is no map cell.
        """
        return (self.shares @ values).astype(np.float32)

    def heatmap(self, values: npt.NDArray[np.float64]) -> Heatmap:
        """Return the map of values (n,) in [0, 1] over the cells of each picture, see `spread`."""
        scale, spread = self.run.scales[0], self.spread(values)
        parts = []
        for i, grid in enumerate(Layout.of(self.run).grids):
            view, place = scale.of_image(i)[0]
            cells = spread[place].reshape(view.grid)[grid.rows, grid.columns]
            parts.append(MapPart(cells, grid.placement))
        return Heatmap(tuple(parts), False, "1.0 = a word that the picture makes 0.67 likelier")

    @cached_property
    def owners(self) -> Numbers:
        """Return (N,): the region at the centre of each visual token of scale 1, in all views.

        -1 where the token saw nothing, or lies in none.
        """
        scale = self.run.scales[0]
        out = np.full(len(scale.states), _UNSEEN, np.intp)
        for i, labels in enumerate(self.labels):
            for view, place in scale.of_image(i):
                seen = np.isfinite(view.rects).all(axis=1)
                x, y = ((view.rects[seen, a] + view.rects[seen, a + 2]) / 2 for a in (0, 1))
                row = y.astype(int).clip(0, labels.shape[0] - 1)
                column = x.astype(int).clip(0, labels.shape[1] - 1)
                found = np.full(len(view), _UNSEEN, np.intp)
                found[seen] = labels[row, column]
                out[place] = found
        return out

    @cached_property
    def shares(self) -> npt.NDArray[np.float64]:
        """Return (N, n): which share of the pixels of each visual token belongs to each region.

        The tokens are those of scale 1; rows are zeros for tokens that saw nothing. A cell without
        a pixel of its own has the one at its centre.
        """
        scale = self.run.scales[0]
        out = np.zeros((len(scale.states), len(self)))
        for i, (labels, grid) in enumerate(
            zip(self.labels, Layout.of(self.run).grids, strict=True)
        ):
            view, place = scale.of_image(i)[0]
            whole = np.zeros((*view.grid, len(self)))
            whole[grid.rows, grid.columns] = _held(labels, grid, len(self))
            out[place] = whole.reshape(-1, len(self))
        return out

    @cached_property
    def _blanks(self) -> list[Pixels]:
        return [FILLS[self.fill](image) for image in self.run.images]


def _held(labels: Numbers, grid: Grid, regions: int) -> npt.NDArray[np.float64]:
    """Return (h, w, n): which share of the pixels of each cell belongs to each region."""
    rows, columns = grid.shape
    cells = at_pixels(
        np.arange(rows * columns).reshape(rows, columns), grid.placement, labels.shape, _UNSEEN
    )
    used = (cells >= 0) & (labels >= 0)
    flat = cells[used] * regions + labels[used]
    counts = np.bincount(flat, minlength=rows * columns * regions).astype(float)
    counts = counts.reshape(rows * columns, regions)
    empty = np.flatnonzero(np.bincount(cells[cells >= 0], minlength=rows * columns) == 0)
    y, x = (
        ((edges[:-1] + edges[1:]) / 2).astype(int).clip(0, side - 1)
        for edges, side in zip((grid.y, grid.x), labels.shape, strict=True)
    )
    near = labels[np.ix_(y, x)].ravel()[empty]
    counts[empty[near >= 0], near[near >= 0]] = 1
    total = counts.sum(axis=1, keepdims=True)
    return (counts / np.maximum(total, 1)).reshape(rows, columns, regions)


def _numbered(labels: Sequence[Numbers]) -> tuple[Numbers, ...]:
    """Return labels with the regions of all pictures numbered from 0, without gaps."""
    out, first = [], 0
    for label in labels:
        known = np.unique(label[label >= 0])
        out.append(np.where(label < 0, _UNSEEN, np.searchsorted(known, label) + first))
        first += len(known)
    return tuple(out)


def _superpixels(grid: Grid, image: Pixels, regions: float) -> Numbers:
    """Return (H, W) numbers of about so many superpixels of what the model saw of a picture."""
    height, width = image.shape[:2]
    labels = np.full((height, width), _UNSEEN, np.intp)
    x0, y0, x1, y1 = grid.placement.pixels((height, width))
    labels[y0:y1, x0:x1] = superpixels(image[y0:y1, x0:x1], max(1, round(regions)))
    return labels


def _cells(grid: Grid, image: Pixels, regions: float) -> Numbers:
    """Return (H, W) numbers of about so many blocks of whole cells, as square as can be."""
    return at_pixels(_cut(grid, regions), grid.placement, image.shape[:2], _UNSEEN)


def _cut(grid: Grid, regions: float) -> Numbers:
    """Return (h, w) numbers from 0 of about so many blocks of cells, as square as can be.

    Cells at the border count for what they hold of the picture.
    """
    x0, y0, x1, y1 = grid.extent
    held_y, held_x = grid.held
    most_y, most_x = (max(1, int(held.sum() + 1e-6)) for held in (held_y, held_x))
    rows = int(np.clip(round(np.sqrt(regions * (y1 - y0) / (x1 - x0))), 1, most_y))
    columns = int(np.clip(round(regions / rows), 1, most_x))
    row, column = _parts(held_y, rows), _parts(held_x, columns)
    return row[:, None] * columns + column


def _parts(held: npt.NDArray[np.float64], parts: int) -> Numbers:
    """Return (n,): which of so many equal parts each cell of an axis falls into."""
    ends = np.append(0.0, np.cumsum(held))
    cuts = np.interp(np.linspace(0, ends[-1], parts + 1), ends, np.arange(len(ends)))
    return np.digitize(np.arange(len(held)), cuts.round()[1:-1])
