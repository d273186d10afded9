"""Regions of a picture that are hidden from a model, to measure what it would say without them.

A region is made of the cells of a map. So as many other cells can be drawn as a control: that a
word suffers when a place is hidden says something about that place only if it does not suffer as
much when as much is hidden elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import ImageError, RunError
from explainer.media.fills import FILLS, Pixels, covered
from explainer.methods.base import Heatmap
from explainer.methods.otsu import FAINT, stands_out
from explainer.run import Run
from explainer.run.geometry import Extent, Layout, Placement

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Region:
    """Some cells of one picture.

    What a model did not see of the picture belongs to no region, nor to what lies around it.

    Attributes:
        image: index into `Run.images`.
        cells: (h, w) bool, those that belong to it.
        placement: where all cells lie in the picture, in pixels.
    """

    image: int
    cells: Mask
    placement: Placement

    @property
    def share(self) -> float:
        """Return which part of what the model saw of the picture belongs to it, 0 to 1."""
        return float(self._areas[self.cells].sum())

    @property
    def _areas(self) -> npt.NDArray[np.float64]:
        return self.placement.areas(self.cells.shape)

    def around(self) -> Region:
        """Return all the other cells."""
        return replace(self, cells=~self.cells)

    def elsewhere(self, seed: int = 0) -> Region | None:
        """Sample a control region of equal size, or None if too few cells remain."""
        areas = self._areas.ravel()
        free = np.random.default_rng(seed).permutation(np.flatnonzero(~self.cells))
        held = np.append(0.0, np.cumsum(areas[free]))
        if held[-1] < self.share - areas.max() / 2:
            return None
        drawn = np.zeros(self.cells.size, bool)
        drawn[free[: np.abs(held - self.share).argmin()]] = True
        return replace(self, cells=drawn.reshape(self.cells.shape))

    def mask(self, height: int, width: int) -> Mask:
        """Return (H, W) bool: the pixels whose centres lie in its cells."""
        return at_pixels(self.cells, self.placement, (height, width), False)


def at_pixels(
    cells: npt.NDArray[Any], placement: Placement, shape: tuple[int, int], outside: Any
) -> npt.NDArray[Any]:
    """Return (H, W): the value of the cell (h, w) in which the centre of each pixel lies.

    It is `outside` where the model did not see the picture.
    """
    found = []
    for axis, pixels, count in zip((1, 0), shape, cells.shape, strict=True):
        at, seen = placement.cell_of(np.arange(pixels) + 0.5, axis, count)
        found.append((np.flatnonzero(seen), np.floor(at[seen]).clip(0, count - 1).astype(int)))
    (y, row), (x, column) = found
    out = np.full(shape, outside, cells.dtype)
    out[np.ix_(y, x)] = cells[np.ix_(row, column)]
    return out


def shown_by(heatmap: Heatmap, image: int = 0) -> Region:
    """Return what a map points at in a picture: the cells above Otsu's threshold.

    The page's outline is drawn around the same cells; of a signed map only what is above 0 counts.
    Raises `RunError` where nothing stands out, see `otsu.is_faint`.
    """
    part = heatmap.parts[image]
    cells = stands_out(part.values)
    if not cells.any():
        raise RunError(
            f"nothing stands out in this map: its peak is below {FAINT:g} of full strength; choose "
            "another map or word"
        )
    return Region(image, cells, part.placement)


def within_box(run: Run, box: Extent, image: int = 0) -> Region:
    """Return the cells of the base grid whose centres lie in a box (x0, y0, x1, y1), in pixels.

    Raises `RunError` if there are none.
    """
    grid = Layout.of(run).grids[image]
    x, y = ((edges[:-1] + edges[1:]) / 2 for edges in (grid.x, grid.y))
    x0, y0, x1, y1 = box
    cells = np.outer((y >= y0) & (y <= y1), (x >= x0) & (x <= x1))
    if not cells.any():
        raise RunError("the rectangle holds no cell that the model saw; draw a larger one")
    return Region(image, cells, grid.placement)


def hidden(run: Run, region: Region, fill: str = "mean") -> tuple[Pixels, ...]:
    """Cover a region in the pictures of a run and return them; `fills.FILLS` lists the fills.

    Raises:
        RunError: the run is about a video, or the region lies in none of its pictures.
        ImageError: there is no such fill.
    """
    check_pictures(run)
    if fill not in FILLS:
        raise ImageError(f"a fill is one of {', '.join(FILLS)}, got {fill!r}")
    if not 0 <= region.image < len(run.images):
        raise RunError(f"picture {region.image} is outside 0..{len(run.images) - 1}")
    images = list(run.images)
    whole = images[region.image]
    images[region.image] = covered(whole, region.mask(*whole.shape[:2]), FILLS[fill](whole))
    return tuple(images)


def check_pictures(run: Run) -> None:
    """Raise `RunError` for a run about a video, of which no part can be hidden."""
    if run.video is not None:
        raise RunError(
            "hiding a part needs a picture, and this answer is about a video; ask about one of its "
            "frames as a picture"
        )


# What to hide, and as a control as much of the rest ----------------------------------------------


def _without(place: Region) -> tuple[Region, ...]:
    other = place.elsewhere()
    return (place,) if other is None else (place, other)


def _only(place: Region) -> tuple[Region, ...]:
    return tuple(kept.around() for kept in _without(place))


HOW: Mapping[str, Callable[[Region], tuple[Region, ...]]] = MappingProxyType(
    {"hide": _without, "keep": _only}
)
