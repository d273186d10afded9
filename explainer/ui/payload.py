"""From runs and heatmaps to the JSON that the page's scripts draw."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from explainer.export import DIVERGING, SEQUENTIAL, colour_table
from explainer.methods import METHODS
from explainer.methods.base import Heatmap
from explainer.run import ANSWER, ROLE_NAMES, TEMPLATE, Chip, Run
from explainer.ui import texts

_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")
_PICTURE_SIDE = 720  # longest side of the picture under the maps, enough for a large screen


def tables() -> dict[str, str]:
    """Return all colour tables, base64 of 256 RGB triples each."""
    return {name: _base64(colour_table(name)) for name in (*SEQUENTIAL, *DIVERGING)}


def colour_labels() -> dict[str, str]:
    """Return the names for people of the tables for unsigned maps."""
    return dict(SEQUENTIAL)


# Chips -------------------------------------------------------------------------------------------


def bar(run: Run, key: str, active: int | None = None) -> dict[str, Any]:
    """Return the value of the token bar for a run; the first content word is active by default."""
    chips = [_chip(run, i, c) for i, c in enumerate(run.chips) if c.role != TEMPLATE]
    known = {c["index"] for c in chips}
    return {"run": key, "chips": chips, "active": active if active in known else first_chip(run)}


def live_bar(pieces: Sequence[str]) -> dict[str, Any]:
    """Return the value of the token bar while an answer is being generated."""
    chips = [{"index": i, "text": texts.visible(p), "role": "answer"} for i, p in enumerate(pieces)]
    return {"run": None, "chips": chips, "active": None, "live": True}


def first_chip(run: Run) -> int | None:
    """Return the chip to show first: a content word of the answer, or the next best thing."""
    chips = [(i, c) for i, c in enumerate(run.chips) if c.role != TEMPLATE]
    answer = [(i, c) for i, c in chips if c.role == ANSWER]
    for pool in (answer, chips):
        words = [i for i, c in pool if texts.is_content(c.text)]
        if words or pool:
            return words[0] if words else pool[0][0]
    return None


def probability(run: Run, chip: Chip) -> float | None:
    """Return the probability of all tokens of the chip together, None if one is not known."""
    p = float(np.prod(run.probs[list(chip.tokens)].astype(np.float64)))
    return p if math.isfinite(p) else None


def _chip(run: Run, index: int, chip: Chip) -> dict[str, Any]:
    text, role = texts.visible(chip.text), ROLE_NAMES[chip.role]
    chance = texts.share(probability(run, chip)) if chip.role == ANSWER else ""
    label = ", ".join(filter(None, [text, f"{role} word", chance]))
    return {"index": index, "text": text, "role": role, "label": label}


# Maps --------------------------------------------------------------------------------------------


def maps(run: Run, key: str, index: int, heats: Mapping[str, Heatmap], line: str) -> dict[str, Any]:
    """Return the value of the map view for one chip."""
    word = texts.visible(run.chips[index].text)
    return {
        "run": key,
        "chip": index,
        "word": word,
        "line": line,
        "maps": [_map(run, name, heat, word) for name, heat in heats.items()],
        "beta": _finite(heats["msea_arc"].notes.get("beta_auto")) if "msea_arc" in heats else None,
    }


def picture(run: Run, key: str) -> dict[str, Any]:
    """Return the value of the backdrop: run, the picture as a data URI, and width / height."""
    height, width = run.image.shape[:2]
    image = Image.fromarray(run.image)
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=92, subsampling=0)
    src = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"run": key, "src": src, "ratio": width / height}


def thumbnail(pixels: npt.NDArray[np.uint8], side: int = 144) -> str:
    """Return a small square cut from the middle of a picture as a data URI."""
    image = Image.fromarray(pixels)
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _map(run: Run, name: str, heat: Heatmap, word: str) -> dict[str, Any]:
    height, width = run.image.shape[:2]
    x0, y0, x1, y1 = heat.extent
    return {
        "name": name,
        "label": METHODS[name].label,
        "note": _note(heat),
        "shape": list(heat.values.shape),
        "data": _base64(levels(heat)),
        "signed": heat.signed,
        "extent": [x0 / width, y0 / height, x1 / width, y1 / height],
        "norm": heat.normalisation,
        "alt": f"{METHODS[name].label} map of “{word}”: {_where(heat)}",
    }


def levels(heat: Heatmap) -> npt.NDArray[np.uint8]:
    """Return (h, w) uint8, the place of each value in a colour table of 256 steps."""
    values = (heat.values + 1) / 2 if heat.signed else heat.values
    return np.clip(np.round(np.nan_to_num(values) * 255), 0, 255).astype(np.uint8)


def _where(heat: Heatmap) -> str:
    """Return in words where the map is strongest."""
    peak = float(heat.values.max())
    if not peak > 0:
        return "empty"
    row, column = np.unravel_index(int(heat.values.argmax()), heat.values.shape)
    third = (3 * row // heat.values.shape[0], 3 * column // heat.values.shape[1])
    place = f"{_ROWS[third[0]]} {_COLUMNS[third[1]]}".replace("middle center", "center")
    return f"strongest in the {place}, {peak:.2f}"


def _note(heat: Heatmap) -> str:
    beta, auto = (_finite(heat.notes.get(name)) for name in ("beta", "beta_auto"))
    if beta is None:
        return ""
    if auto is None or abs(auto - beta) < 5e-4:
        return f"β = {beta:.2f}"
    return f"β = {beta:.2f}, Eq. 9 gives {auto:.2f}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _base64(array: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
