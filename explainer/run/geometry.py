"""Where visual tokens lie in the picture, and how maps at several scales come onto one grid.

A scale factor is never used to multiply a size: encoders round to whole patches, so a map at 0.75
does not hold 0.75 times as many tokens. Every grid is placed by its rectangles in image pixels, and
one grid is read from another through those pixels.

A grid is treated as two independent axes. So resampling a stack of maps is two matrix products,
and padding, crops and odd sizes are all the same case: a token with a NaN rectangle saw nothing of
the picture and takes no part.

Methods work on the tokens of all images at once, as rows of cells. A `Layout` says which cell lies
where, and cuts rows into maps where neighbours count: resampling and filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.run.record import RunRecord
from explainer.run.schema import View

Floats = npt.NDArray[np.float64]
Maps = npt.NDArray[np.float32]
MOST_PIXELS = 1 << 17  # cells of one image at pixel size, as maps of all words are held at once

Extent = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Grid:
    """The part of a token grid that saw the picture.

    Attributes:
        rows: which rows of the view's grid belong to it, h of them.
        columns: which columns, w of them.
        y: (h + 1,) float64, increasing pixel edges between the rows.
        x: (w + 1,) float64, increasing pixel edges between the columns.
    """

    rows: slice
    columns: slice
    y: Floats
    x: Floats

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.y) - 1, len(self.x) - 1

    @property
    def extent(self) -> Extent:
        """Return (x0, y0, x1, y1) in pixels of the picture."""
        return float(self.x[0]), float(self.y[0]), float(self.x[-1]), float(self.y[-1])

    def divided(self, factor: int) -> Grid:
        """Return a grid of the same extent with each cell cut into `factor` x `factor`."""
        return Grid(self.rows, self.columns, _divide(self.y, factor), _divide(self.x, factor))

    def at_pixels(self) -> Grid:
        """Return a grid of the same extent with square cells of one pixel, or of more where there
        would be more than `MOST_PIXELS` of them."""
        x0, y0, x1, y1 = self.extent
        step = int(np.ceil(np.sqrt(max(1.0, (x1 - x0) * (y1 - y0) / MOST_PIXELS))))
        y, x = (
            np.linspace(low, high, max(1, round((high - low) / step)) + 1)
            for low, high in ((y0, y1), (x0, x1))
        )
        return Grid(self.rows, self.columns, y, x)


@dataclass(frozen=True, eq=False)
class Layout:
    """The grids of all images, one each: G cells, image after image, each grid row-major."""

    grids: tuple[Grid, ...]

    @classmethod
    def of(cls, run: RunRecord, alpha: float = 1.0) -> Layout:
        """Return the seen grids of the base views of a run at one scale."""
        scale = run.scale(alpha)
        bases = (scale.of_image(i)[0][0] for i in range(len(run.images)))
        return cls(tuple(map(seen_grid, bases)))

    def divided(self, factor: int) -> Layout:
        """Return the layout with each cell cut into `factor` x `factor`."""
        return Layout(tuple(grid.divided(factor) for grid in self.grids))

    def at_pixels(self) -> Layout:
        """Return the layout with cells of one pixel; of whole pixels, equally many each way, where
        there would be more than `MOST_PIXELS` cells to an image."""
        return Layout(tuple(grid.at_pixels() for grid in self.grids))

    def split(self, cells: Maps) -> list[Maps]:
        """Return the maps of each image, (M, h, w), from rows of cells (M, G)."""
        sizes = [h * w for h, w in (grid.shape for grid in self.grids)]
        parts = np.split(cells, np.cumsum(sizes)[:-1], axis=1)
        return [p.reshape(-1, *g.shape) for p, g in zip(parts, self.grids, strict=True)]

    def each(self, change: Callable[[Maps], Maps], cells: Maps) -> Maps:
        """Return (M, G): the cells after `change` of the maps (M, h, w) of each image."""
        return join([change(maps) for maps in self.split(cells)])


def join(maps: Sequence[Maps]) -> Maps:
    """Return rows of cells (M, G) from the maps (M, h, w) of each image."""
    rows = [m.reshape(len(m), m.shape[1] * m.shape[2]) for m in maps]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


def shares(extent: Extent, shape: Sequence[int]) -> Extent:
    """Return an extent in pixels as shares of the sides of a picture (H, W) or (H, W, 3)."""
    x0, y0, x1, y1 = extent
    height, width = shape[:2]
    return x0 / width, y0 / height, x1 / width, y1 / height


def seen_grid(view: View) -> Grid:
    """Return the part of the view's grid whose tokens saw the picture.

    Raises `RunError` when that part is empty, is not a rectangle of the grid, or when its cells do
    not line up in rows and columns without gaps (a layout of tiles must be put in order first).
    """
    rects = view.rects.reshape(*view.grid, 4).astype(np.float64)
    seen: npt.NDArray[np.bool_] = np.all(np.isfinite(rects), axis=-1)
    name = f"grid of {view.grid[0]} x {view.grid[1]} tokens on image {view.image}"
    if not seen.any():
        raise RunError(f"{name}: no visual token saw anything of the picture")
    rows, columns = _span(np.any(seen, axis=1)), _span(np.any(seen, axis=0))
    if not seen[rows, columns].all():
        raise RunError(f"{name}: the tokens that saw the picture form no rectangle")
    part = rects[rows, columns]
    y = np.append(part[:, 0, 1], part[-1, 0, 3])
    x = np.append(part[0, :, 0], part[0, -1, 2])
    placed = np.stack(np.broadcast_arrays(x[:-1], y[:-1, None], x[1:], y[1:, None]), axis=-1)
    tolerance = 1e-3 * max(x[-1] - x[0], y[-1] - y[0])
    rising = np.all(np.diff(y) > 0) and np.all(np.diff(x) > 0)
    if not rising or np.abs(placed - part).max() > tolerance:
        raise RunError(f"{name}: the rectangles of the tokens form no grid")
    return Grid(rows, columns, y, x)


def seen_maps(view: View, grid: Grid, values: Maps) -> Maps:
    """Return (M, h, w): the seen part of M maps given as (M, n) over all tokens of the view."""
    return values.reshape(-1, *view.grid)[:, grid.rows, grid.columns]


@dataclass(frozen=True, eq=False)
class Resampler:
    """Two weight matrices that take a stack of maps from one grid to another.

    Attributes:
        y: (h', h) float32, rows sum to 1.
        x: (w', w) float32, rows sum to 1.
    """

    y: npt.NDArray[np.float32]
    x: npt.NDArray[np.float32]

    @classmethod
    def between(cls, source: Grid, target: Grid, mode: str) -> Resampler:
        """Return the resampler for `mode`, one of `MODES`."""
        return cls(axis_weights(source.y, target.y, mode), axis_weights(source.x, target.x, mode))

    def __call__(self, maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return (M, h', w') float32 from (M, h, w)."""
        return np.matmul(self.y, np.matmul(maps, self.x.T))


def axis_weights(source: Floats, target: Floats, mode: str) -> npt.NDArray[np.float32]:
    """Return (m, n) float32 weights that read m target cells from n source cells; rows sum to 1.

    Both axes are given by their cell edges in pixels, (n + 1,) and (m + 1,). Values stand at cell
    centres. Where the target is finer the kernel interpolates; where it is coarser the kernel is
    widened to the target cell, so every source cell counts (no aliasing); "nearest" does neither.
    Past its ends the source goes on with its edge value.
    """
    n = len(source) - 1
    centres = (source[:-1] + source[1:]) / 2
    knots = np.concatenate([source[:1], centres, source[-1:]])
    index = np.concatenate([[-0.5], np.arange(n), [n - 0.5]])
    at = np.interp((target[:-1] + target[1:]) / 2, knots, index)  # source cells, centres whole
    if mode == "nearest":
        return np.eye(n, dtype=np.float32)[np.clip(np.floor(at + 0.5), 0, n - 1).astype(int)]
    width = np.maximum(1.0, np.diff(np.interp(target, source, np.arange(n + 1))))
    reach = int(np.ceil(2 * width.max()))
    cells = np.arange(-reach, n + reach)
    weights = _KERNELS[mode]((cells - at[:, None]) / width[:, None])
    weights = weights @ np.eye(n)[np.clip(cells, 0, n - 1)]  # cells past the edge repeat it
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _triangle(x: Floats) -> Floats:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(x: Floats) -> Floats:
    """Return Keys' cubic kernel with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


_KERNELS: Mapping[str, Callable[[Floats], Floats]] = {"bilinear": _triangle, "bicubic": _cubic}
MODES = (*_KERNELS, "nearest")


def _span(used: npt.NDArray[np.bool_]) -> slice:
    at = np.flatnonzero(used)
    return slice(int(at[0]), int(at[-1]) + 1)


def _divide(edges: Floats, factor: int) -> Floats:
    """Return the edges with `factor` cells in place of each."""
    steps = np.arange(len(edges[:-1]) * factor + 1) / factor
    return np.interp(steps, np.arange(len(edges)), edges)
