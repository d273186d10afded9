"""Place visual tokens in the picture, and resample maps between grids.

Sizes are never multiplied by a scale factor: encoders round to whole patches, so a map at scale
0.75 does not have 0.75 times as many tokens. Every grid is placed by the rectangles of its tokens
in image pixels, and grids are resampled in those coordinates.

The two axes of a grid are independent. Resampling a stack of maps is therefore two matrix products,
and padding, crops and odd sizes need no special cases: a token with a NaN rectangle saw nothing of
the picture and is left out.

All cells of a grid have the same size, but the picture may begin or end within one: a row of tokens
27 pixels high can hold a single row of pixels, and padding otherwise. Values belong to the centres
of whole cells; a `Placement` holds where whole cells lie and which part of them holds picture.

Methods process the tokens of all images at once, as rows of cells. A `Layout` maps cells to
positions, and splits rows into maps where neighbours matter: for resampling and filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from explainer.errors import RunError
from explainer.run.record import RunRecord
from explainer.run.schema import View

Floats = npt.NDArray[np.float64]
Maps = npt.NDArray[np.float32]
MOST_PIXELS = 1 << 17  # per image, because the maps of all words are in memory at once

Extent = tuple[float, float, float, float]

# A cell of which less than this share of a side holds picture counts as padding: so thin a strip
# has no pixel of its own, and its edges could fall together in float32.
SLIVER = 0.01
_EVEN = 1e-3  # sizes of cells that differ by less than this share are the same


@dataclass(frozen=True, eq=False)
class Grid:
    """The part of a token grid that covers the picture.

    Attributes:
        rows: which rows of the view's grid belong to it, h of them.
        columns: which columns, w of them.
        y: (h + 1,) float64, increasing edges of the rows in pixels, clipped to the picture.
        x: (w + 1,) float64, increasing edges of the columns, likewise.
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
        return _box(self.y, self.x)

    @property
    def placement(self) -> Placement:
        """Return where the cells of a map on this grid lie, in pixels of the picture."""
        return Placement(self.extent, _box(whole_edges(self.y), whole_edges(self.x)))

    @property
    def held(self) -> tuple[Floats, Floats]:
        """Return (h,) and (w,): the share of each row and column that holds picture.

        It is 1 except at the border.
        """
        y, x = (np.diff(edges) / np.diff(whole_edges(edges)) for edges in (self.y, self.x))
        return y, x

    def divided(self, factor: int) -> Grid:
        """Return a grid of the same extent with each whole cell cut into `factor` x `factor`.

        Pieces of border cells that hold no picture are left out.
        """
        if factor == 1:
            return self
        return Grid(self.rows, self.columns, _divide(self.y, factor), _divide(self.x, factor))

    def at_pixels(self) -> Grid:
        """Return a grid of the same extent with square cells of one pixel.

        Cells are larger where there would be more than `MOST_PIXELS` of them.
        """
        x0, y0, x1, y1 = self.extent
        step = int(np.ceil(np.sqrt(max(1.0, (x1 - x0) * (y1 - y0) / MOST_PIXELS))))
        y, x = (
            np.linspace(low, high, max(1, round((high - low) / step)) + 1)
            for low, high in ((y0, y1), (x0, x1))
        )
        return Grid(self.rows, self.columns, y, x)


