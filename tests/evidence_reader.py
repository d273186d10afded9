"""A second reader of evidence messages, written from docs/formats.md alone."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from explainer.run import Run


def read(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a message."""
    version, length = struct.unpack("<II", data[4:12])
    assert data[:4] == b"SLEV"
    assert version == 2
    header, arrays = json.loads(data[12 : 12 + length].decode()), {}
    for told in header["arrays"]:
        count, start = int(np.prod(told["shape"])), 12 + length + told["at"]
        assert start % 8 == 0
        values = np.frombuffer(data, np.dtype(told["type"]).newbyteorder("<"), count, start)
        arrays[told["name"]] = values.reshape(told["shape"])
    return header, arrays


def logits(arrays: dict[str, np.ndarray], scale: int) -> np.ndarray:
    """Return (W, n) float32: the maps of a scale."""
    steps = arrays[f"maps{scale}"].astype(np.float64)
    unit = np.where(steps > 0, arrays[f"up{scale}"][:, None], arrays[f"down{scale}"][:, None])
    return (steps / 32767 * unit).astype(np.float32)


def told_run(run: Run, data: bytes) -> Run:
    """Return the run as a message tells it: with maps in steps for the words in play."""
    header, arrays = read(data)
    copy = replace(run)
    for i, scale in enumerate(run.scales):
        kept = copy.visual_logits(scale.alpha).copy()
        rows = run.unembedding.index(arrays["ids"])
        seen = [
            place.start + np.flatnonzero(np.isfinite(view.rects).all(axis=1))
            for image in range(len(run.images))
            for view, place in scale.of_image(image)
        ]
        assert len(header["scales"][i]["views"]) == len(seen)
        kept[np.ix_(rows, np.concatenate(seen))] = logits(arrays, i)
        copy.__dict__["_visual"][scale.alpha] = kept
    return copy
