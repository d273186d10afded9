"""Control maps that do not depend on the answer, as a baseline for every method.

Evaluation uses them; the page does not offer them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from explainer.methods.base import Heatmap, MapPart, Method
from explainer.run import Run
from explainer.run.geometry import Grid, Layout

SPREAD = 0.25  # standard deviation of the centre bias, as a share of each side


def noise(run: Run, seeds: Sequence[int]) -> list[Heatmap]:
    """Return a map of uniform noise for each seed, the same for every call on a run.

    The control "random" uses the token indices as seeds.
    """
    layout, key = Layout.of(run), [int(i) for i in run.tokens.ids]

    def draw(seed: int) -> Callable[[Grid], np.ndarray]:
        rng = np.random.default_rng([*key, seed])
        return lambda grid: rng.random(grid.shape, dtype=np.float32)

    return [_heatmap(layout, draw(seed)) for seed in seeds]


def _centre(run: Run, tokens: Sequence[int]) -> list[Heatmap]:
    """Return the same Gaussian in the middle of each picture for every token."""
    layout = Layout.of(run)

    def bump(grid: Grid) -> np.ndarray:
        y, x = (_bell(edges) for edges in (grid.y, grid.x))
        product = (y[:, None] * x[None]).astype(np.float32)
        return product / product.max()

    return [_heatmap(layout, bump)] * len(tokens)


def _bell(edges: np.ndarray) -> np.ndarray:
    """Return a Gaussian over the cells of an axis, 1 in the middle."""
    centres = (edges[:-1] + edges[1:]) / 2
    share = (centres - edges[0]) / (edges[-1] - edges[0]) - 0.5
    return np.exp(-0.5 * (share / SPREAD) ** 2)


def _heatmap(layout: Layout, make: Callable[[Grid], np.ndarray]) -> Heatmap:
    parts = tuple(MapPart(make(grid), grid.placement) for grid in layout.grids)
    return Heatmap(parts, False, "a control, the same for any model")


def _control(name: str, label: str, summary: str, explain: Callable[..., list[Heatmap]]) -> Method:
    return Method(name, label, summary, "", False, (), explain)


CONTROLS: Mapping[str, Method] = MappingProxyType(
    {
        "random": _control("random", "Random", "Uniform noise on the token grid.", noise),
        "centre": _control("centre", "Centre bias", "A bump in the middle.", _centre),
    }
)
