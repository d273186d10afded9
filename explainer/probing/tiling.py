"""Cut pictures into equal regions along the cells of a map, and show only some of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainer.media.fills import FILLS, Pixels, covered
from explainer.probing.regions import at_pixels, check_pictures
from explainer.run import Run
from explainer.run.geometry import Grid, Layout

Numbers = npt.NDArray[np.intp]

_UNSEEN = -1


@dataclass(frozen=True, eq=False)
class Tiling:
    """n regions of the pictures of a run, numbered picture after picture, row after row.

    What a model did not see of a picture belongs to no region and is never hidden.

    Attributes:
        cells: for each picture (h, w), the number of the region that each cell belongs to.
        fill: what is put in the place of hidden regions, a name in `FILLS`.
    """

    run: Run
    cells: tuple[Numbers, ...]
    fill: str

    @classmethod
    def of(cls, run: Run, regions: int, fill: str = "black") -> Tiling:
        """Return about so many regions of whole cells, as square as these allow.

        Each picture is cut into as many as its share of all cells asks for, at least 1. Raises
        `RunError` for a run about a video.
        """
        check_pictures(run)
        grids = Layout.of(run).grids
        sizes = [rows * columns for rows, columns in (grid.shape for grid in grids)]
        cells: list[Numbers] = []
        for grid, size in zip(grids, sizes, strict=True):
            first = int(cells[-1].max()) + 1 if cells else 0
            cells.append(first + _cut(grid, regions * size / sum(sizes)))
        return cls(run, tuple(cells), fill)

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """Return (n,): how much of the pictures each region holds, in whole cells."""
        grids = Layout.of(self.run).grids
        return np.bincount(
            np.concatenate([cells.ravel() for cells in self.cells]),
            np.concatenate([np.outer(*grid.held).ravel() for grid in grids]),
        ).astype(float)

    def __len__(self) -> int:
        return len(self.sizes)

    def pictures(self, shown: npt.NDArray[np.bool_]) -> tuple[Pixels, ...]:
        """Return the pictures with only some regions shown: (n,) bool."""
        hidden = np.append(~shown, False)  # what belongs to no region is the last
        return tuple(
            covered(image, hidden[numbers], blank)
            for image, numbers, blank in zip(self.run.images, *self._at_pixels, strict=True)
        )

    def spread(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return (N,) over the visual tokens of scale 1: the value (n,) of the region of each.

        0 where the token saw nothing, or is no cell of the maps.
        """
        scale = self.run.scales[0]
        out = np.zeros(len(scale.states), np.float32)
        for i, (cells, grid) in enumerate(zip(self.cells, Layout.of(self.run).grids, strict=True)):
            view, place = scale.of_image(i)[0]
            whole = np.zeros(view.grid, np.float32)
            whole[grid.rows, grid.columns] = values[cells]
            out[place] = whole.ravel()
        return out

    @cached_property
    def _at_pixels(self) -> tuple[list[Numbers], list[Pixels]]:
        """Return for each picture (H, W) numbers of regions, and what is put in their place."""
        numbers = [
            at_pixels(cells, grid.placement, image.shape[:2], _UNSEEN)
            for cells, grid, image in zip(
                self.cells, Layout.of(self.run).grids, self.run.images, strict=True
            )
        ]
        return numbers, [FILLS[self.fill](image) for image in self.run.images]


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
