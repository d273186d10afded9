"""Maps of models that read a picture on a canvas, in a real browser: drawn where Python draws them.

Where that is, is compared with what reaches the model in `tests/models/test_impulse.py`.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explainer.export import Chosen, Exhibit, chips, colour_table, overlay
from explainer.methods import METHODS
from explainer.methods.base import Heatmap, MapPart
from explainer.recording.load import load
from explainer.run import ANSWER, Run
from explainer.run.geometry import Layout
from explainer.web import map_entry
from explainer.web.one_file import one_file
from tests import tiny
from tests.e2e.tabs import Tab, sync_api
from tests.e2e.visitor import table_colours

CASES = {
    "llava 640x427": ("emoji-llava", {}, (427, 640)),
    "llava 4:1": ("emoji-llava", {}, (101, 404)),
    "llava 1:4": ("emoji-llava", {}, (404, 101)),
    "internvl": ("emoji-internvl", {}, (300, 211)),
    "internvl tiles": ("emoji-internvl", {"tiles": 6}, (427, 640)),
    "qwen2_vl": ("emoji-qwen2-vl", {}, (404, 101)),
}
TABLE = colour_table("inferno").astype(int)
NAME = "logit_lens"


def cell_of(token: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the one bright cell in the map of a token: near the border first, then inside."""
    rows, columns = shape
    inset, turn = divmod(token, 4)
    row, column = min(inset, rows - 1), min(inset, columns - 1)
    return (rows - 1 - row if turn in (1, 2) else row), (
        columns - 1 - column if turn % 2 else column
    )


def impulses(run: Run, tokens: Sequence[int], **_) -> list[Heatmap]:
    """Stand for a method: one bright cell in each map."""
    (grid,) = Layout.of(run).grids
    made = []
    for token in tokens:
        values = np.zeros(grid.shape, np.float32)
        values[cell_of(token, grid.shape)] = 1
        made.append(Heatmap((MapPart(values, grid.placement),), False, "an impulse"))
    return made


@pytest.fixture(scope="module", params=CASES)
def run(request) -> Run:
    name, options, size = CASES[request.param]
    model = load(f"assets/models/{name}", device="cpu", **options)
    return model.record(tiny.image(*size), "Describe it.", scales=(), max_new_tokens=6)


@pytest.fixture
def page(lend_tab: Callable[..., Tab], tmp_path, monkeypatch, run: Run) -> sync_api.Page:
    """A page with the file of the run, whose maps are impulses."""
    stand_in = replace(METHODS[NAME], explain=impulses)
    monkeypatch.setattr(map_entry, "OFFERED", {NAME: stand_in})
    chosen = (Chosen(stand_in, stand_in.settings()),)
    path = tmp_path / "run.html"
    path.write_bytes(one_file(Exhibit(run, chosen, tuple(chips(run)))))
    tab = lend_tab(1280, 720)
    tab.open(path.as_uri())
    tab.page.wait_for_selector(".sl-view[data-chip]")
    return tab.page


def choose(page: sync_api.Page, token: int) -> None:
    """Choose the chip that consists of a token, and wait for its map."""
    page.evaluate("t => document.sightline.set({subject: t})", {"chip": token})
    page.wait_for_function(
        "t => document.querySelector('.sl-view').dataset.chip === t", arg=str(token)
    )


def values_drawn(page: sync_api.Page) -> np.ndarray:
    """Return (H, W) the steps of the colour table on the canvas."""
    address = page.evaluate("() => document.querySelector('.sl-heat').toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGBA")
    pixels = table_colours(np.asarray(image), TABLE)
    _, steps = np.unique(TABLE, axis=0, return_index=True)
    weights = np.array([65536, 256, 1])
    at = np.searchsorted(TABLE[steps] @ weights, pixels @ weights)
    assert (TABLE[steps][at] == pixels).all(), "not a colour of the table"
    return steps[at].astype(float)


def middle(drawn: np.ndarray) -> np.ndarray:
    """Return the middle (x, y) of what is drawn, in shares of the picture."""
    lines = drawn.sum(axis=0), drawn.sum(axis=1)
    return np.array(
        [(line * (np.arange(len(line)) + 0.5)).sum() / line.sum() / len(line) for line in lines]
    )


def tokens_of(run: Run) -> dict[int, int]:
    """Return the chips that consist of one token of the answer, with that token."""
    return {
        i: chip.tokens[0]
        for i, chip in enumerate(run.chips)
        if chip.role == ANSWER and len(chip.tokens) == 1
    }


def test_an_impulse_is_drawn_in_the_browser_where_python_draws_it(page, run):
    grey = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    (grid,) = Layout.of(run).grids
    x0, y0, x1, y1 = grid.placement.shares(run.image.shape).frame
    one = np.array([(x1 - x0) / grid.shape[1], (y1 - y0) / grid.shape[0]])
    for chip, token in tokens_of(run).items():
        choose(page, chip)
        (heat,) = impulses(run, [token])
        want = overlay(np.zeros_like(run.image), heat, grey, 1.0, cover="all")[..., 0].astype(float)
        assert (np.abs(middle(values_drawn(page)) - middle(want)) <= 0.05 * one).all(), token


def test_squares_outline_and_cross_hair_lie_on_the_cell(page, run):
    (grid,) = Layout.of(run).grids
    y, x = (edges for edges in grid.placement.shares(run.image.shape).edges(grid.shape))
    page.evaluate("() => document.sightline.set({drawing: 'cells', contour: true})")
    for chip, token in tokens_of(run).items():
        choose(page, chip)
        row, column = cell_of(token, grid.shape)
        want = np.array([x[column], y[row], x[column + 1], y[row + 1]])
        page.wait_for_function("() => document.querySelector('.sl-outline').getAttribute('d')")
        assert outline_of(page) == pytest.approx(want, abs=1e-4)
        drawn = values_drawn(page) > 0
        if drawn.any():  # a sliver may lie between the centres of pixels
            assert held(drawn) == pytest.approx(want, abs=1.01 / min(drawn.shape))
        place = {"x": (want[0] + want[2]) / 2, "y": (want[1] + want[3]) / 2}
        page.evaluate("p => document.sightline.set({probe: p})", place)
        page.wait_for_function("() => document.querySelector('.sl-value').textContent === '1.00'")
        page.evaluate("() => document.sightline.set({probe: null})")


def outline_of(page: sync_api.Page) -> np.ndarray:
    """Return (x0, y0, x1, y1) of the outline, in shares of the picture."""
    style, box, path = page.evaluate(
        "() => { const s = document.querySelector('.sl-contour'), {style} = s; "
        "return [[style.left, style.top, style.width, style.height].map(parseFloat), "
        "s.getAttribute('viewBox').split(' ').map(Number), "
        "s.querySelector('.sl-outline').getAttribute('d')]; }"
    )
    points = []
    for start in re.findall(r"M([-\d.e]+),([-\d.e]+)([HV])([-\d.e]+)", path):
        across, down, way, to = float(start[0]), float(start[1]), start[2], float(start[3])
        points += [(across, down), (to, down) if way == "H" else (across, to)]
    points = (np.array(points) / box[2:] * style[2:] + style[:2]) / 100
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def held(drawn: np.ndarray) -> np.ndarray:
    """Return (x0, y0, x1, y1) of the pixels that are on, in shares of the picture."""
    columns, rows = (np.flatnonzero(drawn.any(axis=axis)) for axis in (0, 1))
    h, w = drawn.shape
    return np.array([columns[0] / w, rows[0] / h, (columns[-1] + 1) / w, (rows[-1] + 1) / h])