@dataclass(frozen=True)
class Placement:
    """Where the cells of a map (h, w) lie in its picture.

    Attributes:
        extent: (x0, y0, x1, y1), the part of the picture that the cells hold, in pixels.
        frame: (x0, y0, x1, y1), the rectangle that h x w whole cells of equal size fill. It sticks
            out of `extent` where the cells at the border hold padding too.
    """

    extent: Extent
    frame: Extent

    @classmethod
    def even(cls, extent: Extent) -> Placement:
        """Return the placement of cells that divide an extent evenly."""
        return cls(extent, extent)

    def shares(self, shape: Sequence[int]) -> Placement:
        """Return it in shares of the sides of a picture (H, W) or (H, W, 3)."""
        return Placement(shares(self.extent, shape), shares(self.frame, shape))

    def sized(self, shape: tuple[int, int]) -> Placement:
        """Convert from shares of the sides to pixels of a picture (H, W)."""
        height, width = shape
        (a, b, c, d), (e, f, g, h) = self.extent, self.frame
        extent = a * width, b * height, c * width, d * height
        return Placement(extent, (e * width, f * height, g * width, h * height))

    def edges(self, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return y (h + 1,) and x (w + 1,): the edges of h x w cells, clipped to the extent."""
        y, x = (self._edges(axis, cells) for axis, cells in ((1, shape[0]), (0, shape[1])))
        return y, x

    def _edges(self, axis: int, cells: int) -> Floats:
        low, high = self.extent[axis], self.extent[axis + 2]
        edges = np.linspace(self.frame[axis], self.frame[axis + 2], cells + 1).clip(low, high)
        edges[0], edges[-1] = low, high
        return edges

    def areas(self, shape: tuple[int, int]) -> Floats:
        """Return (h, w): the share of the extent that lies in each of h x w cells; sums to 1."""
        y, x = (np.diff(edges) / (edges[-1] - edges[0]) for edges in self.edges(shape))
        return np.outer(y, x)

    def cell_of(
        self, points: npt.NDArray[np.floating[Any]], axis: int, cells: int
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Convert points to cell coordinates, and tell which lie within the extent.

        Cell coordinates count whole cells from the edge of the first one.

        Args:
            points: (n,) in pixels of the picture.
            axis: 0 for x, 1 for y.
            cells: number of cells along the axis.
        """
        start, stop = self.frame[axis], self.frame[axis + 2]
        seen = (points >= self.extent[axis]) & (points < self.extent[axis + 2])
        at = np.asarray((points - start) / (stop - start) * cells, np.float64)
        return at, seen

    def interpolate(
        self, points: npt.NDArray[np.floating[Any]], axis: int, cells: int
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return bilinear weights (n, cells) at points, and which points lie within the extent.

        Values belong to the centres of cells. Arguments as for `cell_of`.
        """
        at, seen = self.cell_of(points, axis, cells)
        at = np.clip(at - 0.5, 0, cells - 1)
        return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells))), seen

    def pixels(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return (x0, y0, x1, y1): the whole pixels of a picture in the extent, at least one."""
        (height, width), (x0, y0, x1, y1) = shape, map(round, self.extent)
        x0, y0 = min(max(0, x0), width - 1), min(max(0, y0), height - 1)
        return x0, y0, min(max(x1, x0 + 1), width), min(max(y1, y0 + 1), height)

    def within(self, window: Extent, shape: tuple[int, int]) -> Extent:
        """Convert a window of the picture in pixels to cell coordinates, 0 to w and 0 to h.

        Parts outside of the cells are cut off.
        """
        (h, w), (x0, y0, x1, y1) = shape, self.frame
        x = np.clip((np.array(window[::2]) - x0) / (x1 - x0) * w, 0, w)
        y = np.clip((np.array(window[1::2]) - y0) / (y1 - y0) * h, 0, h)
        return float(x[0]), float(y[0]), float(x[1]), float(y[1])


@dataclass(frozen=True, eq=False)
class Layout:
    """One grid for each image: G cells in the order of the images, each grid row-major."""

    grids: tuple[Grid, ...]

    @classmethod
    def of(cls, run: RunRecord, alpha: float = 1.0) -> Layout:
        """Return the layout of the base views of a run at one scale."""
        scale = run.scale(alpha)
        bases = (scale.of_image(i)[0][0] for i in range(len(run.images)))
        return cls(tuple(map(seen_grid, bases)))

    def divided(self, factor: int) -> Layout:
        """Return the layout with each cell cut into `factor` x `factor`."""
        return Layout(tuple(grid.divided(factor) for grid in self.grids))

    def at_pixels(self) -> Layout:
        """Return the layout with cells of one pixel.

        Cells are a whole number of pixels wide where an image would have more than `MOST_PIXELS`.
        """
        return Layout(tuple(grid.at_pixels() for grid in self.grids))

    def split(self, cells: Maps) -> list[Maps]:
        """Return the maps of each image, (M, h, w), from rows of cells (M, G)."""
        sizes = [h * w for h, w in (grid.shape for grid in self.grids)]
        parts = np.split(cells, np.cumsum(sizes)[:-1], axis=1)
        return [p.reshape(-1, *g.shape) for p, g in zip(parts, self.grids, strict=True)]

    def each(self, change: Callable[[Maps], Maps], cells: Maps) -> Maps:
        """Apply `change` to the maps (M, h, w) of each image; return rows of cells (M, G)."""
        return join([change(maps) for maps in self.split(cells)])


def join(maps: Sequence[Maps]) -> Maps:
    """Join the maps (M, h, w) of all images into rows of cells (M, G)."""
    rows = [m.reshape(len(m), m.shape[1] * m.shape[2]) for m in maps]
    return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)


def shares(extent: Extent, shape: Sequence[int]) -> Extent:
    """Return an extent in pixels as shares of the sides of a picture (H, W) or (H, W, 3)."""
    x0, y0, x1, y1 = extent
    height, width = shape[:2]
    return x0 / width, y0 / height, x1 / width, y1 / height


@lru_cache(maxsize=256)
def seen_grid(view: View) -> Grid:
    """Return the part of a view's grid that covers the picture.

    Raises `RunError` if it is empty or not a rectangle, or if its cells differ in size or do not
    form rows and columns without gaps (tiles must be reordered first).
    """
    rects = view.rects.reshape(*view.grid, 4).astype(np.float64)
    seen: npt.NDArray[np.bool_] = np.all(np.isfinite(rects), axis=-1)
    name = f"grid of {view.grid[0]} x {view.grid[1]} tokens on image {view.image}"
    if not seen.any():
        raise RunError(f"{name}: no visual token covers any of the picture")
    rows, columns = _span(np.any(seen, axis=1)), _span(np.any(seen, axis=0))
    if not seen[rows, columns].all():
        raise RunError(f"{name}: the tokens that cover the picture do not form a rectangle")
    part = rects[rows, columns]
    y = np.append(part[:, 0, 1], part[-1, 0, 3])
    x = np.append(part[0, :, 0], part[0, -1, 2])
    placed = np.stack(np.broadcast_arrays(x[:-1], y[:-1, None], x[1:], y[1:, None]), axis=-1)
    tolerance = 1e-3 * max(x[-1] - x[0], y[-1] - y[0])
    rising = np.all(np.diff(y) > 0) and np.all(np.diff(x) > 0)
    if not rising or np.abs(placed - part).max() > tolerance:
        raise RunError(f"{name}: the rectangles of the tokens do not form a grid")
    if not (_is_even(y, tolerance) and _is_even(x, tolerance)):
        raise RunError(f"{name}: the rectangles of the tokens differ in size")
    return Grid(rows, columns, y, x)


def seen_maps(view: View, grid: Grid, values: Maps) -> Maps:
    """Return (M, h, w): the seen part of M maps given as (M, n) over all tokens of the view."""
    return values.reshape(-1, *view.grid)[:, grid.rows, grid.columns]


@dataclass(frozen=True, eq=False)
class Resampler:
    """Two weight matrices that resample maps from one grid to another.

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
    """Return the weights (m, n) float32 of n source cells in m target cells; rows sum to 1.

    Both axes are given by their cell edges in pixels, (n + 1,) and (m + 1,). Values belong to the
    centres of whole cells. Where the target is finer, the kernel interpolates; where it is coarser,
    the kernel is widened to the target cell to avoid aliasing; "nearest" does neither. Beyond its
    ends the source continues with its edge value.
    """
    n, source, target = len(source) - 1, whole_edges(source), whole_edges(target)
    centres = (source[:-1] + source[1:]) / 2
    knots = np.concatenate([source[:1], centres, source[-1:]])
    index = np.concatenate([[-0.5], np.arange(n), [n - 0.5]])
    at = np.interp(
        (target[:-1] + target[1:]) / 2, knots, index
    )  # in source cells; centres have whole numbers
    if mode == "nearest":
        return np.eye(n, dtype=np.float32)[np.clip(np.floor(at + 0.5), 0, n - 1).astype(int)]
    width = np.maximum(1.0, np.diff(np.interp(target, source, np.arange(n + 1))))
    reach = int(np.ceil(2 * width.max()))
    cells = np.arange(-reach, n + reach)
    weights = _KERNELS[mode]((cells - at[:, None]) / width[:, None])
    weights = weights @ np.eye(n)[np.clip(cells, 0, n - 1)]  # cells beyond the edge repeat it
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def whole_edges(edges: Floats) -> Floats:
    """Return the edges (n + 1,) of whole cells from edges that are clipped to the picture.

    Whole cells are as large as those not at the border. Of two cells, the smaller one is assumed to
    be clipped; a single cell is assumed to be whole.
    """
    n = len(edges) - 1
    sizes = np.diff(edges[1:-1] if n > 2 else edges)
    step = sizes.mean() if n > 2 else sizes.max()
    ends = np.array([edges[1] - step, edges[-2] + step])
    own = edges[[0, -1]]
    whole = edges.copy()
    whole[[0, -1]] = np.where(np.abs(ends - own) > _EVEN * step, ends, own)
    return whole


def _is_even(edges: Floats, tolerance: float) -> bool:
    """Return whether cells have one size, except for those at the border, which may be clipped."""
    whole = whole_edges(edges)
    even = np.linspace(whole[0], whole[-1], len(edges))
    spare = 2 * SLIVER * (even[1] - even[0])  # a border cell may have taken up a sliver
    sticks_out = max(whole[0] - edges[0], edges[-1] - whole[-1])
    return bool(np.abs(whole - even).max() <= tolerance and sticks_out <= spare)


def _box(y: Floats, x: Floats) -> Extent:
    return float(x[0]), float(y[0]), float(x[-1]), float(y[-1])


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
    """Return the edges with each whole cell divided into `factor`, clipped to the picture."""
    steps, whole = np.arange(len(edges[:-1]) * factor + 1) / factor, whole_edges(edges)
    fine = np.interp(steps, np.arange(len(whole)), whole).clip(edges[0], edges[-1])
    size = (whole[-1] - whole[0]) / (len(steps) - 1)
    held = np.flatnonzero(np.diff(fine) > SLIVER * size)
    fine[held[0]], fine[held[-1] + 1] = edges[0], edges[-1]
    return fine[held[0] : held[-1] + 2]
